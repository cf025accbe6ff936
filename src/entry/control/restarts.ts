import { randomUUID } from 'node:crypto'
import { describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import { brokerPrincipal, type PlacedCluster } from '../../operations/fleet/contract.ts'
import type { ClusterFacts, Platform } from '../api/platform.ts'
import type { AgentWatch } from './agents.ts'

export interface RestartsOptions {
  readonly facts: (cluster: string) => ClusterFacts | undefined
  readonly agent: AgentWatch
  readonly record: (entry: Activity) => Promise<Activity>
  readonly placed: readonly PlacedCluster[]
  readonly now: () => number
  readonly log: Logger
}

const ORDER_DEADLINE_MS = 60_000

/** Restarting a broker through its host's agent. Whether it may be done is the API's rule (`can.ts`). */
export function restarts({ facts, agent, record, now, log }: RestartsOptions): Platform['brokers'] {
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
        ],
        undo: 'None needed: leaders return to it by the next preferred election.',
      }
    },
    async restart(cluster, broker, why) {
      const entry: Activity = {
        id: randomUUID(),
        revision: 0,
        at: now(),
        actor: why.actor,
        action: 'broker.restart',
        subject: { kind: 'broker', name: String(broker), cluster },
        summary: `restart of broker ${broker} of ${cluster}`,
        reason: why.reason,
        outcome: 'running',
        evidence: [],
        endedAt: null,
      }
      const begun = await record(entry)
      carryOut(begun, brokerPrincipal(cluster, broker), why.reason)
        .then(record)
        .catch(error => log.error({ err: error }, 'how a restart ended cannot be recorded'))
      return begun
    },
  }

  /** Answers the entry at its end. */
  async function carryOut(begun: Activity, process: string, reason: string): Promise<Activity> {
    const { summary } = begun
    try {
      await agent.order(process, 'restart', reason, AbortSignal.timeout(ORDER_DEADLINE_MS))
      return { ...ended(begun), outcome: 'done', summary: `${summary}: started again` }
    } catch (error) {
      return { ...ended(begun), outcome: 'failed', summary: `${summary} failed: ${describeError(error)}` }
    }
  }

  function ended(begun: Activity): Activity {
    return { ...begun, revision: begun.revision + 1, endedAt: now() }
  }
}
