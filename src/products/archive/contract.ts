/** What the archive role answers on loopback, for the API and the CLI to pass on; and its names. */
import { z } from 'zod'

/** In `objects` of the archive's configuration. */
export const s3Config = z.strictObject({
  driver: z.literal('s3'),
  endpoint: z.string().optional(),
  region: z.string().min(1),
  bucket: z.string().min(1),
  prefix: z.string().default(''),
  /** Absent: what the SDK finds in the environment. */
  credentials: z.strictObject({ accessKeyId: z.string(), secretAccessKey: z.string() }).optional(),
})

/** Paths under the role's address; all need its token. */
export const archivePaths = {
  /** POST {@link queryRequest} → {@link queryAnswer}. */
  query: '/api/query',
  /** The same, answered as NDJSON lines: {@link queryLine}. */
  queryStream: '/api/query/stream',
  /** GET {@link tailRequest} → server-sent events `line` ({@link tailLine}), `dropped` {count}, `heartbeat`, `failed` (an error). */
  tail: '/api/tail',
  status: '/api/status',
  completeness: '/api/completeness',
} as const

/** The one table of queries, and what is in it. */
export const logsColumns = [
  { name: 'time', type: 'TIMESTAMPTZ', meaning: 'event time of the line' },
  { name: 'shipped', type: 'TIMESTAMPTZ', meaning: 'when the agent sent it' },
  { name: 'tenant', type: 'VARCHAR', meaning: 'whose it is' },
  { name: 'site', type: 'VARCHAR', meaning: 'where it was written' },
  { name: 'host', type: 'VARCHAR', meaning: 'on which machine' },
  {
    name: 'kind',
    type: 'VARCHAR',
    meaning: 'log; unknown for records without a position or of an undescribed stream',
  },
  { name: 'file', type: 'VARCHAR', meaning: 'path when the file was first seen' },
  { name: 'stream', type: 'VARCHAR', meaning: 'identity of the file, 16 hexadecimal digits' },
  { name: 'position', type: 'BIGINT', meaning: 'byte offset in the file' },
  { name: 'length', type: 'INTEGER', meaning: 'bytes in the file, line end included' },
  { name: 'line', type: 'VARCHAR', meaning: 'the text; bytes that are not UTF-8 show as ?' },
  { name: 'raw', type: 'BLOB', meaning: 'the bytes, where the text alone does not say them' },
  { name: 'topic', type: 'VARCHAR', meaning: 'Kafka topic' },
  { name: 'partition', type: 'INTEGER', meaning: 'Kafka partition' },
  { name: 'offset', type: 'BIGINT', meaning: 'Kafka offset (a reserved word: write "offset")' },
] as const

export const queryRequest = z.strictObject({
  /** One SELECT over `logs`. */
  sql: z.string().min(1).max(65_536),
  /** Rows at most; more are left out and `truncated` says so. */
  limit: z.number().int().min(1).max(1_000_000).default(1_000),
  timeoutMs: z.number().int().min(1).max(600_000).default(30_000),
})
export type QueryRequest = z.input<typeof queryRequest>

const column = z.object({ name: z.string(), type: z.string() })
const cell: z.ZodType<unknown> = z.unknown()

export const queryAnswer = z.object({
  columns: z.array(column),
  rows: z.array(z.array(cell)),
  truncated: z.boolean(),
  ms: z.number(),
  /** Archived objects that had to be looked into, of all there are. */
  objects: z.object({ read: z.number(), all: z.number() }),
})
export type QueryAnswer = z.infer<typeof queryAnswer>

/** Lines of a streamed answer, in this order: columns, each row, then how it ended: `end`, or `error`. */
export const queryLine = z.union([
  z.object({ columns: z.array(column) }),
  z.object({ row: z.array(cell) }),
  z.object({
    end: queryAnswer.pick({ truncated: true, ms: true, objects: true }).extend({ rows: z.number() }),
  }),
  z.object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      remedy: z.string(),
      details: z.record(z.string(), cell),
    }),
  }),
])
export type QueryLine = z.infer<typeof queryLine>

export const tailRequest = z.strictObject({
  tenant: z.string().optional(),
  site: z.string().optional(),
  host: z.string().optional(),
  /** A path, `*` standing for any characters. */
  file: z.string().max(1_000).optional(),
  contains: z.string().max(1_000).optional(),
  /** The same, letter case ignored. */
  match: z.string().max(1_000).optional(),
  regex: z.string().max(500).optional(),
  /** Begin with lines of this event time on (ISO 8601), at most the last 10,000 of them. */
  since: z.iso.datetime({ offset: true }).optional(),
  /** Of those, at most so many of the newest. */
  lines: z.coerce.number().int().min(1).max(10_000).default(10_000),
})
export type TailRequest = Omit<z.infer<typeof tailRequest>, 'lines'> & { readonly lines?: number }

/** Data of a `line` event of the tail. Times in ISO 8601; null where the record's origin is not known. */
export const tailLine = z.object({
  time: z.string(),
  shipped: z.string(),
  tenant: z.string().nullable(),
  site: z.string().nullable(),
  host: z.string().nullable(),
  file: z.string().nullable(),
  position: z.number().nullable(),
  length: z.number().nullable(),
  line: z.string().nullable(),
  topic: z.string(),
  partition: z.number(),
  offset: z.number(),
})
export type TailLine = z.infer<typeof tailLine>

/**
 * running; waiting: nothing is fetched until what is held is committed; paused: the object store does not take commits
 * (full or unreachable), tried again by itself.
 */
export const archiveState = z.enum(['running', 'waiting', 'paused'])
export type ArchiveState = z.infer<typeof archiveState>

export const partitionStatus = z.object({
  topic: z.string(),
  partition: z.number(),
  /** One past the last offset archived, and one past the last one held in memory. */
  committed: z.number(),
  position: z.number(),
  highWatermark: z.number(),
  /** Records of the topic that are not archived yet (offsets). */
  lag: z.number(),
  tailRows: z.number(),
  tailBytes: z.number(),
  lastCommitAt: z.number().nullable(),
  /** Ranges that could not be archived because the topic no longer had them, or had others there; at most 100. */
  missing: z.array(z.object({ from: z.number(), to: z.number(), reason: z.string() })),
})
export type PartitionStatus = z.infer<typeof partitionStatus>

export const archiveStatus = z.object({
  state: archiveState,
  /** Why, when paused. */
  reason: z.string().nullable(),
  store: z.string(),
  records: z.number(),
  withoutPosition: z.number(),
  unknownStream: z.number(),
  objects: z.number(),
  bytes: z.number(),
  /** Commits lost to another archiver; nothing is lost by it. */
  lostRaces: z.number(),
  partitions: z.array(partitionStatus),
})
export type ArchiveStatus = z.infer<typeof archiveStatus>

const byteRange = z.object({ start: z.number(), end: z.number() })
export const completenessAnswer = z.object({
  /** What is committed: by stream the bytes held, and those held more than once. */
  streams: z.array(z.object({ stream: z.string(), held: z.array(byteRange), repeated: z.array(byteRange) })),
})
export type CompletenessAnswer = z.infer<typeof completenessAnswer>
