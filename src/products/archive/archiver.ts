import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { ObjectStore } from '../../foundation/objects/store.ts'
import { TablesFailed } from '../../foundation/tables/errors.ts'
import { backoffMs } from '../../foundation/wire/backoff.ts'
import type { TopicMetadata, Wire } from '../../foundation/wire/contract.ts'
import { type FollowEvent, follow } from '../../foundation/wire/follow.ts'
import type { Catalog } from './catalog.ts'
import type { ArchiveConfig } from './config.ts'
import type { ArchiveState, PartitionStatus } from './contract.ts'
import { decideRolls, waitsForStreams } from './decide.ts'
import type { PartitionId } from './layout.ts'
import type { LiveTail } from './live.ts'
import type { DataObject, Manifest, MissingRange } from './manifest.ts'
import { patternOf } from './patterns.ts'
import { prepareCommit } from './publish.ts'
import { appendRecords, RowBuffer } from './rows.ts'
import type { StreamRegistry } from './streams.ts'
import type { Export, Tail, TailTable } from './tail.ts'

/** Rows waiting in JavaScript before they go to their table together. */
const flushRows = 16_384
const flushBytes = 4 * 1024 * 1024
const lookMs = 200

export interface ArchiverParts {
  readonly config: ArchiveConfig
  readonly wire: Wire
  readonly store: ObjectStore
  readonly catalog: Catalog
  readonly tail: Tail
  readonly streams: StreamRegistry
  readonly live: LiveTail
  readonly log: Logger
  readonly now: () => number
  readonly stagingFolder: string
}

/** The archive and the tail at one moment: every record is in exactly one of them. */
export interface ArchiveSnapshot {
  readonly objects: readonly DataObject[]
  readonly tail: Export
  /** Of the rows in the tail's files, those of a part count from its offset on; the others are archived. */
  readonly parts: readonly { readonly part: number; readonly from: number }[]
  /** One past the last offset of each partition that the snapshot holds. */
  readonly ends: ReadonlyMap<string, number>
}

export interface Archiver {
  readonly state: ArchiveState
  readonly reason: string | null
  readonly lostRaces: number
  partitions(): PartitionStatus[]
  /** Of all that has been fetched so far. The caller releases the tail. */
  snapshot(): Promise<ArchiveSnapshot>
  /** Archives all that is fetched by now, whatever its size and age. */
  commitAll(): Promise<void>
  /** Settles when the signal has aborted. Rejects with FOLLOW_CORRUPT and faults of the program. */
  readonly done: Promise<void>
}

interface Partition {
  readonly id: PartitionId
  /** Next offset to take. */
  next: number
  highWatermark: number
  /** Lines from here on are news; those before were there when this process began. */
  readonly liveFrom: number
  /** Since when something waits to be committed, ms since the epoch. */
  since: number | undefined
  taking: Taken
  /** Taken before `taking`, and not in a table yet. */
  readonly taken: Taken[]
  active: TailTable
  sealed: { readonly table: TailTable; commit: Manifest | undefined } | undefined
  undescribedSince: number | undefined
}

interface Taken {
  readonly rows: RowBuffer
  readonly missing: MissingRange[]
  /** One past the last offset taken, set when it is complete. */
  to: number
}

/** Whether a roll waits for streams to be described. */
type Patience = 'patient' | 'impatient'

const nothingTaken = (): Taken => ({ rows: new RowBuffer(), missing: [], to: 0 })

export const partitionKey = (id: { topic: string; partition: number; topicId: string }): string =>
  `${id.topic}@${id.topicId}/${id.partition}`

export function startArchiver(parts: ArchiverParts, signal: AbortSignal): Archiver {
  const { config, catalog, tail, streams, live, log, now } = parts
  /** The id each topic had when it was looked at last, and the partition whose records each followed one yields. */
  const seenIds = new Map<string, string>()
  const followed = new Map<string, Partition>()
  const partitions = new Map<string, Partition>()
  const rules = config.topics.map(patternOf)
  const isWanted = (topic: string): boolean => rules.some(matches => matches(topic))
  /** What changes tail tables. */
  const exclusive = oneAtATime()
  /** What commits; it takes its turns at the tables between. */
  const rolling = oneAtATime()
  let failure: { reason: string; failures: number } | undefined
  let waiting = false
  let looked = false
  let lostRaces = 0
  let room = Promise.withResolvers<void>()
  let wakeRolls = Promise.withResolvers<void>()

  /** The reader asks where a partition begins in the same turn as it learns of it: its state must be there by then. */
  const observingWire: Wire = {
    ...parts.wire,
    async metadata(topics, until) {
      const seen = await parts.wire.metadata(topics, until)
      const wanted = seen.filter(topic => isWanted(topic.name))
      // What is there when this process begins is no news; what a topic holds that appears later is.
      const ends = looked ? new Map<string, number>() : await endsOf(parts.wire, wanted, until)
      for (const topic of wanted) await addPartitions(topic, ends)
      looked = true
      return seen
    },
  }

  async function addPartitions(topic: TopicMetadata, ends: ReadonlyMap<string, number>): Promise<void> {
    seenIds.set(topic.name, topic.id)
    for (const { partition } of topic.partitions) {
      const id: PartitionId = { topic: topic.name, topicId: topic.id, partition }
      const key = partitionKey(id)
      if (partitions.has(key)) continue
      const end = catalog.end(id)
      const active = await exclusive(() => tail.create(id, end))
      partitions.set(key, {
        id,
        next: end,
        highWatermark: Math.max(end, ends.get(key) ?? 0),
        liveFrom: ends.get(key) ?? 0,
        since: undefined,
        taking: nothingTaken(),
        taken: [],
        active,
        sealed: undefined,
        undescribedSince: undefined,
      })
    }
  }

  /**
   * From here on the reader yields records of the topic as it was last seen. Not before: until it has noticed that a topic
   * was made anew, what it yields is still of the old one.
   */
  function beginFollowing(topic: string, partition: number): Partition {
    const found = partitions.get(partitionKey({ topic, partition, topicId: seenIds.get(topic) ?? '' }))
    if (found === undefined) throw new Error(`${topic}-${partition} is followed before it is known`)
    followed.set(`${topic}/${partition}`, found)
    return found
  }

  const partitionOf = (topic: string, partition: number): Partition => followed.get(`${topic}/${partition}`)!

  async function ingest(): Promise<void> {
    const events = follow(observingWire, {
      topics: isWanted,
      from: (topic, partition) => ({ offset: beginFollowing(topic, partition).next }),
      signal,
      log,
    })
    for await (const event of events) {
      take(event)
      if (isDue()) await flushOrWait()
      await roomForMore()
    }
  }

  function take(event: FollowEvent): void {
    if (event.kind === 'batches') {
      const partition = partitionOf(event.topic, event.partition)
      const { rows } = partition.taking
      const from = Math.max(partition.next, catalog.end(partition.id))
      const before = rows.rows
      // The event's bytes last until the next event only.
      const unreadable = appendRecords(rows, Buffer.from(event.bytes), from, streams)
      if (unreadable.length > 0) {
        log.error(
          { ...partition.id, unreadable },
          'batches cannot be read; their offsets are said to be missing',
        )
        partition.taking.missing.push(...unreadable)
      }
      partition.next = Math.max(partition.next, event.nextOffset)
      partition.highWatermark = event.highWatermark
      partition.since ??= now()
      live.publish(partition.id, rows, firstFrom(rows, before, partition.liveFrom))
    } else if (event.kind === 'gap') takeGap(event)
    else if (event.kind === 'recreated')
      log.warn({ topic: event.topic }, 'the topic was made anew; its archive begins anew beside the old one')
  }

  function takeGap({ topic, partition: number, from, to, reason }: FollowEvent & { kind: 'gap' }): void {
    const partition = partitionOf(topic, number)
    const first = reason === 'retention' && from === 0
    log[first ? 'info' : 'error'](
      { topic, partition: number, from, to, reason },
      'offsets cannot be archived: the topic no longer has them as they were',
    )
    partition.taking.missing.push({ from, to, reason })
    partition.since ??= now()
    // Truncated: other records take the place of those [from, to) that were read. The first ones are kept.
    if (reason === 'retention') partition.next = Math.max(partition.next, to)
  }

  const isDue = (): boolean =>
    sum(partitions.values(), each => each.taking.rows.rows) >= flushRows ||
    sum(partitions.values(), each => each.taking.rows.bytes) >= flushBytes

  /** Moves what was taken into the active table. What comes meanwhile waits behind it; after a failure all is still there. */
  async function flush(partition: Partition): Promise<void> {
    const { taking, taken, next } = partition
    if (
      taking.rows.rows > 0 ||
      taking.missing.length > 0 ||
      next > Math.max(partition.active.to, taken.at(-1)?.to ?? 0)
    ) {
      taking.to = next
      taken.push(taking)
      partition.taking = nothingTaken()
    }
    for (let first = taken[0]; first !== undefined; first = taken[0]) {
      await tail.append(partition.active, first.rows, first.to)
      partition.active.missing.push(...first.missing)
      taken.shift()
    }
  }

  async function flushAll(): Promise<void> {
    for (const partition of partitions.values()) await flush(partition)
  }

  /** The tables may be out of memory for a while; committing makes room. */
  async function flushOrWait(): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await exclusive(flushAll)
        return
      } catch (error) {
        if (!isAjnaError(error, TablesFailed)) throw error
        log.warn({ err: error }, 'the tail does not take rows; waiting for room')
        wakeRolls.resolve()
        await sleep(backoffMs(attempt + 2))
      }
    }
  }

  function undescribedSince(partition: Partition): number | undefined {
    const open = [...partition.active.accounts.keys()].some(number => !streams.isDescribed(number))
    return open ? (partition.undescribedSince ?? now()) : undefined
  }

  const heldBytes = (): number => sum(partitions.values(), bytesOf)

  async function roomForMore(): Promise<void> {
    while (heldBytes() >= config.tailBytes && !signal.aborted) {
      waiting = true
      wakeRolls.resolve()
      room = Promise.withResolvers()
      await Promise.race([room.promise, sleep(lookMs)])
    }
    waiting = false
  }

  async function rollLoop(): Promise<void> {
    while (!signal.aborted) {
      await Promise.race([
        wakeRolls.promise,
        sleep(failure === undefined ? lookMs : backoffMs(failure.failures + 2)),
      ])
      wakeRolls = Promise.withResolvers()
      try {
        await rollDue()
        failure = undefined
      } catch (error) {
        if (!(error instanceof AjnaError)) throw error
        failure = { reason: describeError(error), failures: (failure?.failures ?? 0) + 1 }
        if (failure.failures === 1)
          log.error({ err: error }, 'the archive is paused; it tries again by itself')
      }
    }
  }

  async function rollDue(): Promise<void> {
    if (partitions.size === 0) return
    const facts = [...partitions].map(([key, each]) => {
      each.undescribedSince = undescribedSince(each)
      return {
        key,
        rows: rowsOf(each),
        bytes: bytesOf(each),
        since: each.since,
        undescribedSince: each.undescribedSince,
      }
    })
    const rules = { ...config.roll, tailBytes: config.tailBytes, unknownStreamMs: config.unknownStreamMs }
    const due = new Map<string, Patience>()
    for (const [key, each] of partitions) if (each.sealed !== undefined) due.set(key, 'patient')
    for (const { key, reason } of decideRolls(facts, rules, now()))
      due.set(key, reason === 'pressure' ? 'impatient' : 'patient')
    for (const [key, patience] of due) {
      if (signal.aborted) return
      await roll(partitions.get(key)!, patience)
      room.resolve()
    }
  }

  /** From now on new rows go to a new table; the old one holds what will be committed. */
  async function seal(partition: Partition, patience: Patience): Promise<void> {
    if (partition.sealed !== undefined) return
    await flush(partition)
    // What was taken a moment ago may be of streams that nobody has described yet.
    partition.undescribedSince = undescribedSince(partition)
    const waits = waitsForStreams(partition.undescribedSince, config.unknownStreamMs, now())
    if (waits && patience === 'patient') return
    partition.since = partition.taking.rows.rows > 0 ? now() : undefined
    const { active } = partition
    if (active.to === active.from) return
    partition.active = await tail.create(partition.id, active.to)
    partition.sealed = { table: active, commit: undefined }
  }

  const roll = (partition: Partition, patience: Patience): Promise<void> =>
    rolling(() => commitSealed(partition, patience))

  async function commitSealed(partition: Partition, patience: Patience): Promise<void> {
    await exclusive(() => seal(partition, patience))
    const { sealed } = partition
    if (sealed === undefined) return
    sealed.commit ??= await prepareCommit(parts, sealed.table)
    if ((await catalog.commit(sealed.commit)) === 'ours') {
      partition.sealed = undefined
      await exclusive(() => tail.drop(sealed.table))
      const { records, objects, from, to } = sealed.commit
      log.info({ ...partition.id, from, to, records, objects: objects.length }, 'archived')
    } else {
      lostRaces++
      await catalog.reload(partition.id)
      await exclusive(() => yieldTo(partition, catalog.end(partition.id)))
    }
  }

  /** Another archiver has committed up to `end`: what it has is no longer ours to commit. */
  async function yieldTo(partition: Partition, end: number): Promise<void> {
    log.info({ ...partition.id, end }, 'another archiver was first; going on from its end')
    await flush(partition)
    const { sealed } = partition
    if (sealed !== undefined && end < sealed.table.to) {
      await tail.trim(sealed.table, end)
      sealed.commit = undefined
    } else if (sealed !== undefined) {
      partition.sealed = undefined
      await tail.drop(sealed.table)
    }
    await tail.trim(partition.active, end)
    partition.next = Math.max(partition.next, end)
  }

  async function commitAll(): Promise<void> {
    const target = new Map([...partitions.values()].map(each => [each, each.next]))
    for (const [partition, end] of target)
      while (catalog.end(partition.id) < end && !signal.aborted) await roll(partition, 'impatient')
  }

  const done = Promise.all([ingest(), rollLoop()]).then(() => undefined)
  return {
    get state() {
      return failure !== undefined ? 'paused' : waiting ? 'waiting' : 'running'
    },
    get reason() {
      return failure?.reason ?? null
    },
    get lostRaces() {
      return lostRaces
    },
    partitions: () => [...partitions.values()].map(each => statusOf(each, catalog)),
    snapshot: () =>
      exclusive(async () => {
        await flushAll()
        const all = [...partitions.values()]
        const exported = await tail.export(
          all.flatMap(each => [...(each.sealed === undefined ? [] : [each.sealed.table]), each.active]),
        )
        // No await from here on: what the tail no longer counts, the objects hold.
        return {
          objects: [...catalog.objects()],
          tail: exported,
          parts: all.map(each => ({ part: tail.partOf(each.id), from: catalog.end(each.id) })),
          ends: new Map(all.map(each => [partitionKey(each.id), each.active.to])),
        }
      }),
    commitAll,
    done,
  }
}

/** Runs what it is given one after another, in the order given; a failure does not stop the next. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const mine = last.then(work)
    last = mine.catch(() => undefined)
    return mine
  }
}

function statusOf(partition: Partition, catalog: Catalog): PartitionStatus {
  const { id, next, highWatermark, taken, taking, active, sealed } = partition
  const committed = catalog.end(id)
  const chain = catalog.chain(id)
  const missing = [
    ...chain.flatMap(commit => commit.missing),
    ...(sealed?.table.missing ?? []),
    ...active.missing,
    ...[...taken, taking].flatMap(each => each.missing),
  ]
  return {
    topic: id.topic,
    partition: id.partition,
    committed,
    position: Math.max(next, committed),
    highWatermark: Math.max(highWatermark, committed),
    lag: Math.max(0, highWatermark - committed),
    tailRows: rowsOf(partition),
    tailBytes: bytesOf(partition),
    lastCommitAt: chain.at(-1)?.committedAt ?? null,
    missing: missing.slice(-100),
  }
}

const rowsOf = ({ taken, taking, active, sealed }: Partition): number =>
  sum([...taken, taking], each => each.rows.rows) + active.rows + (sealed?.table.rows ?? 0)
const bytesOf = ({ taken, taking, active, sealed }: Partition): number =>
  sum([...taken, taking], each => each.rows.bytes) + active.bytes + (sealed?.table.bytes ?? 0)

/** The high watermarks, by partition key. */
async function endsOf(
  wire: Wire,
  topics: readonly TopicMetadata[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const queries = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partition }) => ({ topic: name, partition, at: 'latest' as const })),
  )
  if (queries.length === 0) return new Map()
  const ids = new Map(topics.map(topic => [topic.name, topic.id]))
  const listed = await wire.listOffsets(queries, signal)
  return new Map(listed.map(each => [partitionKey({ ...each, topicId: ids.get(each.topic)! }), each.offset]))
}

/** The first row at or after `row` whose offset is `offset` or more. */
function firstFrom(rows: RowBuffer, row: number, offset: number): number {
  let at = row
  while (at < rows.rows && rows.offset[at]! < offset) at++
  return at
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
