import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, errorKind } from '../../foundation/errors/errors.ts'
import { type AgentStatus, agentStatus, type ProcessAct } from '../../operations/hosts/contract.ts'

export const AGENT_UNREACHABLE = errorKind(
  'AGENT_UNREACHABLE',
  'The host agent does not answer.',
  'See `ajna status`; it is restarted by itself. Its log is logs/agent.log.',
)

const ASK_EVERY_MS = 2_000
const ASK_DEADLINE_MS = 2_000

/** A host's agent as the control process sees it. */
export interface AgentWatch {
  /** undefined: it has not answered lately. */
  status(): AgentStatus | undefined
  /** @throws AjnaError AGENT_UNREACHABLE */
  ask(): Promise<AgentStatus>
  order(process: string, act: ProcessAct, reason: string, signal: AbortSignal): Promise<void>
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
  const base = baseOf(options)
  const headers = headersOf(options)
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
    async order(process, act, reason, signal) {
      const body = JSON.stringify({ token: 0, reason })
      const path = `${base}/api/processes/${encodeURIComponent(process)}/${act}`
      const response = await fetch(path, { method: 'POST', headers, body, signal }).catch(
        (cause: unknown) => {
          signal.throwIfAborted()
          throw new AjnaError(AGENT_UNREACHABLE, `nothing answers at ${base}`, { cause })
        },
      )
      if (!response.ok) {
        const said = (await response.json().catch(() => ({}))) as { message?: string }
        throw new AjnaError(AGENT_UNREACHABLE, said.message ?? `the agent answered ${response.status}`)
      }
    },
  }
}
