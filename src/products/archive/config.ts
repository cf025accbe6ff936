import { z } from 'zod'
import { s3Config } from './contract.ts'

const megabyte = 1024 * 1024
const bytes = z.number().int().positive()
const ms = z.number().int().positive()

/** What the archive role is told. Sizes in bytes, times in ms. */
export const archiveConfig = z.strictObject({
  /** Topic names, `*` standing for any characters. */
  topics: z.array(z.string().min(1)).min(1).default(['logs.*']),
  /** Where streams are described. */
  streamTopics: z.array(z.string().min(1)).default(['ajna.streams.*']),
  objects: z.discriminatedUnion('driver', [
    z.strictObject({ driver: z.literal('fs'), root: z.string().min(1) }),
    s3Config,
  ]),
  /** Working files: spill, Parquet being written, the tail as queries see it. Everything in it can be rebuilt. */
  stateDir: z.string().min(1),
  /** A partition's tail becomes objects when it reaches one of these. */
  roll: z
    .strictObject({
      bytes: bytes.default(24 * megabyte),
      rows: z.number().int().positive().default(1_000_000),
      ms: ms.default(600_000),
    })
    .prefault({}),
  /** Lines held in memory over all partitions; beyond it nothing is fetched until something is committed. */
  tailBytes: bytes.default(64 * megabyte),
  /** For the tables that hold the tail; they spill to stateDir beyond it. */
  memoryBytes: bytes.default(192 * megabyte),
  threads: z.number().int().positive().default(2),
  /** How long a record waits for its stream's description before it is archived as of unknown origin. */
  unknownStreamMs: ms.default(60_000),
  sweep: z.strictObject({ everyMs: ms.default(3_600_000), graceMs: ms.default(3_600_000) }).prefault({}),
  /** Whole commits whose youngest line is older than this are deleted; absent: kept for ever. */
  retentionMs: ms.optional(),
  query: z
    .strictObject({
      processes: z.number().int().positive().default(2),
      memoryBytes: bytes.default(256 * megabyte),
      /** What a query's process may occupy, everything included. */
      residentBytes: bytes.default(768 * megabyte),
      spillBytes: bytes.default(1024 * megabyte),
      timeoutMs: ms.default(60_000),
      maxRows: z.number().int().positive().default(100_000),
      maxBytes: bytes.default(64 * megabyte),
      /** Copies of archived objects, where the store is not on this machine. */
      cacheBytes: bytes.default(2048 * megabyte),
    })
    .prefault({}),
})

export type ArchiveConfig = z.output<typeof archiveConfig>
