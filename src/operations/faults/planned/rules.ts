/** What may be done to a cluster that serves, and why not. Pure. */

/** Which of two releases is the later one: above, below or equal to 0. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map(version => version.split('.').map(Number))
  const at = left!.findIndex((part, index) => part !== right![index])
  return at === -1 ? 0 : left![at]! - (right![at] ?? 0)
}

/** Features change with a release's first two numbers; brokers know those of every release before theirs. */
export const knowsFeaturesOf = (release: string, finalized: string): boolean => {
  const line = (version: string): string => version.split('.').slice(0, 2).join('.')
  return line(release) === line(finalized) || compareVersions(release, finalized) > 0
}

/** Which finalized features a release does not know, or not at their level: its brokers would refuse to start (KIP-584). */
export function beyond(
  finalized: ReadonlyMap<string, number>,
  known: ReadonlyMap<string, number>,
): readonly string[] {
  return [...finalized]
    .filter(([name, level]) => level > (known.get(name) ?? 0))
    .map(([name, level]) => `${name} is finalized at ${level}, and it knows ${known.get(name) ?? 0} at most`)
}

/** A cluster as its controller has it. */
export interface ClusterFacts {
  readonly brokers: readonly { readonly id: number; readonly fenced: boolean | null }[]
  readonly partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly leader: number | null
    readonly replicas: readonly number[]
    readonly isr: readonly number[]
  }[]
  readonly quorum: {
    readonly leader: number | null
    readonly voters: readonly { readonly id: number; readonly caughtUpAt: number | null }[]
  }
}

/** Followers of the metadata log fetch twice a second. */
const CAUGHT_UP_MS = 3_000

/**
 * Why the cluster is not fully redundant, and so no broker may be stopped: another one may have its only copy, or make up the
 * quorum. Empty: it is.
 */
export function reasonsNotToStop(
  { brokers, partitions, quorum }: ClusterFacts,
  ids: readonly number[],
): readonly string[] {
  const reasons: string[] = []
  const up = new Map(brokers.map(({ id, fenced }) => [id, fenced !== true]))
  for (const id of ids) if (up.get(id) !== true) reasons.push(`broker ${id} is not up`)
  const behind = partitions.filter(
    ({ leader, replicas, isr }) => leader === null || replicas.some(id => !isr.includes(id)),
  )
  if (behind.length > 0) {
    const [first] = behind
    reasons.push(
      `${behind.length} partitions are not in sync everywhere, ${first!.topic}-${first!.partition} among them`,
    )
  }
  const leader = quorum.voters.find(({ id }) => id === quorum.leader)
  if (leader === undefined) return [...reasons, 'no controller is active']
  for (const { id, caughtUpAt } of quorum.voters)
    if (id !== leader.id && (caughtUpAt === null || (leader.caughtUpAt ?? 0) - caughtUpAt > CAUGHT_UP_MS))
      reasons.push(`controller ${id} is behind in the metadata log`)
  return reasons
}

/** Whose turn it is: the active controller's last, so that it is elected anew only once. */
export const nextOf = (left: readonly number[], controller: number | null): number | undefined =>
  left.find(id => id !== controller) ?? left[0]
