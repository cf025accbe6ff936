/** What a switch of sides means for the records of each partition. Pure. */
import { type FailoverFacts, logsOf, type PartitionLog, pairKey } from './facts.ts'
import { exactly, NONE, type PartitionOutcome, type RehearsalOptions } from './rehearsal.ts'
import { onlyAtSource, type Relations, recordsText, topicsToRecreate } from './relation.ts'

/** By partition of the source. */
export function partitionOutcomes(
  facts: FailoverFacts,
  options: RehearsalOptions,
  relations: Relations,
): PartitionOutcome[] {
  return options.action === 'promote'
    ? promotedPartitions(facts, options)
    : returnedPartitions(facts, options, relations)
}

function promotedPartitions(facts: FailoverFacts, { planned }: RehearsalOptions): PartitionOutcome[] {
  const theirs = facts.source.reachable ? logsOf(facts.source) : undefined
  const ours = facts.target.reachable ? logsOf(facts.target) : new Map<string, PartitionLog>()
  const said = new Map(
    (facts.status?.partitions ?? []).map(each => [pairKey(each.topic, each.partition), each]),
  )
  return facts.topics.flatMap(({ source, copy }) =>
    numbersOf(facts, source, copy, said).map((partition): PartitionOutcome => {
      const key = pairKey(source, partition)
      const log = theirs?.get(key)
      const targetEnd = ours.get(pairKey(copy, partition))?.end ?? null
      const sourceEnd = log?.end ?? said.get(key)?.sourceEnd ?? null
      const from = targetEnd ?? 0
      const known = sourceEnd === null ? 0 : Math.max(0, sourceEnd - from)
      const common = { topic: source, partition, sourceEnd, targetEnd }
      if (planned) return { ...common, toCopy: known, lost: NONE, lostOffsets: null, note: '' }
      const counted = facts.compared.find(each => each.topic === source && each.partition === partition)
      const records = log === undefined ? known : (counted?.sourceRecords ?? known)
      return {
        ...common,
        toCopy: null,
        lost: { atLeast: records, atMost: log === undefined ? null : records },
        lostOffsets: known === 0 ? null : { from, to: from + known },
        note:
          log !== undefined
            ? ''
            : sourceEnd === null
              ? 'where the source ends was never seen'
              : `as the source was last seen, ${new Date(facts.status!.observedAt).toISOString()}`,
      }
    }),
  )
}

function numbersOf(
  { source, target }: FailoverFacts,
  name: string,
  copy: string,
  said: ReadonlyMap<string, { readonly topic: string; readonly partition: number }>,
): number[] {
  const numbers = [
    ...(source.reachable ? (source.topics.get(name)?.logs ?? []) : []),
    ...(target.reachable ? (target.topics.get(copy)?.logs ?? []) : []),
    ...[...said.values()].filter(({ topic }) => topic === name),
  ].map(({ partition }) => partition)
  return [...new Set(numbers)].sort((a, b) => a - b)
}

function returnedPartitions(
  facts: FailoverFacts,
  { action }: RehearsalOptions,
  relations: Relations,
): PartitionOutcome[] {
  if (!facts.source.reachable || !facts.target.reachable) return []
  const [theirs, ours] = [logsOf(facts.source), logsOf(facts.target)]
  const anew = topicsToRecreate(facts, relations)
  return facts.topics.flatMap(({ source, copy }) =>
    [...relations]
      .filter(([key]) => key.startsWith(`${source}/`))
      .map(([key, relation]): PartitionOutcome => {
        const partition = Number(key.slice(source.length + 1))
        const [log, original] = [theirs.get(key), ours.get(pairKey(copy, partition))]
        const common = {
          topic: source,
          partition,
          sourceEnd: log?.end ?? null,
          targetEnd: original?.end ?? null,
        }
        const tail = onlyAtSource(relation, log)
        if (action === 'demote' && tail !== undefined && relation.kind === 'source-ahead') {
          const note = `${recordsText(tail.records, tail.to - tail.from)} that the promotion had given up are copied after all`
          return { ...common, toCopy: 0, lost: NONE, lostOffsets: null, note }
        }
        if (anew.has(source)) {
          const toCopy = original === undefined ? 0 : original.end - original.start
          if (tail === undefined)
            return { ...common, toCopy, lost: NONE, lostOffsets: null, note: 'copied anew' }
          return {
            ...common,
            toCopy,
            lost: tail.records === null ? { atLeast: 0, atMost: tail.to - tail.from } : exactly(tail.records),
            lostOffsets: { from: tail.from, to: tail.to },
            note: 'copied anew; what only the source holds is kept in a topic of its own',
          }
        }
        const behind = Math.max(0, (original?.end ?? 0) - (log?.end ?? original?.start ?? 0))
        return { ...common, toCopy: behind, lost: NONE, lostOffsets: null, note: '' }
      }),
  )
}
