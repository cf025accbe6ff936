import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, errorKind } from '../../foundation/errors/errors.ts'
import { type AgentStatus, agentStatus } from '../../operations/hosts/contract.ts'

export const AGENT_UNREACHABLE = errorKind(
  'AGENT_UNREACHABLE',
  'The host agent does not answer.',
  'See `ajna status`; it is restarted by itself. Its log is logs/agent.log.',
)

export const AGENT_REFUSED = errorKind(
  'AGENT_REFUSED',
  'The host agent does not carry out an order.',
  'Its reason is named, and its own code is in the details: see there (docs/ERRORS.md).',
  3,
)

const ASK_EVERY_MS = 2_000
const ASK_DEADLINE_MS = 2_000

/** A host's agent as the control process sees it. */
export interface AgentWatch {
  /** undefined: it has not answered lately. */
  status(): AgentStatus | undefined
  /** @throws AjnaError AGENT_UNREACHABLE */
  ask(): Promise<AgentStatus>
}

export interface AgentAddress {
  /** Loopback. */
  readonly port: number
  readonly token: string
}

export const baseOf = ({ port }: AgentAddress): string => `http://127.0.0.1:${port}`
export const headersOf = ({ token }: AgentAddress): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
})

/** @throws AjnaError AGENT_UNREACHABLE */
export async function askAgent(address: AgentAddress, signal: AbortSignal): Promise<AgentStatus> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(ASK_DEADLINE_MS)])
  const base = baseOf(address)
  const response = await fetch(`${base}/api/status`, { headers: headersOf(address), signal: until }).catch(
    (cause: unknown) => {
      throw new AjnaError(AGENT_UNREACHABLE, `nothing answers at ${base}`, { cause })
    },
  )
  return agentStatus.parse(await response.json())
}

export function watchAgent(options: AgentAddress & { readonly signal: AbortSignal }): AgentWatch {
  let latest: AgentStatus | undefined
  const ask = (): Promise<AgentStatus> => askAgent(options, options.signal)

  void (async () => {
    while (!options.signal.aborted) {
      latest = await ask().catch(() => undefined)
      await delay(ASK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined)
    }
  })()

  return {
    status: () => latest,
    ask,
  }
}
