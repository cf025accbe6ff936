import { z } from 'zod'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { type SingleObject, singleObject } from '../../foundation/positions/avro.ts'
import { AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN } from '../../foundation/positions/errors.ts'
import { fence } from '../fleet/interlock/contract.ts'

/**
 * What a host's agent is told (its configuration, the host plan), what it says (status), and what its metric samples look
 * like on the wire.
 */

/* ---- metrics ---- */

export const metricsTopic = (site: string): string => `metrics.${site}`
/** Where a site's streams are described. */
export const streamsTopic = (site: string): string => `ajna.streams.${site}`
export const logsTopic = (site: string): string => `logs.${site}`

/**
 * One measurement. Names are dotted-free, Prometheus style (`host_cpu_busy_ratio`, `kafka_server_…`); those that end in
 * `_total` only grow until their process restarts. Every sample carries the labels `host` and `site`.
 */
export interface MetricSample {
  /** When it was measured, ms since the epoch. */
  readonly time: number
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** `bytes`, `ratio`, `seconds`, `records`, … ; empty for a plain number. */
  readonly unit: string
}

const sampleEncoding: SingleObject<MetricSample> = singleObject<MetricSample>({
  type: 'record',
  name: 'ajna.hosts.MetricSample',
  fields: [
    { name: 'time', type: 'long' },
    { name: 'name', type: 'string' },
    { name: 'labels', type: { type: 'map', values: 'string' } },
    { name: 'value', type: 'double' },
    { name: 'unit', type: 'string' },
  ],
})

/** A sample as a record's value. */
export const encodeSample = (sample: MetricSample): Buffer => sampleEncoding.encode(sample)

/** Undefined when the bytes are no sample of this schema. */
export function decodeSample(value: Buffer): MetricSample | undefined {
  try {
    return sampleEncoding.decode(value)
  } catch (error) {
    if (isAjnaError(error, AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN)) return undefined
    throw error
  }
}

/* ---- the host plan: hosts/<host>/plan.json ---- */

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
const port = z.int().min(1).max(65_535)

export const plannedProcess = z.strictObject({
  /** Unique in the plan; also the name of its pid file and log. */
  name,
  /** Orders to a broker need a lease. A plan that does not say is of a time when there was nothing else. */
  kind: z.enum(['broker', 'other']).default('broker'),
  argv: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()).default({}),
  cwd: z.string(),
  /** Standard output and error are appended here. */
  log: z.string(),
  /** What makes it ready; that it is not in time, or no longer, is told, not acted upon. */
  readiness: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('started') }),
      z.strictObject({
        kind: z.literal('port'),
        host: z.string().default('127.0.0.1'),
        port,
        withinMs: z.int().positive().default(60_000),
      }),
    ])
    .default({ kind: 'started' }),
  /** `http://…/metrics` of its Prometheus exporter (JMX exporter agent), and labels its samples get. */
  metrics: z.strictObject({ url: z.url(), labels: z.record(z.string(), z.string()).default({}) }).optional(),
  /** Of a broker: where its partitions' logs are. Of them, and of nothing else, the agent says what is in them and whether their disks are well. */
  logDirs: z.array(z.string().startsWith('/')).max(100).default([]),
  /** From SIGTERM to SIGKILL. */
  stopMs: z.int().positive().default(30_000),
})
export type PlannedProcess = Readonly<z.infer<typeof plannedProcess>>

export const hostPlan = z.strictObject({
  host: name,
  /** Raised by whoever writes the plan; an older plan is never carried out after a newer one. */
  version: z.int().nonnegative(),
  processes: z.array(plannedProcess).default([]),
})
export type HostPlan = Readonly<z.infer<typeof hostPlan>>

/* ---- the agent's configuration ---- */

export const shipSource = z.strictObject({
  tenant: z.string().min(1),
  /** Where the lines go, e.g. `logs.edge`. */
  topic: z.string().min(1),
  /** Absolute globs. */
  files: z.array(z.string().startsWith('/')).min(1),
  /** Globs. */
  exclude: z.array(z.string()).default([]),
})
export type ShipSource = Readonly<z.infer<typeof shipSource>>

export const agentConfig = z.strictObject({
  site: name,
  host: name,
  /** The agent's own directory: checkpoint, spool, quarantine. */
  directory: z.string().startsWith('/'),
  /** Where pid files of the processes live. */
  runDirectory: z.string().startsWith('/'),
  plan: z.string().startsWith('/').optional(),
  bootstrap: z.array(z.string()).min(1),
  tls: z.strictObject({ ca: z.string(), cert: z.string(), key: z.string() }).optional(),
  /** Addresses of the brokers' names, where the machine does not resolve them. */
  hosts: z.record(z.string(), z.string()).optional(),
  /** `<principal>.<host>`: within the prefix the principal's ACLs allow. */
  transactionalId: z.string().min(1),
  sources: z.array(shipSource).default([]),
  streamsTopic: z.string().min(1),
  metrics: z
    .strictObject({
      topic: z.string().min(1),
      tenant: z.string().min(1),
      everyMs: z.int().min(1_000).default(2_000),
    })
    .optional(),
  status: z.strictObject({ port: z.int().min(0).max(65_535), token: z.string().min(16) }).optional(),
  spool: z
    .strictObject({
      maxBytes: z
        .int()
        .positive()
        .default(512 * 1024 * 1024),
      /** How long the cluster may acknowledge nothing before batches go to the disk. */
      afterMs: z.int().positive().default(2_000),
      /** Bound of what waits in memory for acknowledgement. */
      memoryBytes: z
        .int()
        .positive()
        .default(16 * 1024 * 1024),
    })
    .prefault({}),
  tail: z
    .strictObject({
      discoverMs: z.int().positive().default(1_000),
      pollMs: z.int().positive().default(100),
      /** A last line without an end is shipped as it is when its file has not grown for so long. */
      partialLineMs: z.int().positive().default(10_000),
      /** A file that was deleted or renamed out of the globs is let go when it has not grown for so long. */
      releaseMs: z.int().positive().default(30_000),
    })
    .prefault({}),
  /** How the closed segments of brokers' log dirs are read, to find damaged ones. */
  scrub: z
    .strictObject({
      /** From all disks of the host together. */
      bytesPerSecond: z
        .int()
        .min(64 * 1024)
        .default(8 * 1024 * 1024),
      /** No segment is read again before so long. */
      againMs: z.int().positive().default(300_000),
    })
    .prefault({}),
  compression: z.enum(['none', 'lz4', 'zstd', 'snappy', 'gzip']).default('none'),
})
export type AgentConfig = Readonly<z.infer<typeof agentConfig>>
export type AgentConfigInput = z.input<typeof agentConfig>

/* ---- what an agent says: GET /api/status ---- */

/** Something an operator or the activity log should know. */
export const agentEvent = z.object({
  /** ms since the epoch. */
  at: z.number(),
  host: z.string(),
  /** `process` (started, exited, restarting, gave-up, …), `gap`, `unknown`, `plan`, `order`. */
  kind: z.string(),
  /** The process or path it is about. */
  subject: z.string(),
  text: z.string(),
  details: z.record(z.string(), z.unknown()),
})
export type AgentEvent = Readonly<z.infer<typeof agentEvent>>

const processEnd = z.object({
  /** ms since the epoch. */
  at: z.number(),
  pid: z.number(),
  /** Both null: nobody was told. */
  code: z.number().nullable(),
  signal: z.string().nullable(),
  /** It had been asked to end. */
  expected: z.boolean(),
})

export const dirStatus = z.object({
  path: z.string(),
  /**
   * `failed`: it does not take or give what a small file holds; `full`: it has no space; `slow`, `hanging`: each write and
   * sync takes long, or does not end.
   */
  state: z.enum(['well', 'failed', 'full', 'slow', 'hanging']),
  /** In the system's words. */
  says: z.string(),
  /** Since when it is in that state, and when it was looked at last, ms since the epoch. */
  since: z.number(),
  at: z.number(),
})
export type DirStatus = Readonly<z.infer<typeof dirStatus>>

/** A closed segment of a replica that was read twice and is damaged in the same place. */
export const corruptSegment = z.object({
  topic: z.string(),
  partition: z.number(),
  path: z.string(),
  inode: z.number(),
  /** First offset of the segment, as its name says. */
  segment: z.number(),
  /** Of the first damaged batch, in bytes from the segment's beginning. */
  position: z.number(),
  /** Offsets that it may concern: `from` the first damaged batch, up to the next good one behind the last. */
  from: z.number(),
  to: z.number(),
  /** Damaged ones; behind one that is framed wrongly nobody can count. */
  batches: z.number(),
  what: z.string(),
  /** ms since the epoch. */
  since: z.number(),
})
export type CorruptSegment = Readonly<z.infer<typeof corruptSegment>>

export const processStatus = z.object({
  name: z.string(),
  state: z.enum(['starting', 'running', 'ready', 'unhealthy', 'waiting', 'gave-up', 'ended', 'stopped']),
  pid: z.number().nullable(),
  /** Since when it runs, ms since the epoch; null: it does not. */
  since: z.number().nullable(),
  /** The last end that this agent saw; null: none. */
  lastEnd: processEnd.nullable(),
  /** Starts by this agent, adoptions not counted. */
  starts: z.number(),
  /** Disks of its log dirs, as far as they were looked at. */
  dirs: z.array(dirStatus).default([]),
  /** Damaged segments in its log dirs, as far as they were read; of each dir no more than fifty. */
  corrupt: z.array(corruptSegment).default([]),
})
export type ProcessStatus = Readonly<z.infer<typeof processStatus>>

export const agentStatus = z.object({
  host: z.string(),
  site: z.string(),
  startedAt: z.number(),
  at: z.number(),
  shipping: z.object({
    /** connecting: no session yet; direct: to the cluster; spooling: to the disk first. */
    state: z.enum(['connecting', 'direct', 'spooling']),
    connected: z.boolean(),
    problem: z.string().nullable(),
    acknowledgedRecords: z.number(),
    acknowledgedBytes: z.number(),
    /** ms since the epoch; 0: nothing yet. */
    lastAcknowledged: z.number(),
    unacknowledgedBytes: z.number(),
    /** Bytes in files that were not read yet. */
    lagBytes: z.number(),
    /** Bytes neither shipped nor spooled of files that only an open descriptor keeps: gone if the agent ends now. */
    atRisk: z.object({ files: z.number(), bytes: z.number() }),
    /** Bytes that were gone before they could be read, and where; the last ranges only. */
    lostBytes: z.number(),
    gaps: z.array(
      z.object({
        stream: z.string(),
        path: z.string(),
        start: z.number(),
        end: z.number(),
        reason: z.string(),
        at: z.number(),
      }),
    ),
    /** Records the cluster refused for good. */
    quarantined: z.number(),
    repeatedBytes: z.number(),
  }),
  spool: z.object({
    bytes: z.number(),
    maxBytes: z.number(),
    batches: z.number(),
    /** Why it takes no more. */
    refusal: z.enum(['bound', 'disk']).nullable(),
  }),
  files: z.array(
    z.object({
      path: z.string(),
      stream: z.string(),
      tenure: z.enum(['live', 'leaving', 'final']),
      /** Bytes below were read. */
      position: z.number(),
      /** Bytes below are in the cluster or in the spool. */
      safe: z.number(),
      size: z.number(),
    }),
  ),
  unreadable: z.array(z.object({ path: z.string(), problem: z.string() })),
  processes: z.array(processStatus),
  /** Version of the plan carried out; null without one. */
  plan: z.number().nullable(),
  events: z.array(agentEvent),
})
export type AgentStatus = Readonly<z.infer<typeof agentStatus>>

/** GET /api/processes?after=<version>&waitMs=: answered once the version is another, or the time is over. */
export const processList = z.object({
  /** Raised by every change of a process's state, pid or end, or of its disks' or segments' state; begins anew with each agent. */
  version: z.number(),
  processes: z.array(processStatus),
})
export type ProcessList = Readonly<z.infer<typeof processList>>

/** GET /api/processes/<name>/life: whether a process runs in fact, and not only by name. */
export const processLife = z.object({
  pid: z.number(),
  /** Whether any of its threads was given a processor while it was watched (schedstat), for how long that was. */
  ran: z.boolean(),
  overMs: z.number(),
})
export type ProcessLife = Readonly<z.infer<typeof processLife>>

/** POST /api/processes/<name>/<start|stop|restart|kill>, with the bearer token. */
export const processOrder = z.object({
  /**
   * Of the lease under which the order is given; one with a lower token than was obeyed of the same keeper is refused. Without
   * one only processes that are no brokers are touched.
   */
  fence: fence.optional(),
  reason: z.string().max(500),
  /** Of `kill`: the one process that is meant. */
  pid: z.int().positive().optional(),
})
/** POST /api/processes/<name>/log-dir, with the bearer token: an empty log dir is made ready. */
export const logDirOrder = z.object({
  fence: fence.optional(),
  reason: z.string().max(500),
  /** One of the process's log dirs: made ready for the process's next start if it is empty, as a new disk is. */
  path: z.string(),
})

/** Whether an order with this token may be obeyed, when the highest that was obeyed of its keeper is `highest`. */
export const obeys = (highest: number, token: number): boolean => token >= highest
/** `kill`: at once, without asking; it is started again like one that crashed. */
export const processActs = ['start', 'stop', 'restart', 'kill'] as const
export type ProcessAct = (typeof processActs)[number]

/* ---- what lies in a broker's log dirs: POST /api/processes/<name>/replicas, which changes nothing ---- */

export const MOST_REPLICAS = 200

export const replicasQuery = z.object({
  partitions: z
    .array(
      z.object({
        topic: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/),
        partition: z.int().nonnegative(),
      }),
    )
    .min(1)
    .max(MOST_REPLICAS),
})
export type ReplicaName = Readonly<z.infer<typeof replicasQuery>['partitions'][number]>

const logOffset = z.int().nonnegative()

/** The log of one partition as it lies on a disk, whether or not its broker runs. */
export const replicaOnDisk = z.object({
  topic: z.string(),
  partition: z.int(),
  /** Null: see `problem`. */
  log: z
    .object({
      /** Of its first record, and one past its last whole one. */
      start: logOffset,
      end: logOffset,
      /** `leader-epoch-checkpoint`. */
      epochs: z.array(z.object({ epoch: z.int(), start: logOffset })),
      /** In `replication-offset-checkpoint`, which a broker writes every five seconds; null: not there. */
      highWatermark: logOffset.nullable(),
    })
    .nullable(),
  problem: z.string().nullable(),
})
export type ReplicaOnDisk = Readonly<z.infer<typeof replicaOnDisk>>

export const replicasOnDisk = z.object({
  /** Since when this machine runs, ms since the epoch: what it had not written before that is gone. */
  bootedAt: z.number(),
  /** Of the broker as it was before and after the reading; null both times: nothing wrote meanwhile. */
  pid: z.object({ before: z.number().nullable(), after: z.number().nullable() }),
  replicas: z.array(replicaOnDisk),
})
export type ReplicasOnDisk = Readonly<z.infer<typeof replicasOnDisk>>

/** POST /api/processes/<name>/verify: reads the range in the log dirs of a broker; changes nothing. */
export const replicaRange = z.object({
  topic: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/),
  partition: z.int().nonnegative(),
  from: logOffset,
  to: logOffset,
})
export type ReplicaRange = Readonly<z.infer<typeof replicaRange>>

export const replicaVerified = z.object({
  /** `well`: every batch from `from` to `to` is there, framed as it should be, and matches its checksum. */
  state: z.enum(['well', 'damaged', 'unknown']),
  says: z.string(),
  /** SHA-256 over the headers of the batches within the range: the same for replicas that hold the same; null: not well. */
  digest: z.string().nullable(),
})
export type ReplicaVerified = Readonly<z.infer<typeof replicaVerified>>

/* ---- records without a position ---- */

/**
 * Header of a barrier: a record with a null value that an agent writes to each partition when it (re)starts. Readers of
 * shipped records pass over it; its value names the agent.
 */
export const BARRIER_HEADER = 'b'
