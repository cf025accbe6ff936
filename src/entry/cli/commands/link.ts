import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import { identity } from '../../../foundation/tls/store.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL } from '../../../operations/fleet/contract.ts'
import type { LinkEnd } from '../../../operations/mirror/definition.ts'
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
import { copyName } from '../../../operations/mirror/select.ts'
import { clusterAddress, type FleetFile, readFleetFile } from '../../fleet-file.ts'
import { type Home, homeOf } from '../../home.ts'
import { connectEnds, openLinksJournal } from '../../links.ts'
import { print, printJson, say } from '../output.ts'

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

/** Compares what both ends of a link hold, by digests over (offset, checksum); exit code 1 when they differ. */
export async function verify(name: string, options: VerifyOptions): Promise<void> {
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  await using ends = await openEnds(name, ending.signal)
  const rows: Verified[] = []
  const common = await commonRanges(ends, ending.signal)
  for (const range of chosenRanges(common, options)) {
    rows.push(await compare(ends, range, options.records === true ? 'records' : 'batches', ending.signal))
    say(`${range.topic}-${range.partition}: offsets ${range.from} to ${range.to}`)
  }
  if (options.json === true) printJson({ link: name, partitions: rows })
  else print(renderVerified(rows))
  const different = rows.filter(({ difference }) => difference !== null)
  if (different.length > 0)
    throw new AjnaError(LINK_DIFFERS, `${different.length} of ${rows.length} partitions differ`)
  say(`${rows.length} partitions, equal at both ends`)
}

interface Ends extends AsyncDisposable {
  readonly source: Wire
  readonly target: Wire
  /** At the source. */
  readonly topics: readonly string[]
  copyOf(topic: string): string
  mappingOf(topic: string, partition: number): MaybeMapping
}

/** Those of a link of the fleet's file, whose copies have its source's names and offsets, or of any other by the journal. */
async function openEnds(name: string, signal: AbortSignal): Promise<Ends> {
  const home = homeOf()
  const file = await readFleetFile(home)
  const link = file.fleet.links.find(each => each.name === name)
  await using opening = new AsyncDisposableStack()
  if (link !== undefined) {
    const source = opening.use(await wireOf(home, file, link.from))
    const target = opening.use(await wireOf(home, file, link.to))
    return endsOf(opening.move(), { source, target, topics: link.topics })
  }
  const journal = opening.use(await openLinksJournal(home, ADMIN_PRINCIPAL, silentLogger, signal))
  const entry = entryOf(journal.state(), name)
  if (entry === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${name}`)
  const { definition, kept } = entry
  const connect = connectEnds(home, silentLogger)
  const wireAt = async (end: LinkEnd): Promise<Wire> => {
    const side = await connect('cluster' in end ? { ...end, principal: ADMIN_PRINCIPAL } : end, definition)
    opening.defer(() => side.close())
    return side.wire
  }
  const [source, target] = [await wireAt(definition.source), await wireAt(definition.target)]
  const mapped = new Map(
    mappedPartitions(journal.state(), name).map(each => [`${each.topic}/${each.partition}`, each.mapping]),
  )
  return endsOf(opening.move(), {
    source,
    target,
    topics: Object.keys(kept?.topics ?? {}),
    copyOf: topic => copyName(definition.rename, topic),
    mappingOf: (topic, partition) => mapped.get(`${topic}/${partition}`),
  })
}

const endsOf = (
  open: AsyncDisposableStack,
  ends: Pick<Ends, 'source' | 'target' | 'topics'> & Partial<Ends>,
): Ends => ({
  copyOf: topic => topic,
  mappingOf: () => undefined,
  ...ends,
  [Symbol.asyncDispose]: () => open.disposeAsync(),
})

async function wireOf(home: Home, file: FleetFile, cluster: string): Promise<Wire> {
  const address = await clusterAddress(file, cluster, () => identity(home.pki, ADMIN_PRINCIPAL))
  return openWire({ ...address, clientId: 'ajna-verify' })
}

/** In the source's offsets, from the later log start to the copy's end: what the source has beyond that is lag, no difference. */
async function commonRanges(
  { source, target, topics, copyOf, mappingOf }: Ends,
  signal: AbortSignal,
): Promise<LogRange[]> {
  const originals = new Map(topics.map(topic => [copyOf(topic), topic]))
  const copies = await target.metadata([...originals.keys()], signal)
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
