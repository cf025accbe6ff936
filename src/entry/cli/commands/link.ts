import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import { identity } from '../../../foundation/tls/store.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL, type ResolvedLink } from '../../../operations/fleet/contract.ts'
import {
  digestLog,
  firstDifference,
  type LogDifference,
  type LogRange,
} from '../../../operations/mirror/digest.ts'
import { clusterAddress, type FleetFile, readFleetFile } from '../../fleet-file.ts'
import { type Home, homeOf } from '../../home.ts'
import { print, printJson, say } from '../output.ts'

const LINK_UNDECLARED = errorKind(
  'LINK_UNDECLARED',
  'The accepted fleet declares no link of this name.',
  'See the names with `ajna link list`.',
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
  /** Offsets both sides hold: [from, to). */
  readonly from: number
  readonly to: number
  readonly batches: number
  readonly digest: string
  readonly difference: LogDifference | null
}

/** Compares what both ends of a link hold, by digests over (offset, checksum); exit code 1 when they differ. */
export async function verify(name: string, options: { readonly json?: boolean }): Promise<void> {
  const home = homeOf()
  const file = await readFleetFile(home)
  const link = file.fleet.links.find(each => each.name === name)
  if (link === undefined) throw new AjnaError(LINK_UNDECLARED, `there is no link ${name}`)
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  await using source = await wireOf(home, file, link.from)
  await using target = await wireOf(home, file, link.to)
  const rows: Verified[] = []
  for (const range of await commonRanges(link, source, target, ending.signal)) {
    rows.push(await compare(source, target, range, ending.signal))
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

async function compare(source: Wire, target: Wire, range: LogRange, signal: AbortSignal): Promise<Verified> {
  const [theirs, ours] = await Promise.all([
    digestLog(source, range, 'batches', signal),
    digestLog(target, range, 'batches', signal),
  ])
  const difference =
    theirs.digest === ours.digest ? undefined : await firstDifference(source, target, range, signal)
  return { ...range, batches: ours.entries, digest: ours.digest, difference: difference ?? null }
}

const renderVerified = (rows: readonly Verified[]): string =>
  renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}` },
      { title: 'FROM', value: row => row.from, align: 'right' },
      { title: 'TO', value: row => row.to, align: 'right' },
      { title: 'BATCHES', value: row => row.batches, align: 'right' },
      { title: 'SHA-256 AT BOTH', value: row => row.digest.slice(0, 16) },
      {
        title: 'RESULT',
        value: ({ difference }) =>
          difference === null ? 'equal' : `${difference.what} at ${difference.offset}`,
      },
    ],
    rows,
  )
