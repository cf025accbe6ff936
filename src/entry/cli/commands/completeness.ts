import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import {
  BUCKET_MS,
  type BucketVerdict,
  type StreamVerdict,
} from '../../../operations/completeness/contract.ts'
import { dataOf } from '../../api/client.ts'
import type { Completeness } from '../../api/models.ts'
import { connectApi } from '../api.ts'
import { print, printJson, say } from '../output.ts'

const BUCKET_INVALID = errorKind(
  'BUCKET_INVALID',
  'That is not the start of a bucket.',
  'Give the time as the list shows it, e.g. 2026-11-23T05:10Z.',
  2,
)

const HOUR_MS = 3_600_000
const STREAMS = 100

interface CompletenessOptions {
  readonly hours: number
  readonly bucket?: string
  readonly json?: boolean
}

/** Exit code 1 when a closed bucket is not complete. */
export async function completeness(options: CompletenessOptions): Promise<void> {
  const { api } = await connectApi()
  if (options.bucket !== undefined) return streamsOf(options.bucket, options.json === true)
  const to = Date.now()
  const answer = dataOf(
    await api.GET('/api/completeness', { params: { query: { from: to - options.hours * HOUR_MS, to } } }),
  )
  const closed = answer.buckets.filter(bucket => bucket.closed)
  const incomplete = closed.filter(({ tiers }) => tiers.some(({ state }) => state !== 'complete'))
  if (incomplete.length > 0) process.exitCode = 1
  if (options.json === true) return printJson(answer)
  print(renderBuckets(answer.buckets))
  say(`${closed.length} closed buckets, ${closed.length - incomplete.length} complete at every tier`)
  for (const line of blindSpots(answer)) say(line)
}

/** What the verdicts cannot speak of. */
function blindSpots({ unaudited, unseen }: Pick<Completeness, 'unaudited' | 'unseen'>): string[] {
  const lines: string[] = []
  const [largest] = unaudited.largest
  if (largest !== undefined)
    lines.push(
      `${unaudited.files} files (${unaudited.bytes.toLocaleString('en')} bytes) are shipped and not audited, ${largest.path ?? `stream ${largest.stream}`} first`,
    )
  for (const { host, path, from, certain } of unseen)
    lines.push(
      `${host}:${path} ${certain ? 'lost bytes' : 'may have lost bytes'} from position ${from} on before the auditor saw them`,
    )
  return lines
}

const share = (ratio: number): string =>
  ratio === 1 ? '100 %' : `${(Math.floor(ratio * 1e7) / 1e5).toFixed(5)} %`
const minute = (ms: number): string => new Date(ms).toISOString().slice(0, 16).concat('Z')

function renderBuckets(buckets: readonly BucketVerdict[]): string {
  const tier = (at: number) => (bucket: BucketVerdict) => {
    const { state, ratio } = bucket.tiers[at]!
    return `${state} ${share(ratio)}`
  }
  return renderTable(
    [
      { title: 'BUCKET (UTC)', value: bucket => minute(bucket.bucket) },
      { title: 'FILES', value: bucket => bucket.streams, align: 'right' },
      { title: 'LINES', value: bucket => bucket.auditedLines.toLocaleString('en'), align: 'right' },
      { title: 'BYTES', value: bucket => bucket.auditedBytes.toLocaleString('en'), align: 'right' },
      { title: 'LOCAL', value: tier(0) },
      { title: 'AGGREGATE', value: tier(1) },
      { title: 'ARCHIVE', value: tier(2) },
    ],
    buckets,
  )
}

async function streamsOf(time: string, json: boolean): Promise<void> {
  const bucket = Date.parse(time)
  if (!Number.isInteger(bucket / BUCKET_MS)) throw new AjnaError(BUCKET_INVALID, `"${time}"`)
  const { api } = await connectApi()
  const page = dataOf(
    await api.GET('/api/completeness/{bucket}', { params: { path: { bucket }, query: { limit: STREAMS } } }),
  )
  if (json) return printJson(page)
  print(
    renderTable<StreamVerdict>(
      [
        { title: 'HOST', value: each => each.host },
        { title: 'FILE', value: each => each.path, shrinkTo: 20 },
        { title: 'LINES', value: each => each.auditedLines, align: 'right' },
        { title: 'BYTES', value: each => each.auditedBytes, align: 'right' },
        ...(['local', 'aggregate', 'archive'] as const).map((name, at) => ({
          title: name.toUpperCase(),
          value: (each: StreamVerdict) => stateOf(each, at),
        })),
      ],
      page.items,
    ),
  )
  say(`${page.items.length} of ${page.total} files`)
}

function stateOf(verdict: StreamVerdict, at: number): string {
  const { state, missingBytes, missing } = verdict.tiers[at]!
  if (missingBytes === 0) return state
  const [first] = missing
  return `${state} ${missingBytes} B from ${first?.start}`
}
