/** Names in the object store. The room's README draws them. */
import { createHash } from 'node:crypto'
import { segmentOf } from '../../foundation/objects/keys.ts'

export interface PartitionId {
  readonly topic: string
  /** A topic deleted and made again is another one: its offsets begin anew. */
  readonly topicId: string
  readonly partition: number
}

export const manifestRoot = 'manifest/'
export const dataRoot = 'data/'
const floorFile = 'floor.json'

/** 16 digits hold every offset below 2^53, so keys sort as their offsets do. */
const padded = (offset: number): string => String(offset).padStart(16, '0')
const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
const segment = (text: string): string => segmentOf(text, digest)

const topicPart = ({ topic, topicId }: PartitionId): string => `${segment(topic)}@${topicId}`

export const partitionFolder = (id: PartitionId): string => `${manifestRoot}${topicPart(id)}/${id.partition}/`

export const manifestKey = (id: PartitionId, from: number): string =>
  `${partitionFolder(id)}${padded(from)}.json`
/** Holds the offset that retention has deleted everything below of. */
export const floorKey = (id: PartitionId): string => partitionFolder(id) + floorFile

export type ManifestKeyPart =
  | { readonly folder: string; readonly kind: 'commit'; readonly from: number }
  | { readonly folder: string; readonly kind: 'floor' }

export function parseManifestKey(key: string): ManifestKeyPart | undefined {
  const match = /^(manifest\/[^/]+@[^/@]+\/\d+\/)(?:(\d{16})\.json|floor\.json)$/.exec(key)
  if (match === null) return undefined
  return match[2] === undefined
    ? { folder: match[1]!, kind: 'floor' }
    : { folder: match[1]!, kind: 'commit', from: Number(match[2]) }
}

/** The Hive partition of a row: see {@link hourOf}. */
export interface Cell {
  readonly tenant: string
  readonly kind: string
  /** `2026-11-23` */
  readonly date: string
  /** `05`, or `backfill`. */
  readonly hour: string
}

/** Its name says what it holds (offset range) and that it is what it was (content); two writers never share one unless it is the same. */
export function dataKey(cell: Cell, id: PartitionId, from: number, to: number, sha256: string): string {
  const folder = `tenant=${segment(cell.tenant)}/kind=${segment(cell.kind)}/date=${cell.date}/hour=${cell.hour}`
  return `${dataRoot}${folder}/${topicPart(id)}-${id.partition}-${padded(from)}-${padded(to)}-${sha256.slice(0, 16)}.parquet`
}

/** The partition's manifest folder and the offset range a data key speaks of, for the sweeper. */
export function parseDataKey(key: string): { folder: string; from: number; to: number } | undefined {
  const match =
    /^data\/tenant=[^/]+\/kind=[^/]+\/date=[^/]+\/hour=[^/]+\/([^/]+@[^/@]+)-(\d+)-(\d{16})-(\d{16})-[0-9a-f]{16}\.parquet$/.exec(
      key,
    )
  if (match === null) return undefined
  return { folder: `${manifestRoot}${match[1]}/${match[2]}/`, from: Number(match[3]), to: Number(match[4]) }
}
