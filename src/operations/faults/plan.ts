/**
 * Where the replicas of a test's partitions go: leaders in turn among those that may lead, followers in turn among all, so
 * that a scenario knows who leads what.
 */
export function layoutOf(
  partitions: number,
  replication: number,
  brokers: readonly number[],
  leaders: readonly number[] = brokers,
): readonly (readonly number[])[] {
  return Array.from({ length: partitions }, (_, partition) => {
    const leader = leaders[partition % leaders.length]!
    const at = brokers.indexOf(leader)
    // Another one first each time round, so that followers take turns too.
    const turn = Math.floor(partition / leaders.length)
    const others = brokers.filter(id => id !== leader)
    const followers = others.map((_, index) => others[(at + turn + index) % others.length]!)
    return [leader, ...followers.slice(0, replication - 1)]
  })
}
