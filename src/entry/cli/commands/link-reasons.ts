import type { LinkDetail, LinkPartition } from '../../api/models.ts'

const NAMED = 6

/** What the tables cut short, whole: the link's reason, then each reason of partitions with those that it is about. */
export function linkReasons(
  { name, state, reason }: Pick<LinkDetail, 'name' | 'state' | 'reason'>,
  partitions: readonly Pick<LinkPartition, 'topic' | 'partition' | 'state' | 'reason'>[],
): string[] {
  const troubled = partitions.filter(each => each.reason !== '')
  const named = (each: (typeof troubled)[number]): string => `${each.topic}-${each.partition}`
  // A link without a reason of its own shows that of one of its partitions.
  const isTheirs = troubled.some(each => reason === `${named(each)}: ${each.reason}`)
  const own = reason === '' || isTheirs ? [] : [`${name} is ${state}: ${reason}`]
  const groups = Map.groupBy(troubled, each => `${each.state}: ${each.reason}`)
  return [...own, ...[...groups].map(([why, each]) => `${list(each.map(named))} ${why}`)]
}

function list(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  return `${names.slice(0, NAMED).join(', ')}${more} ${names.length === 1 ? 'is' : 'are'}`
}
