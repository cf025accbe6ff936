/** How many in-sync replicas acknowledge a write of each topic (min.insync.replicas), as it was seen lately. */

import { describeError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { PartitionFacts } from './contract.ts'

/** It is hardly ever changed; while brokers fail there are better things to ask. */
const FRESH_MS = 60_000
const ASK_MS = 1_500
const SETTING = 'min.insync.replicas'

export interface Needs {
  /** Null: not known. */
  of(topic: string): number | null
  /** Asks for those that are not known; where nothing fails, also for those that were asked for long ago. */
  look(partitions: readonly PartitionFacts[], isCalm: boolean, signal: AbortSignal): Promise<void>
}

export interface NeedsOptions {
  readonly admin: Pick<ClusterAdmin, 'describeConfigs'>
  readonly now: () => number
  readonly log: Logger
}

export function createNeeds({ admin, now, log }: NeedsOptions): Needs {
  let known: ReadonlyMap<string, number> = new Map()
  let askedAt = Number.NEGATIVE_INFINITY
  return {
    of: topic => known.get(topic) ?? null,
    async look(partitions, isCalm, signal) {
      const topics = [...new Set(partitions.map(({ topic }) => topic))]
      const isOld = isCalm && now() - askedAt >= FRESH_MS
      const asked = isOld ? topics : topics.filter(topic => !known.has(topic))
      if (asked.length === 0) return
      try {
        const resources = asked.map(name => ({ kind: 'topic', name }) as const)
        const described = await admin.describeConfigs(resources, {
          signal,
          deadlineMs: ASK_MS,
          only: [SETTING],
        })
        const found = described.flatMap(({ resource, entries }) => {
          const value = entries.get(SETTING)?.value
          return value === undefined || value === null ? [] : [[resource.name, Number(value)] as const]
        })
        known = new Map([...(isOld ? [] : known), ...found])
        if (isOld) askedAt = now()
      } catch (error) {
        signal.throwIfAborted()
        log.info({ reason: describeError(error) }, 'how many in-sync replicas topics need is not known')
      }
    },
  }
}
