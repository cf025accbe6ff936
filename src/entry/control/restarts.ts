import { randomUUID } from 'node:crypto'
import { brokerPrincipal, type PlacedCluster } from '../../operations/fleet/contract.ts'
import type { Activity } from '../api/models.ts'
import type { ClusterFacts, Platform } from '../api/platform.ts'
import type { AgentWatch } from './agents.ts'

export interface RestartsOptions {
  readonly facts: (cluster: string) => ClusterFacts | undefined
  readonly agent: AgentWatch
  readonly record: (entry: Activity) => Promise<void>
  readonly placed: readonly PlacedCluster[]
  readonly now: () => number
}

const ORDER_DEADLINE_MS = 60_000

/** Restarting a broker through its host's agent. Whether it may be done is the API's rule (`can.ts`). */
export function restarts({ facts, agent, record, now }: RestartsOptions): Platform['brokers'] {
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
      await record(entry)
      void carryOut(entry, brokerPrincipal(cluster, broker), why.reason)
      return entry
    },
  }

  async function carryOut(entry: Activity, process: string, reason: string): Promise<void> {
    try {
      await agent.order(process, 'restart', reason, AbortSignal.timeout(ORDER_DEADLINE_MS))
      await record({ ...entry, outcome: 'done', endedAt: now(), summary: `${entry.summary}: started again` })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      await record({
        ...entry,
        outcome: 'failed',
        endedAt: now(),
        summary: `${entry.summary} failed: ${message}`,
      })
    }
  }
}
