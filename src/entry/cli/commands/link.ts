import { join } from 'node:path'
import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { createLogger, type Logger } from '../../../foundation/log/log.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { ADMIN_PRINCIPAL } from '../../../operations/fleet/contract.ts'
import type { LinkDefinition, LinkEnd } from '../../../operations/mirror/definition.ts'
import {
  copyEntries,
  type DigestLevel,
  digestLog,
  digestOf,
  firstDifference,
  type LogDifference,
  type LogRange,
} from '../../../operations/mirror/digest.ts'
import { LINK_UNKNOWN } from '../../../operations/mirror/errors.ts'
import { entryOf } from '../../../operations/mirror/links/machine.ts'
import { mappedPartitions } from '../../../operations/mirror/links/translate.ts'
import { firstSource, type MaybeMapping, nextSource } from '../../../operations/mirror/mapping.ts'
import { copyName, topicSelector } from '../../../operations/mirror/select.ts'
import { type Home, homeOf } from '../../home.ts'
import { connectEnds, openLinksJournal } from '../../links.ts'
import { print, printJson, say } from '../output.ts'

const LINK_COPIES_PART = errorKind(
  'LINK_COPIES_PART',
  'The link leaves records out by their headers, so that its copies differ from their sources as they are meant to.',
  'Compare links without header rules; of this one `ajna link show NAME` says what it copied.',
  2,
)
const LINK_DIFFERS = errorKind(
  'LINK_DIFFERS',
  'A copy is not what its source holds.',
  'The first difference is named: compare the records there on both sides (`ajna topic show`, the console’s messages).',
)

interface Verified {
  readonly topic: string
  readonly partition: number
  /** Whether the copy's offsets are the source's. */
  readonly offsets: 'identity' | 'mapped'
  /** Offsets both sides hold, the source's: [from, to). */
  readonly from: number
  readonly to: number
  /** Batches compared, or records when they were decoded. */
  readonly compared: number
  readonly digest: string
  /** At the source's offset. */
  readonly difference: LogDifference | null
}

const RANGE_OUTSIDE = errorKind(
  'LINK_RANGE_OUTSIDE',
  'The offsets asked for are not at both ends of the link.',
  'See what both ends hold with `ajna link verify NAME` without offsets; what the copy lacks is lag, or said by `ajna link show NAME`.',
  2,
)

interface VerifyOptions {
  readonly topic?: string
  readonly partition?: number
  readonly from?: number
  readonly to?: number
  readonly records?: boolean
  readonly json?: boolean
}

/** What is compared: the link, whoever made it, and the topics it has taken on. */
interface Compared {
  readonly definition: LinkDefinition
  /** By their names at the source. */
  readonly topics: readonly string[]
  mappingOf(topic: string, partition: number): MaybeMapping
}

interface Ends extends Omit<Compared, 'definition'> {
  readonly source: Wire
  readonly target: Wire
  copyOf(topic: string): string
}

/**
 * Compares what both ends of a link hold, by digests over (offset, checksum); exit code 1 when they differ, 2 when what was
 * asked for is not there.
 */
export async function verify(name: string, options: VerifyOptions): Promise<void> {
  const home = homeOf()
  const log = createLogger('verify', join(home.logs, 'verify.log'))
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  const { definition, ...compared } = await comparedOf(home, name, log, ending.signal)
  if (definition.headers.length > 0) throw new AjnaError(LINK_COPIES_PART, `link ${name} has header rules`)
  await using open = new AsyncDisposableStack()
  const connect = connectEnds(home, log)
  const wireTo = async (end: LinkEnd): Promise<Wire> => {
    const side = await connect('cluster' in end ? { ...end, principal: ADMIN_PRINCIPAL } : end, definition)
    open.defer(side.close)
    return side.wire
  }
  const [source, target] = [await wireTo(definition.source), await wireTo(definition.target)]
  const ends = { ...compared, source, target, copyOf: copyNamer(definition) }
  const rows: Verified[] = []
  const common = await commonRanges(ends, ending.signal)
  const level = options.records === true ? 'records' : 'batches'
  for (const range of chosenRanges(common, options)) {
    rows.push(await compare(ends, range, level, ending.signal))
    say(`${range.topic}-${range.partition}: offsets ${range.from} to ${range.to}`)
  }
  if (options.json === true) printJson({ link: name, partitions: rows })
  else print(renderVerified(rows))
  const different = rows.filter(({ difference }) => difference !== null)
  if (different.length > 0)
    throw new AjnaError(LINK_DIFFERS, `${different.length} of ${rows.length} partitions differ`)
  say(`${rows.length} partitions, equal at both ends`)
}

const copyNamer =
  ({ rename }: LinkDefinition) =>
  (topic: string): string =>
    copyName(rename, topic)

/** @throws AjnaError LINK_UNKNOWN, why the links' journal cannot be read */
async function comparedOf(home: Home, name: string, log: Logger, signal: AbortSignal): Promise<Compared> {
  await using journal = await openLinksJournal(home, ADMIN_PRINCIPAL, log, signal)
  const state = journal.state()
  const entry = entryOf(state, name)
  if (entry === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${name}`)
  const { definition, kept } = entry
  const topics = Object.keys(kept?.topics ?? {}).filter(topicSelector(definition.topics))
  const mapped = new Map(
    mappedPartitions(state, name).map(each => [`${each.topic}/${each.partition}`, each.mapping]),
  )
  return {
    definition,
    topics: topics.sort(),
    mappingOf: (topic, partition) => mapped.get(`${topic}/${partition}`),
  }
}

/** In the source's offsets, from the later log start to the copy's end: what the source has beyond that is lag, no difference. */
async function commonRanges(
  { source, target, topics, copyOf, mappingOf }: Ends,
  signal: AbortSignal,
): Promise<LogRange[]> {
  const originals = new Map(topics.map(topic => [copyOf(topic), topic]))
  const copies = originals.size === 0 ? [] : await target.metadata([...originals.keys()], signal)
  const partitions = copies.flatMap(({ name: copy, partitions: each }) =>
    each.map(({ partition }) => ({ topic: originals.get(copy)!, copy, partition })),
  )
  const ask = (wire: Wire, name: 'topic' | 'copy', at: 'earliest' | 'latest') =>
    wire.listOffsets(
      partitions.map(each => ({ topic: each[name], partition: each.partition, at })),
      signal,
    )
  const [starts, copyStarts, ends] = await Promise.all([
    ask(source, 'topic', 'earliest'),
    ask(target, 'copy', 'earliest'),
    ask(target, 'copy', 'latest'),
  ])
  return partitions.map(({ topic, partition }, index) => {
    const mapping = mappingOf(topic, partition)
    const from = Math.max(starts[index]!.offset, firstSource(mapping, copyStarts[index]!.offset))
    const to = nextSource(mapping, ends[index]!.offset) ?? from
    return { topic, partition, from, to: Math.max(from, to) }
  })
}

/** @throws AjnaError LINK_RANGE_OUTSIDE when what was asked for by offset is not wholly at both ends */
function chosenRanges(common: readonly LogRange[], options: VerifyOptions): LogRange[] {
  const { topic, partition, from, to } = options
  const chosen = common.filter(
    each =>
      (topic === undefined || each.topic === topic) &&
      (partition === undefined || each.partition === partition),
  )
  const asked = [topic, partition, from, to].some(value => value !== undefined)
  if (asked && chosen.length === 0) throw new AjnaError(RANGE_OUTSIDE, 'the link copies no such partition')
  return chosen.map(each => {
    const range = { ...each, from: from ?? each.from, to: to ?? each.to }
    if (range.from < each.from || range.to > each.to || range.from > range.to)
      throw new AjnaError(
        RANGE_OUTSIDE,
        `${each.topic}-${each.partition}: both ends hold offsets ${each.from} to ${each.to - 1}, not all of ${range.from} to ${range.to - 1}`,
      )
    return range
  })
}

async function compare(
  { source, target, copyOf, mappingOf }: Ends,
  range: LogRange,
  level: DigestLevel,
  signal: AbortSignal,
): Promise<Verified> {
  const copy = { topic: copyOf(range.topic), mapping: mappingOf(range.topic, range.partition) }
  const [theirs, ours] = await Promise.all([
    digestLog(source, range, level, signal),
    digestOf(copyEntries(target, range, copy, level, signal)),
  ])
  const difference =
    theirs.digest === ours.digest ? undefined : await firstDifference(source, target, range, signal, copy)
  const offsets = copy.mapping === undefined ? 'identity' : 'mapped'
  return { ...range, offsets, compared: ours.entries, digest: ours.digest, difference: difference ?? null }
}

const renderVerified = (rows: readonly Verified[]): string =>
  renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}` },
      { title: 'FROM', value: row => row.from, align: 'right' },
      { title: 'TO', value: row => row.to, align: 'right' },
      { title: 'OFFSETS', value: row => row.offsets },
      { title: 'COMPARED', value: row => row.compared, align: 'right' },
      { title: 'SHA-256 AT BOTH', value: row => row.digest.slice(0, 16) },
      {
        title: 'RESULT',
        value: ({ difference }) =>
          difference === null ? 'equal' : `${difference.what} at ${difference.offset}`,
      },
    ],
    rows,
  )
