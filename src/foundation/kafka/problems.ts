import type { ClusterSnapshot, PartError, SnapshotPart } from './snapshot.ts'
import { snapshotParts } from './snapshot.ts'
import type { PartitionState } from './topics.ts'

/**
 * What is wrong in a cluster, by a snapshot of it. `critical`: records cannot be written, or may be lost with the next
 * failure; `warning`: neither yet. Pure.
 */
export type Problem = {
  readonly severity: 'critical' | 'warning'
  /** One sentence, naming the thing. */
  readonly text: string
} & ProblemSubject

type ProblemSubject =
  | { readonly kind: 'unreachable'; readonly error: PartError }
  | { readonly kind: 'not-known'; readonly part: SnapshotPart; readonly error: PartError }
  | { readonly kind: 'no-controller' }
  | { readonly kind: 'quorum-at-risk'; readonly behind: readonly number[] }
  | { readonly kind: 'broker-missing'; readonly broker: number }
  | { readonly kind: 'broker-fenced'; readonly broker: number }
  | { readonly kind: 'partition-offline'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'partition-under-min-isr'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'partition-at-min-isr'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'partition-under-replicated'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'log-dir-offline'; readonly broker: number; readonly path: string }
  | { readonly kind: 'disk-filling'; readonly broker: number; readonly path: string; readonly usable: number }

export interface ProblemRules {
  /** Brokers that should be there; null: not known, so whichever registered are taken for all. */
  readonly brokers: readonly number[] | null
  /** Share of a volume below which its free space is worth a warning; default 0.1. */
  readonly usableShare?: number
}

const DEFAULT_USABLE_SHARE = 0.1

/** A voter that has not caught up for this long does not count, ms: half of Kafka's default fetch timeout. */
const VOTER_BEHIND_MS = 1000

/** Most severe first, then by kind and name. */
export function problemsOf(snapshot: ClusterSnapshot, rules: ProblemRules): readonly Problem[] {
  const errors = snapshotParts.flatMap(part => {
    const { ok } = snapshot[part]
    return ok ? [] : [{ part, error: (snapshot[part] as { error: PartError }).error }]
  })
  // A cluster of which nothing is known has one problem, not twelve.
  if (!snapshot.cluster.ok && !snapshot.topics.ok) {
    const { error } = snapshot.cluster
    return [
      {
        severity: 'critical',
        kind: 'unreachable',
        error,
        text: `The cluster cannot be reached: ${error.message}`,
      },
    ]
  }
  const problems = [
    ...errors.flatMap(({ part, error }) => notKnown(part, error)),
    ...controllerProblems(snapshot),
    ...brokerProblems(snapshot, rules),
    ...partitionProblems(snapshot),
    ...diskProblems(snapshot, rules.usableShare ?? DEFAULT_USABLE_SHARE),
  ]
  return problems.sort(
    (a, b) =>
      a.severity.localeCompare(b.severity) ||
      a.kind.localeCompare(b.kind) ||
      a.text.localeCompare(b.text, 'en', { numeric: true }),
  )
}

/** Parts left out on purpose, or that the cluster's version does not have, are no problem. */
const UNREMARKABLE: ReadonlySet<string> = new Set(['SNAPSHOT_PART_SKIPPED', 'KAFKA_UNSUPPORTED'])

const notKnown = (part: SnapshotPart, error: PartError): Problem[] =>
  UNREMARKABLE.has(error.code)
    ? []
    : [{ severity: 'warning', kind: 'not-known', part, error, text: `Not known: ${part} (${error.message})` }]

function controllerProblems({ quorum }: ClusterSnapshot): Problem[] {
  if (!quorum.ok) return []
  const { leader, voters } = quorum.value
  if (leader === null) {
    return [
      {
        severity: 'critical',
        kind: 'no-controller',
        text: 'No controller is active: metadata cannot change.',
      },
    ]
  }
  const newest = Math.max(...voters.map(voter => voter.caughtUpAt ?? 0))
  const behind = voters
    .filter(
      voter => voter.id !== leader && voter.lag > 0 && newest - (voter.caughtUpAt ?? 0) > VOTER_BEHIND_MS,
    )
    .map(voter => voter.id)
  const majority = Math.floor(voters.length / 2) + 1
  const spare = voters.length - behind.length - majority
  if (behind.length === 0) return []
  const severity = spare <= 0 ? 'critical' : 'warning'
  const loss = spare <= 0 ? 'one more failure stops the controller' : `${spare} more may fail`
  const text = `Of ${voters.length} controllers ${behind.join(', ')} ${behind.length === 1 ? 'is' : 'are'} behind: ${loss}.`
  return [{ severity, kind: 'quorum-at-risk', behind, text }]
}

function brokerProblems({ cluster }: ClusterSnapshot, { brokers: declared }: ProblemRules): Problem[] {
  if (!cluster.ok) return []
  const registered = new Set(cluster.value.brokers.map(broker => broker.id))
  const missing = (declared ?? []).filter(id => !registered.has(id))
  const fenced = cluster.value.brokers.filter(broker => broker.fenced === true)
  return [
    ...missing.map(
      (broker): Problem => ({
        severity: 'critical',
        kind: 'broker-missing',
        broker,
        text: `Broker ${broker} is declared and not registered.`,
      }),
    ),
    ...fenced.map(
      ({ id }): Problem => ({
        severity: 'critical',
        kind: 'broker-fenced',
        broker: id,
        text: `Broker ${id} is registered and not up (fenced).`,
      }),
    ),
  ]
}

function partitionProblems({ topics, configs }: ClusterSnapshot): Problem[] {
  if (!topics.ok) return []
  const minInsync = new Map(
    (configs.ok ? configs.value : []).map(each => [each.topic, each.minInsyncReplicas]),
  )
  return topics.value.flatMap(topic =>
    topic.partitions.flatMap(partition =>
      partitionProblem(topic.name, partition, minInsync.get(topic.name) ?? null),
    ),
  )
}

/** The worst that can be said of a partition, and only that. */
function partitionProblem(topic: string, state: PartitionState, minInsync: number | null): Problem[] {
  const { partition, leader, replicas, isr } = state
  const subject = { topic, partition }
  const name = `${topic}-${partition}`
  const counts = `${isr.length} of ${replicas.length} replicas in sync`
  if (leader === null) {
    return [
      {
        ...subject,
        severity: 'critical',
        kind: 'partition-offline',
        text: `${name} has no leader (${counts}): it can be neither read nor written.`,
      },
    ]
  }
  if (minInsync !== null && isr.length < minInsync) {
    return [
      {
        ...subject,
        severity: 'critical',
        kind: 'partition-under-min-isr',
        text: `${name} has ${counts}, ${minInsync} needed: acks=all writes are refused.`,
      },
    ]
  }
  if (isr.length >= replicas.length) return []
  if (minInsync !== null && isr.length === minInsync && minInsync < replicas.length) {
    return [
      {
        ...subject,
        severity: 'critical',
        kind: 'partition-at-min-isr',
        text: `${name} has ${counts}: one more failure stops acks=all writes.`,
      },
    ]
  }
  return [
    { ...subject, severity: 'warning', kind: 'partition-under-replicated', text: `${name} has ${counts}.` },
  ]
}

function diskProblems({ logDirs }: ClusterSnapshot, usableShare: number): Problem[] {
  if (!logDirs.ok) return []
  return logDirs.value.flatMap(({ broker, dirs }) =>
    (dirs.ok ? dirs.value : []).flatMap(({ path, error, totalBytes, usableBytes }): Problem[] => {
      if (error !== null) {
        return [
          {
            severity: 'critical',
            kind: 'log-dir-offline',
            broker,
            path,
            text: `Log dir ${path} of broker ${broker} is offline (${error}).`,
          },
        ]
      }
      if (totalBytes === null || usableBytes === null || usableBytes >= totalBytes * usableShare) return []
      const usable = totalBytes === 0 ? 0 : usableBytes / totalBytes
      const text = `The volume of ${path} on broker ${broker} has ${(usable * 100).toFixed(1)} % left.`
      return [{ severity: 'warning', kind: 'disk-filling', broker, path, usable, text }]
    }),
  )
}
