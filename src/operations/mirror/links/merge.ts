/** How a link stands, from what each of its workers says of its own part. Pure. */
import type { LinkPartitionStatus, LinkStatus } from '../contract.ts'
import type { LinkDefinition } from '../definition.ts'

/** With the name of who says it, where that is known. */
export type WorkerStatus = LinkStatus & { readonly worker?: string }

/**
 * @param statuses of one link, one from each worker that has said something
 * @returns undefined when none has. It was observed when the oldest of what it is made of was.
 */
export function mergeStatuses(
  { name: link, desired }: Pick<LinkDefinition, 'name' | 'desired'>,
  statuses: readonly WorkerStatus[],
  now: number,
): LinkStatus | undefined {
  if (statuses.length === 0) {
    if (desired !== 'stopped') return undefined
    return { link, state: 'stopped', reason: '', startedAt: now, observedAt: now, partitions: [] }
  }
  const told = statuses.find(({ reason }) => reason !== '')
  // Only whoever holds the link's lead keeps anything; two say so only while it moves.
  const keep = statuses
    .flatMap(each => each.keep ?? [])
    .toSorted((a, b) => a.observedAt - b.observedAt)
    .at(-1)
  return {
    link,
    state: stateOf(statuses),
    reason: told?.reason ?? '',
    startedAt: Math.min(...statuses.map(({ startedAt }) => startedAt)),
    observedAt: Math.min(...statuses.map(({ observedAt }) => observedAt)),
    partitions: partitionsOf(statuses),
    ...(keep === undefined ? {} : { keep }),
  }
}

/** The state furthest along of any worker: one that has just joined begins, and the link runs all the same. */
function stateOf(statuses: readonly LinkStatus[]): LinkStatus['state'] {
  for (const state of ['running', 'paused', 'starting'] as const)
    if (statuses.some(each => each.state === state)) return state
  return 'stopped'
}

/** Two workers speak of one partition only while it moves: who spoke last has it. */
function partitionsOf(statuses: readonly WorkerStatus[]): LinkPartitionStatus[] {
  const latest = new Map<string, LinkPartitionStatus>()
  for (const { worker, partitions, observedAt } of statuses.toSorted((a, b) => a.observedAt - b.observedAt))
    for (const each of partitions)
      latest.set(`${each.topic}/${each.partition}`, {
        ...each,
        observedAt,
        ...(worker === undefined ? {} : { worker }),
      })
  return [...latest.values()].sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
}
