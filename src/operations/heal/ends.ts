/** What the healer needs of the world; wired in entry/. */
import type { ProcessList } from '../hosts/contract.ts'
import type { Incident } from './contract.ts'

/** A host's agent. Each throws when it does not answer. */
export interface HostAgent {
  /** Answers once its processes are others than at `after`, or after a while. */
  processes(after: number, signal: AbortSignal): Promise<ProcessList>
  /** Whether a process runs in fact, watched for so long; undefined: there is no such process. */
  ran(
    process: string,
    overMs: number,
    signal: AbortSignal,
  ): Promise<{ pid: number; ran: boolean } | undefined>
  /** @param token of the lease under which it is ordered */
  kill(process: string, pid: number, token: number, reason: string, signal: AbortSignal): Promise<void>
}

/** Where incidents are kept. */
export interface IncidentBook {
  list(): readonly Incident[]
  paused(): string | null
  /** @returns why it is not taken; undefined: it is. @throws what the journal throws */
  tell(incident: Incident, signal: AbortSignal): Promise<string | undefined>
}
