import type { Wire } from '../../../../foundation/wire/contract.ts'
import type { LinkDefinition } from '../../definition.ts'
import { copyName, topicSelector } from '../../select.ts'
import { committedOffsets, mirrorMakerStands, mirusStands } from './committed.ts'
import { type OffsetSync, offsetSync } from './offset-syncs.ts'
import type { Stand } from './positions.ts'
import { type ReliefTask, type Relieved, relieve } from './relieve.ts'
import { topicRecords } from './topic-records.ts'

/** Everything that another replicator copied and a link is to go on with: each partition's place, found in the logs. */

/** Whom the link relieves, and where that one kept its offsets. */
export interface Predecessor {
  readonly kind: 'mirrormaker' | 'mirus'
  readonly connector: string
  /** MirrorMaker 2: the alias of its source. */
  readonly cluster: string
  /** At the target. */
  readonly offsetsTopic: string
  /** MirrorMaker 2's, at the source; null: not looked at. */
  readonly syncsTopic: string | null
}

export interface TakeoverOptions {
  readonly definition: LinkDefinition
  readonly source: Wire
  readonly target: Wire
  readonly predecessor: Predecessor
  readonly signal: AbortSignal
  /** Told after each partition. */
  readonly progress?: (relieved: Relieved) => void
}

/**
 * Nothing is changed. Partitions that the other one has never copied are left out: the link begins them itself.
 *
 * @throws AjnaError CONNECT_TOPIC_MISSING, LINK_LOG_UNREADABLE; what the clusters answer
 */
export async function planTakeover(options: TakeoverOptions): Promise<readonly Relieved[]> {
  const { source, target, predecessor, signal, progress = () => {} } = options
  const { offsetsTopic, syncsTopic } = predecessor
  const [committed, syncs] = await Promise.all([
    topicRecords(target, offsetsTopic, signal).then(committedOffsets),
    syncsTopic === null ? [] : topicRecords(source, syncsTopic, signal),
  ])
  const stands =
    predecessor.kind === 'mirus'
      ? mirusStands(committed, predecessor.connector)
      : mirrorMakerStands(committed, predecessor)
  const read = syncs.map(offsetSync).filter((sync): sync is OffsetSync => sync !== undefined)
  const plan: Relieved[] = []
  for (const task of await tasksOf(options, stands, read)) {
    const relieved = await relieve(task, { source, target, signal })
    plan.push(relieved)
    progress(relieved)
  }
  return plan
}

async function tasksOf(
  { definition, source, target, signal }: TakeoverOptions,
  stands: readonly Stand[],
  syncs: readonly OffsetSync[],
): Promise<readonly ReliefTask[]> {
  const chosen = topicSelector(definition.topics)
  const originals = (await source.metadata('all', signal)).filter(({ name }) => chosen(name))
  const copies = await target.metadata(
    originals.map(({ name }) => copyName(definition.rename, name)),
    signal,
  )
  const width = new Map(copies.map(({ name, partitions }) => [name, partitions.length]))
  return originals.flatMap(({ name: topic, partitions }) =>
    partitions.flatMap(({ partition }): readonly ReliefTask[] => {
      const copy = copyName(definition.rename, topic)
      if (partition >= (width.get(copy) ?? 0)) return []
      const stand = stands.find(each => each.topic === topic && each.partition === partition)
      return [{ topic, copy, partition, copiedBefore: stand?.sourceOffset ?? 0, syncs }]
    }),
  )
}
