import { z } from 'zod'
import { int, list, short, texts } from './values.ts'

/** Topics, and what they are to be like: trogdor's workload.TopicsSpec and PartitionsSpec. */

const partitions = z.strictObject({
  numPartitions: int(),
  replicationFactor: short(),
  partitionAssignments: z.preprocess(
    found => found ?? {},
    z.record(z.string().regex(/^\d{1,6}$/, { error: 'a partition’s number' }), list(int())),
  ),
  configs: texts(),
})
export type PartitionsSpec = z.output<typeof partitions>

/** By the topic's name, in which `foo[1-3]` stands for foo1, foo2 and foo3. */
export const topicsSpec = () =>
  z.preprocess(found => found ?? {}, z.record(z.string(), partitions, { error: 'topics by their names' }))
export type TopicsSpec = z.output<ReturnType<typeof topicsSpec>>

export const DEFAULT_PARTITIONS = 1
export const DEFAULT_REPLICATION = 3

/** More names than these, of all of a task's topics together, are refused. */
export const MAX_NAMES = 1_000

/** As trogdor's common.StringExpander: the last range of a name. */
const RANGE = /^(.*)\[(\d{1,9})-(\d{1,9})\](.*)$/

/**
 * The names that a name with ranges stands for, in order. Undefined: its range runs backwards. Never more than one beyond
 * {@link MAX_NAMES}, whatever the range says.
 */
export function expand(name: string): readonly string[] | undefined {
  const range = RANGE.exec(name)
  if (range === null) return [name]
  const [, before, from, to, after] = range as unknown as [string, string, string, string, string]
  if (Number(to) < Number(from)) return undefined
  const count = Math.min(Number(to) - Number(from) + 1, MAX_NAMES + 1)
  return Array.from({ length: count }, (_, index) => `${before}${Number(from) + index}${after}`)
}

/** All ranges of a name, one after another, as ConsumeBenchSpec has them: `foo[1-3]:[0-1]`. */
export function expandAll(name: string): readonly string[] | undefined {
  let names: readonly string[] = [name]
  for (;;) {
    const expanded: string[] = []
    for (const each of names) {
      const more = expand(each)
      if (more === undefined) return undefined
      expanded.push(...more)
      if (expanded.length > MAX_NAMES) return expanded
    }
    if (expanded.length === names.length) return expanded
    names = expanded
  }
}
