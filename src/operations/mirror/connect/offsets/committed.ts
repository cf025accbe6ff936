import { z } from 'zod'
import type { Stand } from './positions.ts'

/**
 * What a Connect worker has committed for its source connectors: records of its offsets topic, or of `mm2-offsets.…` of a
 * MirrorMaker 2 that runs by itself. The last record of a key counts; one without a value forgets it.
 */
export interface OffsetRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

export interface CommittedOffset {
  readonly connector: string
  /** As the connector wrote them. */
  readonly partition: Readonly<Record<string, unknown>>
  readonly offset: Readonly<Record<string, unknown>>
}

const keyModel = z.tuple([z.string(), z.record(z.string(), z.unknown())])
const valueModel = z.record(z.string(), z.unknown())

/** Records that are none of Connect's are left out: other programs may write to the topic too. */
export function committedOffsets(records: Iterable<OffsetRecord>): readonly CommittedOffset[] {
  const last = new Map<string, CommittedOffset>()
  for (const { key, value } of records) {
    const found = keyModel.safeParse(jsonOf(key))
    if (!found.success) continue
    const [connector, partition] = found.data
    const name = JSON.stringify([connector, Object.entries(partition).sort()])
    const offset = valueModel.safeParse(jsonOf(value))
    if (offset.success) last.set(name, { connector, partition, offset: offset.data })
    else last.delete(name)
  }
  return [...last.values()]
}

/** Connect's JsonConverter wraps what it writes, unless `schemas.enable` is false. */
function jsonOf(bytes: Buffer | null): unknown {
  if (bytes === null) return undefined
  try {
    const json: unknown = JSON.parse(bytes.toString())
    return typeof json === 'object' && json !== null && 'schema' in json && 'payload' in json
      ? json.payload
      : json
  } catch {
    return undefined
  }
}

const place = { topic: z.string().min(1), partition: z.int().nonnegative() }
const mm2Partition = z.object({ cluster: z.string(), ...place })
const mirusPartition = z.object(place)
const offsetModel = z.object({ offset: z.int().nonnegative() })

/** Where a MirrorSourceConnector stands by what it committed: one behind the last record it copied. */
export function mirrorMakerStands(
  committed: readonly CommittedOffset[],
  from: { readonly connector: string; readonly cluster: string },
): readonly Stand[] {
  return committed.flatMap(({ connector, partition, offset }) => {
    const at = mm2Partition.safeParse(partition)
    const last = offsetModel.safeParse(offset)
    if (connector !== from.connector || !at.success || !last.success || at.data.cluster !== from.cluster)
      return []
    return [{ topic: at.data.topic, partition: at.data.partition, sourceOffset: last.data.offset + 1 }]
  })
}

/** Where a MirusSourceConnector stands by what it committed: Mirus writes the next offset itself. */
export function mirusStands(committed: readonly CommittedOffset[], connector: string): readonly Stand[] {
  return committed.flatMap(({ connector: name, partition, offset }) => {
    const at = mirusPartition.safeParse(partition)
    const next = offsetModel.safeParse(offset)
    if (name !== connector || !at.success || !next.success) return []
    return [{ topic: at.data.topic, partition: at.data.partition, sourceOffset: next.data.offset }]
  })
}
