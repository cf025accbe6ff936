/** Where a link's copies have other offsets than their sources, as its journal has it. */
import type { Translate } from '../keep/facts.ts'
import { type Mapping, positionOf } from '../mapping.ts'
import { copyName } from '../select.ts'
import type { LinksState } from './contract.ts'
import type { LinksJournal } from './kept.ts'
import { entryOf, mapKey } from './machine.ts'

/** One mapped partition, by its topic's name at the source. */
export interface MappedPartition {
  readonly topic: string
  readonly partition: number
  readonly mapping: Mapping
}

export const mappedPartitions = (state: Pick<LinksState, 'links'>, name: string): MappedPartition[] =>
  Object.entries(entryOf(state, name)?.kept?.maps ?? {}).map(([key, mapping]) => {
    const slash = key.lastIndexOf('/')
    return { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)), mapping }
  })

/**
 * The journal is read to its end first: a mapping is in it before anything is written under it, so each record that a copy
 * was seen to hold has its place.
 */
export function translateOnJournal(
  journal: Pick<LinksJournal, 'sync'>,
  name: string,
  signal: AbortSignal,
): () => Promise<Translate> {
  return async () => {
    const state = await journal.sync(signal)
    const rename = entryOf(state, name)?.definition.rename ?? { prefix: '', suffix: '' }
    const mapped = mappedPartitions(state, name)
    const byCopy = new Map(
      mapped.map(({ topic, partition, mapping }) => [
        mapKey({ topic: copyName(rename, topic), partition }),
        mapping,
      ]),
    )
    return (topic, partition, source) => positionOf(byCopy.get(mapKey({ topic, partition })), source)
  }
}
