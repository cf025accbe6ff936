/** What the healer needs of the world; wired in entry/. */
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { TlsSource } from '../../foundation/wire/contract.ts'
import type { Fence, Interlock } from '../fleet/interlock/contract.ts'
import type {
  ProcessList,
  ReplicaName,
  ReplicaRange,
  ReplicasOnDisk,
  ReplicaVerified,
} from '../hosts/contract.ts'
import type { Patience } from './conditions/facts.ts'
import type { HealPolicy, Incident } from './contract.ts'

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
  /** What lies in the log dirs of a broker, whether or not it runs; undefined: it keeps no such process. */
  replicas(
    process: string,
    partitions: readonly ReplicaName[],
    signal: AbortSignal,
  ): Promise<ReplicasOnDisk | undefined>
  /** Whether a replica is undamaged over a range of offsets, as it lies on its disk; undefined: it keeps no such process. */
  verify(process: string, range: ReplicaRange, signal: AbortSignal): Promise<ReplicaVerified | undefined>
  /** @param fence of the lease under which it is ordered */
  kill(process: string, pid: number, fence: Fence, reason: string, signal: AbortSignal): Promise<void>
  /** Makes one of its log dirs ready for its next start if it is empty, as a new disk is. */
  prepareLogDir(
    process: string,
    path: string,
    fence: Fence,
    reason: string,
    signal: AbortSignal,
  ): Promise<void>
}

/** Where incidents are kept. */
export interface IncidentBook {
  list(): readonly Incident[]
  paused(): string | null
  /** @returns why it is not taken; undefined: it is. @throws what the journal throws */
  tell(incident: Incident, signal: AbortSignal): Promise<string | undefined>
}

export interface HealedBroker {
  readonly id: number
  readonly rack: string | null
  /** Of its client listener. */
  readonly host: string
  readonly port: number
  /** What its process is called in its host's plan. */
  readonly process: string
}

export interface HealerOptions {
  readonly cluster: string
  readonly brokers: readonly HealedBroker[]
  /** As one who may alter the cluster, with short deadlines: a frozen broker must not hold it up. */
  readonly admin: ClusterAdmin
  readonly tls: TlsSource | undefined
  readonly agent: HostAgent
  /** Undefined: no other cluster keeps this one's leases (just now). */
  readonly interlock: () => Interlock | undefined
  readonly book: IncidentBook
  readonly policy: HealPolicy
  /** How long what is only told has to stand; default: PATIENCE. */
  readonly patience?: Partial<Patience>
  readonly now: () => number
  readonly log: Logger
  readonly signal: AbortSignal
}
