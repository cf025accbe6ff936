/** A host's agent as the healer needs it, over the agent's own door. */
import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Fence } from '../../operations/fleet/interlock/contract.ts'
import type { HostAgent } from '../../operations/heal/ends.ts'
import {
  type logDirOrder,
  type ProcessAct,
  type ProcessList,
  processLife,
  processList,
  type processOrder,
  replicasOnDisk,
  replicaVerified,
} from '../../operations/hosts/contract.ts'
import { AGENT_REFUSED, AGENT_UNREACHABLE, type AgentAddress, baseOf, headersOf } from './agents.ts'

/** How long a question for news is left open. */
const WAIT_MS = 10_000
const PATIENCE_MS = 2_000
/** Fifty logs' ends, on a slow disk. */
const READ_MS = 10_000
/** A broker that ends in order hands over its partitions first. */
const ORDER_MS = 90_000
/** A segment or two, whole. */
const VERIFY_MS = 60_000

/** What a person orders, too. */
export interface OrderedAgent extends HostAgent {
  /**
   * Returns once it is done; a process that was started may not serve yet.
   *
   * @param fence of the lease under which it is ordered; a broker is not touched without one
   * @throws AjnaError AGENT_UNREACHABLE: it may be under way; AGENT_REFUSED
   */
  order(
    process: string,
    act: Exclude<ProcessAct, 'kill'>,
    fence: Fence | undefined,
    reason: string,
    signal: AbortSignal,
  ): Promise<void>
}

export function hostAgent(address: AgentAddress): OrderedAgent {
  const base = baseOf(address)
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
  async function command(
    process: string,
    what: ProcessAct | 'log-dir',
    order: z.input<typeof processOrder> | z.input<typeof logDirOrder>,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `/api/processes/${encodeURIComponent(process)}/${what}`
    const response = await ask(path, withinMs, signal, { method: 'POST', body: JSON.stringify(order) })
    if (response.ok) return
    const said = (await response.json().catch(() => ({}))) as { code?: string; message?: string }
    throw new AjnaError(AGENT_REFUSED, said.message ?? `the agent answered ${response.status}`, {
      details: { code: said.code ?? null },
    })
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
    async replicas(process, partitions, signal) {
      const body = JSON.stringify({ partitions })
      const path = `/api/processes/${encodeURIComponent(process)}/replicas`
      const response = await ask(path, READ_MS, signal, { method: 'POST', body })
      return response.status === 404 ? undefined : replicasOnDisk.parse(await response.json())
    },
    async verify(process, range, signal) {
      const body = JSON.stringify(range)
      const path = `/api/processes/${encodeURIComponent(process)}/verify`
      const response = await ask(path, VERIFY_MS, signal, { method: 'POST', body })
      return response.status === 404 ? undefined : replicaVerified.parse(await response.json())
    },
    kill: (process, pid, fence, reason, signal) =>
      command(process, 'kill', { fence, reason, pid }, PATIENCE_MS, signal),
    order: (process, act, fence, reason, signal) =>
      command(process, act, { fence, reason }, ORDER_MS, signal),
    prepareLogDir: (process, path, fence, reason, signal) =>
      command(process, 'log-dir', { fence, reason, path }, PATIENCE_MS, signal),
  }
}

export interface Host {
  /** What its plan holds. */
  readonly processes: readonly string[]
  readonly agent: HostAgent
}

const AGAIN_MS = 500

/** Agents of several hosts as one. Of a host whose agent does not answer nothing is said: nobody testifies for its processes. */
export function hostAgents(hosts: readonly Host[], signal: AbortSignal): HostAgent {
  const lists = new Map<Host, ProcessList>()
  let version = 0
  let changed = Promise.withResolvers<void>()
  const note = (host: Host, list: ProcessList | undefined): void => {
    if (list === undefined ? !lists.delete(host) : lists.get(host)?.version === list.version) return
    if (list !== undefined) lists.set(host, list)
    version++
    changed.resolve()
    changed = Promise.withResolvers()
  }
  async function follow(host: Host): Promise<void> {
    while (!signal.aborted) {
      try {
        note(host, await host.agent.processes(lists.get(host)?.version ?? -1, signal))
      } catch {
        note(host, undefined)
        await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }
  for (const host of hosts) void follow(host)
  const agentOf = (process: string): HostAgent => {
    const found = hosts.find(({ processes }) => processes.includes(process))
    if (found === undefined) throw new AjnaError(AGENT_UNREACHABLE, `no host is known for ${process}`)
    return found.agent
  }
  return {
    async processes(after, asked) {
      const over = new AbortController()
      const until = AbortSignal.any([signal, asked, over.signal])
      const news = changed.promise
      if (after === version)
        await Promise.race([news, delay(WAIT_MS, undefined, { signal: until })]).finally(() => over.abort())
      return { version, processes: [...lists.values()].flatMap(({ processes }) => processes) }
    },
    ran: async (process, ...rest) => agentOf(process).ran(process, ...rest),
    replicas: async (process, ...rest) => agentOf(process).replicas(process, ...rest),
    verify: async (process, ...rest) => agentOf(process).verify(process, ...rest),
    kill: async (process, ...rest) => agentOf(process).kill(process, ...rest),
    prepareLogDir: async (process, ...rest) => agentOf(process).prepareLogDir(process, ...rest),
  }
}
