import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError, errorKind, isAjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import { describeDomain, type Lease } from '../../operations/fleet/interlock/contract.ts'
import type { ClusterFacts, Platform } from '../api/platform.ts'
import { AGENT_UNREACHABLE } from './agents.ts'
import type { BrokerLeases } from './broker-leases.ts'
import type { OrderedAgent } from './host-agent.ts'

export const RESTART_UNFINISHED = errorKind(
  'RESTART_UNFINISHED',
  'A broker was told to restart, and does not serve again.',
  "See the cluster's page, `ajna status`, and the broker's log; its lease was given up, so that it can be healed.",
)

export interface RestartsOptions {
  readonly facts: (cluster: string) => ClusterFacts | undefined
  readonly agent: Pick<OrderedAgent, 'processes' | 'order'>
  readonly leases: BrokerLeases
  /** Whether the controller counts the broker as up. */
  readonly isUp: (cluster: string, broker: number, signal: AbortSignal) => Promise<boolean>
  readonly record: (entry: Activity) => Promise<Activity>
  readonly now: () => number
  readonly log: Logger
  /**
   * From the order until the broker serves again: longer than it takes to end in order, and to open a log that was not closed.
   * Default 180,000.
   */
  readonly servesWithinMs?: number
}

const SERVES_WITHIN_MS = 180_000
const LOOK_AGAIN_MS = 200

interface Restart {
  readonly cluster: string
  readonly broker: number
  readonly reason: string
  readonly begun: Activity
  readonly lease: Lease
}

/**
 * Restarting a broker through its host's agent, under a lease that is held until it serves again. Whether it may be done is the
 * API's rule (`can.ts`), and the interlock's.
 */
export function restarts(options: RestartsOptions): Platform['brokers'] {
  const { facts, agent, leases, isUp, record, now, log, servesWithinMs = SERVES_WITHIN_MS } = options
  return {
    async previewRestart(cluster, broker) {
      const leaders = (facts(cluster)?.topics ?? []).flatMap(topic =>
        topic.partitions.filter(({ leader }) => leader === broker),
      ).length
      return {
        what: `Restart broker ${broker} of ${cluster}: a controlled shutdown, then a new start by its agent.`,
        where: `process ${brokerPrincipal(cluster, broker)}`,
        howLong: 'about 5 to 20 seconds until it is back in every ISR, with little data to catch up on',
        effects: [
          `${leaders} partitions move their leader to another broker first`,
          'replicas on it are out of their ISRs until it has caught up',
          'until it serves again nothing is done to brokers of other racks, by healing neither',
        ],
        undo: 'None needed: leaders return to it by the next preferred election.',
      }
    },
    async restart(cluster, broker, { actor, reason }, signal) {
      const lease = await leases.take(cluster, broker, `a restart, asked for by ${actor}: ${reason}`, signal)
      const entry: Activity = {
        id: randomUUID(),
        revision: 0,
        at: now(),
        actor,
        action: 'broker.restart',
        subject: { kind: 'broker', name: String(broker), cluster },
        summary: `restart of broker ${broker} of ${cluster}`,
        reason,
        outcome: 'running',
        evidence: [{ label: 'lease', value: `${describeDomain(lease.domain)}, token ${lease.fence.token}` }],
        endedAt: null,
      }
      const begun = await record(entry).catch(async error => {
        await release(lease, 'failed', entry)
        throw error
      })
      carryOut({ cluster, broker, reason, begun, lease })
        .then(record)
        .catch(error => log.error({ err: error }, 'how a restart ended cannot be recorded'))
      return begun
    },
  }

  /** Answers the entry at its end. */
  async function carryOut(restart: Restart): Promise<Activity> {
    const { begun, lease } = restart
    const { summary, evidence } = begun
    try {
      const tookMs = await orderAndWait(restart)
      const wasHeld = await release(lease, 'done', begun)
      const told = [
        ...evidence,
        { label: 'serves again after', value: `${tookMs} ms` },
        ...(wasHeld ? [] : [{ label: 'lease', value: 'it had ended before' }]),
      ]
      return { ...ended(begun), outcome: 'done', summary: `${summary}: it serves again`, evidence: told }
    } catch (error) {
      await release(lease, 'failed', begun)
      return { ...ended(begun), outcome: 'failed', summary: `${summary} failed: ${describeError(error)}` }
    }
  }

  /** Answers how long it took. An order that nobody has answered may be under way: also then it is waited for. */
  async function orderAndWait({ cluster, broker, reason, lease }: Restart): Promise<number> {
    const process = brokerPrincipal(cluster, broker)
    const at = performance.now()
    const until = AbortSignal.timeout(servesWithinMs)
    const pidBefore = (await statusOf(process, until))?.pid ?? null
    if (!lease.holds()) throw new AjnaError(RESTART_UNFINISHED, 'nothing was done: the lease has ended')
    try {
      await agent.order(process, 'restart', lease.fence, reason, until)
    } catch (error) {
      if (isAjnaError(error, AGENT_UNREACHABLE))
        await servesAgain(cluster, broker, () => true, until).catch(() => undefined)
      throw error
    }
    await servesAgain(cluster, broker, pid => pid !== pidBefore, until)
    return Math.round(performance.now() - at)
  }

  async function servesAgain(
    cluster: string,
    broker: number,
    isIt: (pid: number) => boolean,
    until: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const status = await statusOf(brokerPrincipal(cluster, broker), until).catch(() => undefined)
      const isReady = status?.state === 'ready' && status.pid !== null && isIt(status.pid)
      if (isReady && (await isUp(cluster, broker, until).catch(() => false))) return
      await delay(LOOK_AGAIN_MS, undefined, { signal: until }).catch(cause => {
        const what = `broker ${broker} of ${cluster} does not serve again after ${servesWithinMs / 1_000} s`
        throw new AjnaError(RESTART_UNFINISHED, what, { cause })
      })
    }
  }

  async function statusOf(process: string, signal: AbortSignal) {
    const { processes } = await agent.processes(-1, signal)
    return processes.find(({ name }) => name === process)
  }

  /** A lease that cannot be given up expires by itself. False: it had. */
  function release(lease: Lease, outcome: 'done' | 'failed', { id }: Activity): Promise<boolean> {
    return lease.release({ outcome, evidence: [{ label: 'activity', value: id }] }).catch(error => {
      log.warn({ err: error }, 'a lease could not be given up')
      return true
    })
  }

  function ended(begun: Activity): Activity {
    return { ...begun, revision: begun.revision + 1, endedAt: now() }
  }
}
