import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import { identity } from '../../../foundation/tls/store.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL, type ResolvedLink } from '../../../operations/fleet/contract.ts'
import {
  type DigestLevel,
  digestLog,
  firstDifference,
  type LogDifference,
  type LogRange,
} from '../../../operations/mirror/digest.ts'
import { clusterAddress, type FleetFile, readFleetFile } from '../../fleet-file.ts'
import { type Home, homeOf } from '../../home.ts'
import { declaredLink } from '../../link-sides.ts'
import { print, printJson, say } from '../output.ts'

const LINK_DIFFERS = errorKind(
  'LINK_DIFFERS',
  'A copy is not what its source holds.',
  'The first difference is named: compare the records there on both sides (`ajna topic show`, the console’s messages).',
)

interface Verified {
  readonly topic: string
  readonly partition: number
  /** Offsets both sides hold: [from, to). */
  readonly from: number
  readonly to: number
  /** Batches compared, or records when they were decoded. */
  readonly compared: number
  readonly digest: string
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
  const home = homeOf()
  const file = await readFleetFile(home)
  const link = declaredLink(file, name)
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  await using source = await wireOf(home, file, link.from)
  await using target = await wireOf(home, file, link.to)
  const rows: Verified[] = []
  const common = await commonRanges(link, source, target, ending.signal)
  for (const range of chosenRanges(common, options)) {
    rows.push(
      await compare(source, target, range, options.records === true ? 'records' : 'batches', ending.signal),
    )
    say(`${range.topic}-${range.partition}: offsets ${range.from} to ${range.to}`)
  }
  if (options.json === true) printJson({ link: name, partitions: rows })
  else print(renderVerified(rows))
  const different = rows.filter(({ difference }) => difference !== null)
  if (different.length > 0)
    throw new AjnaError(LINK_DIFFERS, `${different.length} of ${rows.length} partitions differ`)
  say(`${rows.length} partitions, equal at both ends`)
}

async function wireOf(home: Home, file: FleetFile, cluster: string): Promise<Wire> {
  const address = await clusterAddress(file, cluster, () => identity(home.pki, ADMIN_PRINCIPAL))
  return openWire({ ...address, clientId: 'ajna-verify' })
}

/** From the later log start to the copy's end: what the source has beyond that is lag, not a difference. */
async function commonRanges(
  link: ResolvedLink,
  source: Wire,
  target: Wire,
  signal: AbortSignal,
): Promise<LogRange[]> {
  const copies = await target.metadata(link.topics, signal)
  const partitions = copies.flatMap(({ name: topic, partitions: each }) =>
    each.map(({ partition }) => ({ topic, partition })),
  )
  const ask = (wire: Wire, at: 'earliest' | 'latest') =>
    wire.listOffsets(
      partitions.map(each => ({ ...each, at })),
      signal,
    )
  const [starts, copyStarts, ends] = await Promise.all([
    ask(source, 'earliest'),
    ask(target, 'earliest'),
    ask(target, 'latest'),
  ])
  return partitions.map((each, index) => ({
    ...each,
    from: Math.max(starts[index]!.offset, copyStarts[index]!.offset),
    to: ends[index]!.offset,
  }))
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
  source: Wire,
  target: Wire,
  range: LogRange,
  level: DigestLevel,
  signal: AbortSignal,
): Promise<Verified> {
  const [theirs, ours] = await Promise.all([
    digestLog(source, range, level, signal),
    digestLog(target, range, level, signal),
  ])
  const difference =
    theirs.digest === ours.digest ? undefined : await firstDifference(source, target, range, signal)
  return { ...range, compared: ours.entries, digest: ours.digest, difference: difference ?? null }
}

const renderVerified = (rows: readonly Verified[]): string =>
  renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}` },
      { title: 'FROM', value: row => row.from, align: 'right' },
      { title: 'TO', value: row => row.to, align: 'right' },
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
