import { readFile } from 'node:fs/promises'
import { AjnaError } from '../errors/errors.ts'
import { batchesIn } from '../wire/batch.ts'
import { ByteReader } from '../wire/bytes.ts'
import { recordsIn } from '../wire/records.ts'
import { KAFKA_PREPARE_FAILED } from './errors.ts'
import type { KafkaDist } from './kafka-dist.ts'

/** FeatureLevelRecord (KIP-778), as every record of the metadata log: frame version, api key, version, then its fields. */
const FRAME_VERSION = 1
const FEATURE_LEVEL = 12

/**
 * The features that a cluster formed by this release begins with, and the level of each: what raising all of them to that
 * release means (KIP-1022), and the most that its brokers can do. The release's own StorageTool has written them down.
 *
 * @throws AjnaError KAFKA_PREPARE_FAILED
 */
export async function featureLevels(
  dist: Pick<KafkaDist, 'version' | 'bootstrapCheckpoint'>,
): Promise<ReadonlyMap<string, number>> {
  const { version, bootstrapCheckpoint: file } = dist
  const levels = file === undefined ? new Map<string, number>() : levelsIn(await readFile(file))
  if (levels.size > 0) return levels
  throw new AjnaError(KAFKA_PREPARE_FAILED, `Kafka ${version}: no level of any feature in ${file}`)
}

/** Of a bootstrap.checkpoint's bytes. */
export function levelsIn(checkpoint: Buffer): ReadonlyMap<string, number> {
  const levels = new Map<string, number>()
  for (const header of batchesIn(checkpoint)) {
    if (header.control) continue
    for (const { value } of recordsIn(checkpoint, header)) {
      if (value === null) continue
      const reader = new ByteReader(value)
      const [frame, key] = [reader.uvarint(), reader.uvarint()]
      if (frame !== FRAME_VERSION || key !== FEATURE_LEVEL) continue
      reader.uvarint()
      levels.set(reader.compactString(), reader.int16())
    }
  }
  return levels
}
