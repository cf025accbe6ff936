/** What a link keeps, on the journal: as its worker sees and changes it. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Journal } from '../../../foundation/journal/journal.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { asked } from '../asked.ts'
import type { KeptLink } from '../contract.ts'
import { LINK_DEPOSED, LINK_MAPPING_FULL } from '../errors.ts'
import { leadShardOf, shardOf } from '../shard.ts'
import type { CommandOf, Kept, LinksCommand, LinksState } from './contract.ts'
import { adoptionFault, linksBeside, writersOf } from './flows.ts'
import { entryOf, mapFault, mapKey } from './machine.ts'

/** Characters. */
const MAX_WHY = 1_000

export type LinksJournal = Journal<LinksState, LinksCommand>

/** What this worker owns just now. */
export interface Ownership {
  readonly shards: number
  /** The token under which a shard is worked on here; undefined: it is not. */
  tokenOf(shard: number): number | undefined
}

/** A command before it carries the proof of who says it. */
type Unfenced<K extends 'begin' | 'adopt' | 'forget' | 'miss' | 'map'> = Omit<
  CommandOf<K>,
  'shard' | 'token' | 'name'
>

/**
 * @param name of a link that has begun
 * @throws AjnaError LINK_DEPOSED from its changes, when another worker has the shard by now; what the journal throws
 */
export function keptOnJournal(journal: LinksJournal, name: string, ownership: Ownership): KeptLink {
  const { producerId, fillerId, markerId, epochBase } = keptOf(journal, name)!
  const now = (): Kept | undefined => keptOf(journal, name)
  const lead = leadShardOf(name, ownership.shards)
  const submit = fencedSubmit(journal, name, ownership)
  return {
    ids: { producerId: BigInt(producerId), fillerId: BigInt(fillerId), markerId: BigInt(markerId) },
    coordinatorEpoch: token => epochBase + token,
    sourceIdOf: topic => own(now()?.topics, topic)?.sourceId,
    adopted: () => Object.keys(now()?.topics ?? {}),
    deletedCopyOf: topic => own(now()?.deleted, topic),
    missingOf: (topic, partition) =>
      (now()?.missing ?? []).filter(each => each.topic === topic && each.partition === partition),
    baseOf: (topic, partition) =>
      now()?.bases.find(each => each.topic === topic && each.partition === partition)?.end,
    async adopt(topics) {
      const faults = faultsOf(journal.state(), name, topics.keys())
      const free = [...topics].filter(([topic]) => !faults.has(topic))
      if (free.length === 0) return faults
      await submit(lead, { kind: 'adopt', topics: Object.fromEntries(free) })
      const adopted = now()?.topics
      const later = free.map(([topic]) => topic).filter(topic => own(adopted, topic) === undefined)
      return new Map([...faults, ...faultsOf(journal.state(), name, later)])
    },
    forget: (topic, copyId) => submit(lead, { kind: 'forget', topic, copyId }),
    mappingOf: (topic, partition) => own(now()?.maps, mapKey({ topic, partition })),
    async noteMapping(topic, partition, { cut, below, segments, before, why }) {
      const pairs = segments.map(([from, at]): [number, number] => [from, at])
      const change = { topic, partition, cut, below, segments: pairs, before, why: why.slice(0, MAX_WHY) }
      const throwIfFull = (): void => {
        const kept = now()
        const full = kept === undefined ? undefined : mapFault(journal.state(), kept, change)
        if (full !== undefined) throw new AjnaError(LINK_MAPPING_FULL, `link ${name}: ${full}`)
      }
      throwIfFull()
      try {
        await submit(shardOf(name, topic, partition, ownership.shards), { kind: 'map', ...change })
      } catch (error) {
        throwIfFull()
        throw error
      }
    },
    noteMissing: (topic, partition, { from, to }) =>
      submit(shardOf(name, topic, partition, ownership.shards), { kind: 'miss', topic, partition, from, to }),
  }
}

/** Gets a new link its ids, for ever. Another worker may be faster: then those count. */
export async function beginLink(
  journal: LinksJournal,
  name: string,
  ownership: Ownership,
  target: Wire,
  signal: AbortSignal,
): Promise<void> {
  const ids = await freshIds(target, signal)
  await fencedSubmit(journal, name, ownership)(leadShardOf(name, ownership.shards), { kind: 'begin', ...ids })
}

export async function freshIds(
  target: Wire,
  signal: AbortSignal,
): Promise<Pick<Kept, 'producerId' | 'fillerId' | 'markerId'>> {
  // Ids are asked for until somebody answers: that nobody does is said here.
  await asked('target', target.metadata([], signal))
  const id = async (): Promise<string> => String(await asked('target', target.allocateProducerId(signal)))
  return { producerId: await id(), fillerId: await id(), markerId: await id() }
}

function keptOf(journal: LinksJournal, name: string): Kept | undefined {
  return entryOf(journal.state(), name)?.kept ?? undefined
}

function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined
}

function faultsOf(state: LinksState, name: string, topics: Iterable<string>): Map<string, string> {
  const definition = entryOf(state, name)?.definition
  const faults = new Map<string, string>()
  if (definition === undefined) return faults
  const writers = writersOf({ links: linksBeside(state, name) })
  for (const topic of topics) {
    const fault = adoptionFault(writers, definition, topic)
    if (fault !== undefined) faults.set(topic, fault)
  }
  return faults
}

function fencedSubmit(journal: LinksJournal, name: string, ownership: Ownership) {
  return async (
    shard: number,
    command: Unfenced<'begin'> | Unfenced<'adopt'> | Unfenced<'forget'> | Unfenced<'miss'> | Unfenced<'map'>,
  ): Promise<void> => {
    const token = ownership.tokenOf(shard)
    if (token === undefined)
      throw new AjnaError(LINK_DEPOSED, `link ${name}: shard ${shard} is another worker's`)
    const outcome = await journal.submit({ ...command, name, shard, token } as LinksCommand)
    if (!outcome.accepted) throw new AjnaError(LINK_DEPOSED, `link ${name}: ${outcome.reason}`)
  }
}
