import { z } from 'zod'
import {
  bucketVerdict,
  counterStatus,
  streamVerdict,
  tiers,
  unseenBytes,
} from '../../operations/completeness/contract.ts'
import {
  MAX_SCENARIO_BYTES,
  testEvent,
  testResult,
  testSummary,
} from '../../operations/faults/records/model.ts'
import { activity, journalStanding, subject } from '../../operations/fleet/activity/contract.ts'
import { incident } from '../../operations/heal/contract.ts'
import { verdicts } from '../../operations/heal/proposal.ts'
import { haltReasons, linkPartitionStates, missingSchema } from '../../operations/mirror/contract.ts'
import {
  consents,
  failoverActions,
  failoverPhases,
  stepNames,
} from '../../operations/mirror/failover/state.ts'
import { lagVerdicts } from '../../operations/mirror/verdict.ts'
import { webhookStanding, webhookTried } from '../../operations/notify/contract.ts'

/**
 * What the API says and takes: the OpenAPI document, the console's and the CLI's types all come from here.
 *
 * Times are ms since the epoch, sizes bytes, offsets and counts numbers below 2^53 (docs/decisions/0002-numbers.md), rates
 * per second. `null` means: not known, or there is none, as the field says.
 */

const time = z.number()
const count = z.int().min(0)
/** Measured by others: clocks differ, and samples are means. */
const measured = z.number()
const rate = z.number()
const severity = z.enum(['critical', 'warning', 'info'])
export type Severity = z.infer<typeof severity>

/** Who acts, for the activity: said, not proved. Whoever holds the session may act. */
const actorModel = z.string().trim().min(1).max(100).optional()

/* ---- errors ---- */

export const errorModel = z
  .object({
    code: z.string(),
    message: z.string(),
    remedy: z.string(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Error' })

/* ---- what things are called ---- */

export const subjectModel = subject.meta({ id: 'Subject' })

/* ---- fleet ---- */

export const findingModel = z
  .object({
    id: z.string(),
    severity,
    /** One line: what is wrong, with the thing's name in it. */
    title: z.string(),
    subject: subjectModel,
    since: time,
    evidence: z.array(z.string()),
    /** What the platform is doing about it; null: nothing, a person must. */
    doing: z.string().nullable(),
    remedy: z.string(),
  })
  .meta({ id: 'Finding' })
export type Finding = Readonly<z.infer<typeof findingModel>>

export const clusterState = z.enum(['healthy', 'degraded', 'down', 'unknown'])
export type ClusterState = z.infer<typeof clusterState>

export const clusterSummaryModel = z
  .object({
    name: z.string(),
    site: z.string(),
    driver: z.enum(['local', 'existing']),
    version: z.string().nullable(),
    state: clusterState,
    /** Why it is not healthy; empty when it is. */
    reason: z.string(),
    /** Since when it has been in this state; null when that is before what is remembered. */
    since: time.nullable(),
    /** When its metadata was last read whole; null: never. */
    observedAt: time.nullable(),
    brokersUp: count,
    brokersDeclared: count,
    racks: count,
    controllerId: z.int().nullable(),
    topics: count,
    partitions: count,
    underReplicated: count,
    offline: count,
    logBytes: measured,
    recordsInPerSecond: rate.nullable(),
    bytesInPerSecond: rate.nullable(),
    /** Records in per second over the last half hour, one value a minute, oldest first. */
    history: z.array(rate),
  })
  .meta({ id: 'ClusterSummary' })
export type ClusterSummary = Readonly<z.infer<typeof clusterSummaryModel>>

export const processModel = z
  .object({
    site: z.string(),
    host: z.string(),
    name: z.string(),
    /** `broker`, `agent`, `mirror`, `archive`, … */
    role: z.string(),
    state: z.enum(['running', 'starting', 'backing-off', 'stopped', 'failed', 'unknown']),
    pid: count.nullable(),
    since: time.nullable(),
    restarts: count,
    /** Why it ended last, in the process's own words where it left any. */
    lastExit: z.string().nullable(),
    residentBytes: measured.nullable(),
    /** Share of one core, 0–1 and above. */
    cpu: z.number().nullable(),
  })
  .meta({ id: 'Process' })
export type ProcessStatus = Readonly<z.infer<typeof processModel>>

export const delayModel = z
  .object({ p50Ms: measured, p95Ms: measured, samples: count, observedAt: time })
  .meta({ id: 'Delay' })
export type Delay = Readonly<z.infer<typeof delayModel>>

export const siteModel = z
  .object({
    name: z.string(),
    description: z.string(),
    hosts: z.array(z.string()),
    clusters: z.array(z.string()),
  })
  .meta({ id: 'Site' })

export const fleetModel = z
  .object({
    name: z.string(),
    observedAt: time,
    findings: z.array(findingModel).describe('worst first, then oldest first'),
    sites: z.array(siteModel),
    clusters: z.array(clusterSummaryModel),
    processes: z.array(processModel),
    /** From the moment a sample was taken on a host to when it could be charted; null: nothing measured yet. */
    eventToInsight: delayModel.nullable(),
  })
  .meta({ id: 'Fleet' })
export type Fleet = Readonly<z.infer<typeof fleetModel>>

/* ---- a cluster ---- */

export const diskModel = z
  .object({
    path: z.string(),
    state: z.enum(['online', 'offline']),
    error: z.string().nullable(),
    usedBytes: measured,
    totalBytes: measured.nullable(),
    logBytes: measured,
    replicas: count,
  })
  .meta({ id: 'Disk' })

export const offerModel = z
  .object({
    allowed: z.boolean(),
    /** Every reason against it; empty when allowed. */
    reasons: z.array(z.string()),
  })
  .meta({ id: 'Offer' })
export type Offer = Readonly<z.infer<typeof offerModel>>

export const brokerModel = z
  .object({
    id: z.int(),
    host: z.string().nullable(),
    port: z.int().nullable(),
    rack: z.string().nullable(),
    state: z.enum(['up', 'down', 'unknown']),
    since: time.nullable(),
    isController: z.boolean(),
    leaders: count,
    replicas: count,
    /** Replicas on this broker that are not in their partition's ISR. */
    outOfSync: count,
    disks: z.array(diskModel),
    recordsInPerSecond: rate.nullable(),
    bytesInPerSecond: rate.nullable(),
    bytesOutPerSecond: rate.nullable(),
    restart: offerModel,
  })
  .meta({ id: 'Broker' })
export type Broker = Readonly<z.infer<typeof brokerModel>>

export const groupModel = z
  .object({
    name: z.string(),
    state: z.string(),
    protocol: z.string(),
    members: count,
    topics: z.array(z.string()),
    /** Records between what is committed and the log's end, over all its partitions. */
    lagRecords: measured.nullable(),
    /** How long ago the oldest record not yet read was written. */
    lagMs: measured.nullable(),
    partitions: z.array(
      z.object({
        topic: z.string(),
        partition: count,
        committed: z.int(),
        end: z.int(),
        lagRecords: measured,
        lagMs: measured.nullable(),
      }),
    ),
  })
  .meta({ id: 'Group' })
export type Group = Readonly<z.infer<typeof groupModel>>

export const clusterModel = clusterSummaryModel
  .extend({
    findings: z.array(findingModel),
    brokers: z.array(brokerModel),
    quorum: z
      .object({
        leaderId: z.int(),
        epoch: z.int(),
        voters: z.array(z.object({ id: z.int(), lagRecords: measured, lagMs: measured.nullable() })),
      })
      .nullable(),
    groups: z.array(groupModel),
    /** Parts of the cluster that could not be read this time, and why. */
    failures: z.array(z.object({ part: z.string(), message: z.string() })),
  })
  .meta({ id: 'Cluster' })
export type ClusterDetail = Readonly<z.infer<typeof clusterModel>>

export const partitionState = z.enum(['ok', 'under-replicated', 'at-min-isr', 'under-min-isr', 'offline'])
export type PartitionState = z.infer<typeof partitionState>

export const partitionModel = z
  .object({
    topic: z.string(),
    partition: count,
    state: partitionState,
    leader: z.int().nullable(),
    leaderEpoch: z.int(),
    replicas: z.array(z.int()),
    isr: z.array(z.int()),
    startOffset: z.int().nullable(),
    endOffset: z.int().nullable(),
    sizeBytes: measured.nullable(),
  })
  .meta({ id: 'Partition' })
export type Partition = Readonly<z.infer<typeof partitionModel>>

/* ---- topics ---- */

export const topicRowModel = z
  .object({
    name: z.string(),
    internal: z.boolean(),
    state: partitionState,
    clusters: z.array(z.string()),
    /** Of the cluster where it is written, or the first. */
    partitions: count,
    replicationFactor: count,
    /** Over all clusters. */
    sizeBytes: measured,
    records: count,
    recordsInPerSecond: rate.nullable(),
  })
  .meta({ id: 'TopicRow' })
export type TopicRow = Readonly<z.infer<typeof topicRowModel>>

export const topicModel = z
  .object({
    name: z.string(),
    clusters: z.array(
      z.object({
        cluster: z.string(),
        site: z.string(),
        topicId: z.string(),
        role: z.enum(['origin', 'copy']),
        /** The link that writes a copy. */
        link: z.string().nullable(),
        state: partitionState,
        partitions: count,
        replicationFactor: count,
        underReplicated: count,
        offline: count,
        records: count,
        sizeBytes: measured,
        recordsInPerSecond: rate.nullable(),
        observedAt: time.nullable(),
      }),
    ),
  })
  .meta({ id: 'Topic' })
export type TopicDetail = Readonly<z.infer<typeof topicModel>>

export const configEntryModel = z
  .object({
    name: z.string(),
    value: z.string().nullable(),
    /** Where the value comes from, as Kafka names it, in lower case: `dynamic topic config`, `default config`, … */
    source: z.string(),
    isDefault: z.boolean(),
    sensitive: z.boolean(),
  })
  .meta({ id: 'ConfigEntry' })
export type ConfigEntry = Readonly<z.infer<typeof configEntryModel>>

export const payloadModel = z
  .object({
    encoding: z.enum(['null', 'utf8', 'json', 'avro', 'hex']),
    text: z.string(),
    /** Whole size; the text may show less. */
    bytes: count,
    truncated: z.boolean(),
  })
  .meta({ id: 'Payload' })
export type Payload = Readonly<z.infer<typeof payloadModel>>

export const messageModel = z
  .object({
    partition: count,
    offset: z.int(),
    timestamp: time,
    key: payloadModel,
    value: payloadModel,
    headers: z.array(z.object({ name: z.string(), value: payloadModel })),
    /** Where a shipped record comes from, out of its position header. */
    position: z
      .object({
        stream: z.string(),
        start: count,
        length: count,
        eventTime: time,
        /** Whether the value still has the hash its shipper gave it. */
        hashAgrees: z.boolean(),
        host: z.string().nullable(),
        path: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'Message' })
export type Message = Readonly<z.infer<typeof messageModel>>

export const messagesModel = z
  .object({
    messages: z.array(messageModel),
    /** Where each partition's reading may go on. */
    next: z.array(z.object({ partition: count, offset: z.int(), end: z.int() })),
    /** True when a limit of bytes or time ended the reading before `limit` messages. */
    cutShort: z.boolean(),
  })
  .meta({ id: 'Messages' })
export type Messages = Readonly<z.infer<typeof messagesModel>>

/* ---- links ---- */

const linkDesires = ['running', 'paused', 'stopped'] as const

export const switchStepModel = z
  .object({
    name: z.enum(stepNames),
    /** What is done in it, for people. */
    text: z.string(),
    /** Null: not begun; not done. */
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .meta({ id: 'SwitchStep' })

export const linkSidesModel = z
  .object({
    phase: z.enum(failoverPhases),
    underWay: z
      .object({
        action: z.enum(failoverActions),
        /** False: without the source, or with a loss taken into account. */
        planned: z.boolean(),
        startedAt: time,
        step: z.string().nullable(),
        stuck: z.string().nullable(),
        /** Whether the process that answers is at work on it now; a command may be. */
        here: z.boolean(),
        steps: z.array(switchStepModel).describe('all of them, in order'),
      })
      .nullable(),
  })
  .meta({ id: 'LinkSides' })

/** How far what else follows a link's source is in step. */
export const linkKeepModel = z
  .object({
    observedAt: time,
    /** The last whole round; null: none yet. */
    roundAt: time.nullable(),
    reason: z.string(),
    /** Changes that it made, and that it could not make. */
    changed: count,
    failed: count,
    left: z.array(
      z.object({ what: z.enum(['acl', 'quota', 'group']), subject: z.string(), reason: z.string() }),
    ),
    groups: z.array(
      z.object({
        group: z.string(),
        state: z.enum(['in-step', 'held', 'left', 'failed']),
        reason: z.string(),
        heldRecords: count,
        /** Age of what is known to stand at the target as well, ms. */
        freshnessMs: measured.nullable(),
      }),
    ),
  })
  .meta({ id: 'LinkKeep' })

export const linkRowModel = z
  .object({
    name: z.string(),
    from: z.string(),
    to: z.string(),
    /** `switch`: the way back of a link whose sides are switched; null: in the fleet's file, and not taken up yet. */
    owner: z.enum(['fleet', 'api', 'switch']).nullable(),
    /** What it is told to do; null: nobody has told it yet. */
    desired: z.enum(linkDesires).nullable(),
    state: z.enum(['running', 'lagging', 'halted', 'stopped', 'unknown']),
    reason: z.string(),
    since: time.nullable(),
    observedAt: time.nullable(),
    topics: count,
    partitions: count,
    /** Somebody has to decide; nothing more is copied until then. */
    haltedPartitions: count,
    /** Somebody has to allow or mend something; they try on by themselves. */
    blockedPartitions: count,
    lagRecords: measured.nullable(),
    lagMs: measured.nullable(),
    recordsPerSecond: rate.nullable(),
    bytesPerSecond: rate.nullable(),
    history: z.array(rate),
    /** The most it was behind in each minute of the last half hour, records, oldest first; minutes nobody knows of are left out. */
    lagHistory: z.array(measured),
    /** The worst of its partitions, by Burrow's rules over the last ten seconds; null: none is judged. */
    verdict: z.enum(lagVerdicts).nullable(),
    /** How many of its partitions have each verdict. */
    verdicts: z.object({ ok: count, warning: count, stalled: count, stopped: count, rewound: count }),
    /** Offsets that the target will never have, because the source no longer had them. */
    missingOffsets: count,
    /** Which side is the original; null: the sides were never switched, or are back. */
    sides: linkSidesModel.nullable(),
    /** The link whose way back it is while that one's sides are switched. */
    reverseOf: z.string().nullable(),
  })
  .meta({ id: 'LinkRow' })
export type LinkRow = Readonly<z.infer<typeof linkRowModel>>

export const linkPartitionModel = z
  .object({
    topic: z.string(),
    partition: count,
    state: z.enum(linkPartitionStates),
    /** What is the matter, for people; empty when nothing is. */
    reason: z.string(),
    halted: z.boolean(),
    /** Why it is halted, as a word; null: it is not. */
    haltReason: z.enum(haltReasons).nullable(),
    /** When it came into this state. */
    since: time,
    sourceEnd: z.int().nullable(),
    targetEnd: z.int().nullable(),
    lagRecords: measured.nullable(),
    lagMs: measured.nullable(),
    /** By Burrow's rules; null where its state says more. */
    verdict: z.enum(lagVerdicts).nullable(),
    verdictReason: z.string(),
    missing: z.array(missingSchema).describe('offsets [from, to) that the target will never have'),
    mapping: z
      .object({ segments: count, why: z.string() })
      .nullable()
      .describe(
        "where the copy's offsets are not the source's: in how many stretches, and why the first began",
      ),
  })
  .meta({ id: 'LinkPartition' })
export type LinkPartition = Readonly<z.infer<typeof linkPartitionModel>>

export const linkGapModel = z
  .object({ topic: z.string(), partition: count, from: count, to: count })
  .meta({ id: 'LinkGap' })
export type LinkGap = Readonly<z.infer<typeof linkGapModel>>

/** How many partitions are in each state. */
export const linkStatesModel = z
  .object({
    starting: count,
    copying: count,
    'caught-up': count,
    filling: count,
    waiting: count,
    blocked: count,
    halted: count,
    paused: count,
  } satisfies Record<(typeof linkPartitionStates)[number], z.ZodType>)
  .meta({ id: 'LinkStates' })
export type LinkStates = Readonly<z.infer<typeof linkStatesModel>>

export const linkModel = linkRowModel
  .extend({
    states: linkStatesModel,
    /** Not as they should be, by their state or by their verdict. */
    unhealthyPartitions: count,
    worst: z
      .array(linkPartitionModel)
      .describe('of those that are not healthy: who need somebody first, then who do badly; at most 10'),
    gapsInAll: count,
    gaps: z
      .array(linkGapModel)
      .describe('offsets [from, to) that the target will never have, the largest first, at most 100'),
    workers: z
      .array(z.object({ name: z.string(), partitions: count }))
      .describe('processes that copy it, and how many of its partitions each of them has'),
    /** What its definition names to be kept in step besides records. */
    keeps: z.array(z.enum(['groups', 'acls', 'quotas'])),
    /** Null: nothing is kept, or no worker has said how far yet. */
    keep: linkKeepModel.nullable(),
  })
  .meta({ id: 'Link' })
export type LinkDetail = Readonly<z.infer<typeof linkModel>>

/* ---- rehearsals ---- */

export const rehearsalRequestModel = z
  .strictObject({
    action: z.enum(failoverActions).default('promote'),
    /** False: a promotion without the source. */
    planned: z.boolean().default(true),
    /** Of a failback: it ends with the source as a copy in step. */
    stay: z.boolean().default(false),
    /** What is said yes to. */
    consents: z.array(z.enum(consents)).max(consents.length).default([]),
  })
  .meta({ id: 'RehearsalRequest' })
export type RehearsalRequest = Readonly<z.infer<typeof rehearsalRequestModel>>

export const boundModel = z
  .object({
    atLeast: count,
    /** Null: nobody can say. */
    atMost: count.nullable(),
  })
  .meta({ id: 'Bound' })

/** What a switch of a link's sides would do. */
export const rehearsalModel = z
  .object({
    action: z.enum(failoverActions),
    planned: z.boolean(),
    stay: z.boolean(),
    consents: z.array(z.enum(consents)),
    link: z.string(),
    at: time,
    /** Nothing stands in the way that was not said yes to. */
    allowed: z.boolean(),
    forbids: z.array(
      z.object({
        code: z.string(),
        text: z.string(),
        /** What has to be said yes to for going on all the same; null: it cannot be gone on. */
        unless: z.enum(consents).nullable(),
      }),
    ),
    notes: z.array(z.string()).describe('what is worth knowing, and stands in nobody’s way'),
    /** Records in all: given up, read twice, never read. */
    lost: boundModel,
    again: boundModel,
    skipped: boundModel,
    partitionsInAll: count,
    partitions: z
      .array(
        z.object({
          topic: z.string(),
          partition: count,
          sourceEnd: count.nullable(),
          targetEnd: count.nullable(),
          /** Records that have to be copied first. */
          toCopy: count.nullable(),
          lost: boundModel,
          /** Their offsets, [from, to), as far as they are known. */
          lostOffsets: missingSchema.nullable(),
          note: z.string(),
        }),
      )
      .describe('those of which there is something to say, the greatest loss first, at most 500'),
    positionsInAll: count,
    groups: z
      .array(
        z.object({
          group: z.string(),
          topic: z.string(),
          partition: count,
          /** Where it stands at the side that is left, at the other, and after the switch; null: nowhere, or not known. */
          here: count.nullable(),
          there: count.nullable(),
          after: count.nullable(),
          again: boundModel,
          skipped: boundModel,
          note: z.string(),
        }),
      )
      .describe('positions of which there is something to say, the most repeated first, at most 500'),
    writers: z.object({
      closed: z.array(z.string()).describe('who may write to the original now, and will not'),
      opened: z.array(z.string()).describe('who will be let write to the new one'),
    }),
    steps: z.array(z.object({ name: z.enum(stepNames), text: z.string() })),
    /** How long nobody can write to either side, about, ms; null: nobody can say. */
    pauseMs: measured.nullable(),
    pauseBasis: z.string(),
    /** What carries it out, to be typed as it is. */
    command: z.string(),
    /** What has to be typed to have it carried out; null: nothing would be lost, read again or skipped, and nothing is said yes to. */
    confirm: z.string().nullable(),
  })
  .meta({ id: 'Rehearsal' })
export type RehearsalAnswer = Readonly<z.infer<typeof rehearsalModel>>

export const switchRequestModel = rehearsalRequestModel
  .extend({
    /** Only to go on with what is under way; nothing new is begun. */
    goOn: z.boolean().default(false),
    reason: z.string().trim().min(3).max(500),
    /** As the rehearsal asks for it. */
    confirm: z.string().max(300).default(''),
    by: actorModel,
  })
  .meta({ id: 'SwitchRequest' })

/* ---- logs ---- */

export const logQueryModel = z
  .strictObject({
    sql: z.string().trim().min(1).max(65_536),
    limit: z.int().min(1).max(10_000).default(1_000),
  })
  .meta({ id: 'LogQuery' })

export const cell = z.union([z.string(), z.number(), z.boolean(), z.null()])
export const logTableModel = z
  .object({
    columns: z.array(z.object({ name: z.string(), type: z.string() })),
    rows: z.array(z.array(cell)),
    /** More rows matched than `limit`. */
    truncated: z.boolean(),
    elapsedMs: z.number(),
    /** Event time up to which records were there to be searched; null: nothing has been archived yet. */
    searchedThrough: time.nullable(),
  })
  .meta({ id: 'LogTable' })
export type LogTable = Readonly<z.infer<typeof logTableModel>>

export const logFilterModel = z.object({
  site: z.string().max(249).optional(),
  host: z.string().max(253).optional(),
  file: z.string().max(1_024).optional().describe('part of the path'),
  match: z.string().max(512).optional().describe('part of the line, letter case ignored'),
  backlog: z.coerce
    .number()
    .int()
    .min(0)
    .max(500)
    .optional()
    .describe('begin with at most so many of the newest lines that pass, of the last 15 minutes'),
})
export type LogFilter = Readonly<z.infer<typeof logFilterModel>>

export const logLineModel = z
  .object({
    /** Identity of the line: stream and byte. */
    id: z.string(),
    time,
    tenant: z.string(),
    site: z.string(),
    host: z.string(),
    file: z.string(),
    position: count,
    line: z.string(),
  })
  .meta({ id: 'LogLine' })
export type LogLine = Readonly<z.infer<typeof logLineModel>>

/* ---- metrics ---- */

export const metricModel = z
  .object({
    name: z.string(),
    unit: z.string(),
    group: z.enum(['host', 'broker', 'platform']),
    series: count,
    lastTime: time,
    /** Values each label takes, at most 500. */
    labels: z.record(z.string(), z.array(z.string())),
  })
  .meta({ id: 'Metric' })
export type Metric = Readonly<z.infer<typeof metricModel>>

export const seriesModel = z
  .object({
    name: z.string(),
    labels: z.record(z.string(), z.string()),
    unit: z.string(),
    points: z.array(z.tuple([z.number(), z.number()])).describe('[start of the step, value]'),
  })
  .meta({ id: 'Series' })
export const rangeModel = z
  .object({
    series: z.array(seriesModel),
    /** Series that matched but are left out, to keep the answer bounded. */
    omitted: count,
  })
  .meta({ id: 'Range' })
export type Range = Readonly<z.infer<typeof rangeModel>>

/* ---- completeness ---- */

const unauditedFile = z.object({
  stream: z.string(),
  bytes: count,
  host: z.string().nullable(),
  path: z.string().nullable(),
})
export type UnauditedFile = Readonly<z.infer<typeof unauditedFile>>

export const completenessModel = z
  .object({
    bucketMs: count,
    tiers: z.array(z.enum(tiers)),
    buckets: z.array(bucketVerdict).describe('oldest first'),
    counters: z.array(counterStatus),
    unseen: z
      .array(unseenBytes)
      .describe('bytes of files that not even the auditor saw, newest first, at most 100'),
    unaudited: z
      .object({
        files: count,
        bytes: count,
        largest: z.array(unauditedFile).describe('the largest first, at most 20'),
      })
      .describe('what tiers hold of files that no auditor has spoken of'),
    observedAt: time,
  })
  .meta({ id: 'Completeness' })
export type Completeness = Readonly<z.infer<typeof completenessModel>>
export const streamVerdictModel = streamVerdict.meta({ id: 'StreamVerdict' })

/* ---- activity ---- */

export const activityModel = activity.extend({ subject: subjectModel }).meta({ id: 'Activity' })

export const journalStandingModel = journalStanding.meta({ id: 'JournalStanding' })

export const activitiesModel = z
  .object({
    items: z.array(activityModel).describe('newest first'),
    more: z.boolean(),
    journal: journalStandingModel,
  })
  .meta({ id: 'Activities' })

/* ---- acts ---- */

export const actPreviewModel = z
  .object({
    what: z.string(),
    where: z.string(),
    /** What to expect, from what was measured here where there is such a measure. */
    howLong: z.string(),
    effects: z.array(z.string()),
    undo: z.string(),
    offer: offerModel,
    /** What must be typed to confirm. */
    confirm: z.string(),
  })
  .meta({ id: 'ActPreview' })
export type ActPreview = Readonly<z.infer<typeof actPreviewModel>>

export const actRequestModel = z
  .strictObject({
    reason: z.string().trim().min(3).max(500),
    confirm: z.string().max(300),
    by: actorModel,
  })
  .meta({ id: 'ActRequest' })

export const linkActs = ['pause', 'resume', 'restart-failed'] as const
export type LinkAct = (typeof linkActs)[number]

/* ---- healing ---- */

export const incidentModel = incident.meta({ id: 'Incident' })

export const verdictModel = z.enum(verdicts)

/** What would be done, and may be lost by it. */
export const approvalPreviewModel = actPreviewModel
  .extend({ proposal: count.describe('which of its proposals this is: only the last one can be answered') })
  .meta({ id: 'ApprovalPreview' })
export type ApprovalPreview = Readonly<z.infer<typeof approvalPreviewModel>>

export const approvalRequestModel = actRequestModel
  .extend({ verdict: verdictModel, proposal: z.int().positive() })
  .meta({ id: 'ApprovalRequest' })

export const healedClusterModel = z
  .object({
    cluster: z.string(),
    keptAt: z.string().describe('the cluster that keeps its leases and incidents'),
    state: z
      .enum(['watching', 'paused', 'away'])
      .describe('away: where its leases are kept cannot be reached, so nothing is acted on'),
    reason: z.string().nullable().describe('why it is paused'),
  })
  .meta({ id: 'HealedCluster' })
export type HealedCluster = Readonly<z.infer<typeof healedClusterModel>>

export const incidentsModel = z
  .object({
    items: z.array(incidentModel).describe('newest first'),
    more: z.boolean(),
    clusters: z.array(healedClusterModel),
  })
  .meta({ id: 'Incidents' })

export const healingRequestModel = z
  .strictObject({ paused: z.boolean(), reason: z.string().trim().min(3).max(500), by: actorModel })
  .meta({ id: 'HealingRequest' })

/* ---- tests ---- */

export const testModel = testSummary.meta({ id: 'Test' })

export const testsModel = z
  .object({
    items: z.array(testModel).describe('newest first'),
    more: z.boolean(),
    running: z.string().nullable().describe('the id of the one that runs'),
  })
  .meta({ id: 'Tests' })

export const testDetailModel = z
  .object({
    test: testModel,
    scenario: z.string().nullable(),
    standing: z
      .array(
        z.object({
          what: z.string(),
          expected: z.string(),
          soFar: z.string(),
          state: z.enum(['met', 'missed', 'open']),
        }),
      )
      .describe('its expectations while it runs'),
    incidents: z.array(incidentModel).describe('what its healer tells of its cluster, oldest first'),
    events: z.object({
      items: z.array(testEvent.meta({ id: 'TestEvent' })),
      next: count.describe('`from` of the next call'),
      more: z.boolean().describe('there is more already'),
    }),
    result: testResult
      .extend({ runs: z.array(testResult.shape.runs.element.omit({ trace: true })) })
      .nullable()
      .describe('how it ended; the timelines’ pictures are in its report'),
  })
  .meta({ id: 'TestDetail' })

export const libraryScenarioModel = z
  .object({ name: z.string(), what: z.string(), text: z.string() })
  .meta({ id: 'LibraryScenario' })

export const testRequestModel = z
  .strictObject({
    scenario: z.string().max(MAX_SCENARIO_BYTES).optional().describe('a scenario’s file'),
    name: z.string().max(100).optional().describe('instead: one of the library'),
    healer: z.boolean().default(true),
    reason: z.string().trim().min(3).max(500),
    by: actorModel,
  })
  .refine(({ scenario, name }) => (scenario === undefined) !== (name === undefined), {
    error: 'either `scenario`, a file’s text, or `name`, one of the library',
  })
  .meta({ id: 'TestRequest' })

export const testStopModel = z
  .strictObject({ reason: z.string().trim().min(3).max(500), by: actorModel })
  .meta({ id: 'TestStop' })
export const webhookModel = webhookStanding.meta({ id: 'Webhook' })
export const webhookTriedModel = webhookTried.meta({ id: 'WebhookTried' })

/* ---- search, session, live ---- */

export const searchHitModel = z
  .object({ subject: subjectModel, detail: z.string() })
  .meta({ id: 'SearchHit' })
export type SearchHit = Readonly<z.infer<typeof searchHitModel>>

export const sessionModel = z
  .object({
    fleet: z.string(),
    version: z.string(),
    /** The server's clock: relative times count from it, not from the reader's. */
    now: time,
    startedAt: time,
    /** Aims the console compares against. */
    aims: z.object({ eventToInsightMs: count }),
  })
  .meta({ id: 'Session' })

/** The `fleet` event of /api/live: enough to know whether to look again. */
export const fleetEventModel = z
  .object({ observedAt: time, findings: count, worst: severity.nullable() })
  .meta({ id: 'FleetEvent' })

/* ---- paging ---- */

export const pageQuery = {
  offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(100),
}
export const order = z.enum(['asc', 'desc']).default('asc')
export const search = z.string().max(249).default('')

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ total: count, offset: count, items: z.array(item) })
}
export const partitionPageModel = pageOf(partitionModel).meta({ id: 'PartitionPage' })
export const linkPartitionPageModel = pageOf(linkPartitionModel).meta({ id: 'LinkPartitionPage' })
export const topicPageModel = pageOf(topicRowModel).meta({ id: 'TopicPage' })
export const streamPageModel = pageOf(streamVerdictModel).meta({ id: 'StreamPage' })
