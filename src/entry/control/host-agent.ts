/** A host's agent as the healer needs it, over the agent's own door. */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { HostAgent } from '../../operations/heal/ends.ts'
import { processLife, processList } from '../../operations/hosts/contract.ts'
import { AGENT_UNREACHABLE, type AgentAddress, baseOf, headersOf } from './agents.ts'

/** How long a question for news is left open. */
const WAIT_MS = 10_000
const PATIENCE_MS = 2_000

export function hostAgent(address: AgentAddress): HostAgent {
  const base = baseOf(address)
  /** An order that is carried out, or was not. */
  async function order(
    process: string,
    what: string,
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `/api/processes/${encodeURIComponent(process)}/${what}`
    const response = await ask(path, PATIENCE_MS, signal, { method: 'POST', body: JSON.stringify(body) })
    if (response.ok) return
    const said = (await response.json()) as { message?: string }
    throw new AjnaError(AGENT_UNREACHABLE, said.message ?? `the agent answered ${response.status}`)
  }
  async function ask(
    path: string,
    withinMs: number,
    signal: AbortSignal,
    init: RequestInit = {},
  ): Promise<Response> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
    try {
      return await fetch(`${base}${path}`, { ...init, headers: headersOf(address), signal: until })
    } catch (cause) {
      signal.throwIfAborted()
      throw new AjnaError(AGENT_UNREACHABLE, `nothing answers at ${base}`, { cause })
    }
  }
  return {
    async processes(after, signal) {
      const path = `/api/processes?after=${after}&waitMs=${WAIT_MS}`
      const response = await ask(path, WAIT_MS + PATIENCE_MS, signal)
      return processList.parse(await response.json())
    },
    async ran(process, overMs, signal) {
      const path = `/api/processes/${encodeURIComponent(process)}/life?overMs=${overMs}`
      const response = await ask(path, overMs + PATIENCE_MS, signal)
      return response.status === 404 ? undefined : processLife.parse(await response.json())
    },
    kill: (process, pid, token, reason, signal) => order(process, 'kill', { token, reason, pid }, signal),
    prepareLogDir: (process, path, token, reason, signal) =>
      order(process, 'log-dir', { token, reason, path }, signal),
  }
}
