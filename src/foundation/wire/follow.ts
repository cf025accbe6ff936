/**
 * Reads topics that come and go: they may not exist yet, gain partitions, lose records to retention, be deleted and made
 * again. Whatever was not read is said as a gap; nothing else stops the reader.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, errorKind } from '../errors/errors.ts'
import { type Logger, silentLogger } from '../log/log.ts'
import type { FetchEvent, FetchedBatches, FetchStream, OffsetAt, TopicMetadata, Wire } from './contract.ts'

export const FOLLOW_CORRUPT = errorKind(
  'FOLLOW_CORRUPT',
  'A partition holds bytes that are not what was written, and its reader may not skip them.',
  'Compare the replicas of the partition; reassign it away from the broker whose copy is corrupt, then start the reader again.',
)

export interface FollowOptions {
  /** Names, or a rule over all topics of the cluster. */
  readonly topics: readonly string[] | ((name: string) => boolean)
  /** Where to begin a partition seen for the first time. */
  readonly from: (topic: string, partition: number) => OffsetAt | { readonly offset: number }
  /** How often new topics and partitions are looked for; default 2,000. */
  readonly discoverMs?: number
  readonly maxWaitMs?: number
  readonly signal: AbortSignal
  readonly log?: Logger
}

export type FollowEvent =
  | ({ readonly kind: 'batches' } & FetchedBatches)
  /** Offsets [from, to) cannot be read any more. `truncated`: the log was cut below where the reader was. */
  | {
      readonly kind: 'gap'
      readonly topic: string
      readonly partition: number
      readonly from: number
      readonly to: number
      readonly reason: 'retention' | 'truncated'
    }
  /** A topic of that name was made anew: its offsets begin again. */
  | { readonly kind: 'recreated'; readonly topic: string }
  | { readonly kind: 'caught-up' }

/**
 * Ends when the signal aborts.
 *
 * @throws AjnaError FOLLOW_CORRUPT
 */
export async function* follow(
  wire: Wire,
  options: FollowOptions,
): AsyncGenerator<FollowEvent, void, undefined> {
  const { signal, log = silentLogger, discoverMs = 2_000 } = options
  const followed = new Map<string, Set<number>>()
  const ended = new AbortController()
  const until = AbortSignal.any([signal, ended.signal])
  await using stream = wire.fetch({
    from: [],
    signal: until,
    ...(options.maxWaitMs === undefined ? {} : { maxWaitMs: options.maxWaitMs }),
  })
  const discovering = discover()
  try {
    for await (const event of stream) {
      const said = handle(event, stream)
      if (said !== undefined) yield said
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    ended.abort()
    await discovering
  }

  async function discover(): Promise<void> {
    while (!until.aborted) {
      try {
        await addNew()
        await delay(discoverMs, undefined, { signal: until })
      } catch (error) {
        if (until.aborted) return
        log.warn({ err: error }, 'cannot look for topics to follow; trying again')
        await delay(discoverMs, undefined, { signal: until }).catch(() => undefined)
      }
    }
  }

  async function addNew(): Promise<void> {
    const rule = options.topics
    const seen = await wire.metadata(typeof rule === 'function' ? 'all' : rule, until)
    const wanted = typeof rule === 'function' ? seen.filter(topic => rule(topic.name)) : seen
    const fresh = wanted.flatMap(topic => newPartitions(topic, followed.get(topic.name)))
    if (fresh.length === 0) return
    const starts = await startsOf(fresh)
    for (const { topic, partition, offset } of starts) {
      const partitions = followed.get(topic) ?? new Set()
      followed.set(topic, partitions.add(partition))
      stream.reposition(topic, partition, offset)
    }
  }

  async function startsOf(
    fresh: readonly { topic: string; partition: number }[],
  ): Promise<{ topic: string; partition: number; offset: number }[]> {
    const known: { topic: string; partition: number; offset: number }[] = []
    const asked: { topic: string; partition: number; at: OffsetAt }[] = []
    for (const { topic, partition } of fresh) {
      const at = options.from(topic, partition)
      if (typeof at === 'object' && 'offset' in at) known.push({ topic, partition, offset: at.offset })
      else asked.push({ topic, partition, at })
    }
    if (asked.length === 0) return known
    const listed = await wire.listOffsets(asked, until)
    // -1: nothing is as young as the time asked for, so everything that comes is.
    const none = listed
      .filter(entry => entry.offset < 0)
      .map(({ topic, partition }) => ({ topic, partition, at: 'latest' as const }))
    const ends = none.length === 0 ? [] : await wire.listOffsets(none, until)
    return [...known, ...listed.filter(entry => entry.offset >= 0), ...ends]
  }

  function handle(event: FetchEvent, from: FetchStream): FollowEvent | undefined {
    switch (event.kind) {
      case 'batches':
      case 'caught-up':
        return event
      // Not asked for.
      case 'unserved':
      case 'served':
        return undefined
      case 'out-of-range': {
        const { topic, partition, position, logStartOffset, highWatermark } = event
        const behind = position < logStartOffset
        const next = behind ? logStartOffset : highWatermark
        from.reposition(topic, partition, next)
        return behind
          ? { kind: 'gap', topic, partition, from: position, to: next, reason: 'retention' }
          : { kind: 'gap', topic, partition, from: next, to: position, reason: 'truncated' }
      }
      case 'truncated': {
        const { topic, partition, position, endOffset } = event
        from.reposition(topic, partition, endOffset)
        return { kind: 'gap', topic, partition, from: endOffset, to: position, reason: 'truncated' }
      }
      case 'refused':
        // Rights may be granted while the reader runs: discovery tries again.
        log.warn(
          { err: event.error, topic: event.topic, partition: event.partition },
          'may not read; trying again',
        )
        forget(event.topic, [event.partition], from)
        return undefined
      case 'gone':
        forget(event.topic, [event.partition], from)
        return undefined
      case 'recreated':
        forget(event.topic, undefined, from)
        return { kind: 'recreated', topic: event.topic }
      case 'corrupt':
        throw new AjnaError(FOLLOW_CORRUPT, `${event.topic}-${event.partition} at offset ${event.offset}`, {
          cause: event.error,
          details: { topic: event.topic, partition: event.partition, offset: event.offset },
        })
      default:
        return assertNever(event)
    }
  }

  /** Discovery finds them again when they are there again, and `options.from` is asked again. */
  function forget(topic: string, partitions: readonly number[] | undefined, from: FetchStream): void {
    const known = followed.get(topic) ?? new Set<number>()
    for (const partition of partitions ?? [...known]) {
      known.delete(partition)
      from.remove(topic, partition)
    }
  }
}

function newPartitions(
  topic: TopicMetadata,
  known: ReadonlySet<number> | undefined,
): { topic: string; partition: number }[] {
  return topic.partitions
    .filter(({ partition }) => known?.has(partition) !== true)
    .map(({ partition }) => ({ topic: topic.name, partition }))
}

function assertNever(value: never): never {
  throw new Error(`unhandled fetch event ${JSON.stringify(value)}`)
}
