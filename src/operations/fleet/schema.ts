import { z } from 'zod'
import type { DeepReadonly } from '../../foundation/config/config.ts'
import { duration, size } from '../../foundation/config/units.ts'
import { defaultKafkaVersion, kafkaRelease, kafkaVersions } from '../../foundation/kafka-dist/versions.ts'
import { LINK_DEFAULTS } from './contract.ts'
import { MAX_MIRROR_WORKERS } from './limits.ts'

/**
 * `ajna.yaml`, the declaration of a fleet. This schema is its documentation: every message says what is allowed.
 *
 * Topic patterns (links, archive) are names in which `*` stands for any characters; the platform's own topics (`ajna.…`)
 * are matched only by patterns that start with `ajna.`.
 */

/** A text of a given form, which is said whatever else stands there. */
const form = (pattern: RegExp, allowed: string) =>
  z.string({ error: allowed }).regex(pattern, { error: allowed })

const label = () =>
  form(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'a name of lower-case letters, digits and hyphens, at most 63, as in a host name',
  )

const topicName = () =>
  form(
    /^(?!\.{1,2}$)(?!__)[A-Za-z0-9._-]{1,249}$/,
    'a topic name: at most 249 letters, digits, dots, hyphens and underscores, not starting with "__"',
  )

const topicPattern = () =>
  form(/^(?!__)[A-Za-z0-9._*-]{1,249}$/, 'a topic name in which * stands for any characters')

const ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([1-9]\d{0,4})$/
const address = () =>
  z.string().refine(text => Number(ADDRESS.exec(text)?.[2] ?? 65_536) <= 65_535, {
    error: 'an address, host:port',
  })

const text = () => z.string().trim().min(1, { error: 'a text that is not empty' })
const wholeNumber = (from: number, to: number) => {
  const error = `a whole number from ${from.toLocaleString('en-US')} to ${to.toLocaleString('en-US')}`
  return z.int({ error }).min(from, { error }).max(to, { error })
}
/** One name or several. */
const oneOrMore = <Item extends z.ZodType<string>>(item: Item) =>
  z.union([item, z.array(item).min(1)]).transform(value => (typeof value === 'string' ? [value] : value))

const site = z
  .strictObject({ description: text().optional() })
  .nullable()
  .transform(value => value ?? {})

const broker = z.strictObject({ id: wholeNumber(1, 999), rack: label().optional() })

const runnable = kafkaVersions.filter(version => kafkaRelease(version).kraft)

/** Whether topics are written here first (`local`, one per site), or collected here from other clusters. */
const tier = z.enum(['local', 'aggregate']).optional()

const localCluster = z.strictObject({
  driver: z.literal('local'),
  site: label(),
  tier,
  version: z.enum(runnable as [string, ...string[]]).default(defaultKafkaVersion),
  /** How many, or each with its id and rack. */
  brokers: z.union([wholeNumber(1, 99), z.array(broker).min(1)]),
  /** For a number of brokers: dealt out in turn. */
  racks: z.array(label()).min(1).optional(),
  /** Java heap of each broker, MiB. */
  heapMb: wholeNumber(192, 65_536).default(320),
})

const tlsFiles = z.strictObject({ ca: text(), cert: text(), key: text() })

/** A host name, or `*.` and what it stands before, and the address it has. */
const hosts = z.record(
  form(
    /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    'a host name in lower-case letters, or *. and a domain for all names in it',
  ),
  z.union([z.ipv4(), z.ipv6()], { error: 'an IP address' }),
)

const existingCluster = z.strictObject({
  driver: z.literal('existing'),
  site: label(),
  tier,
  bootstrap: z.array(address()).min(1),
  /** PEM files, relative to this file; without them the connection is not encrypted. */
  tls: tlsFiles.optional(),
  /** Addresses of names that this machine does not resolve: `"*.site1.example": 10.0.0.1`, for an endpoint that routes by SNI. */
  hosts: hosts.optional(),
})

/** `driver: local` may be left out. */
const cluster = z.preprocess(
  value =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !('driver' in value)
      ? { ...value, driver: 'local' }
      : value,
  z.discriminatedUnion('driver', [localCluster, existingCluster]),
)

const tenant = z
  .strictObject({ description: text().optional() })
  .nullable()
  .transform(value => value ?? {})

const settingValue = z
  .union([z.string(), z.number(), z.boolean()], { error: 'a text, a number, true or false' })
  .transform(String)

const topic = z.strictObject({
  /** Where it is written; several: a topic of its own at each. Copies made by links are not declared. */
  cluster: oneOrMore(label()),
  tenant: label(),
  partitions: wholeNumber(1, 10_000).default(6),
  /** Default: 3, or the number of brokers when there are fewer. */
  replicationFactor: wholeNumber(1, 99).optional(),
  /** Default: one less than the replication factor. */
  minInsyncReplicas: wholeNumber(1, 99).optional(),
  cleanup: z
    .union([z.enum(['delete', 'compact']), z.tuple([z.literal('compact'), z.literal('delete')])], {
      error: 'delete, compact or [compact, delete]',
    })
    .default('delete'),
  /** Default 4d; compacted topics keep the last record of each key for ever unless it is given. */
  retention: z
    .union([z.literal('forever'), duration()], {
      error: 'a duration with its unit, such as 12h or 4d, or forever',
    })
    .optional(),
  /** Bytes per partition beyond which the oldest segments go. */
  retentionSize: size().optional(),
  /** Why a topic of a local cluster is kept for more than 4 days. */
  keptLonger: text().optional(),
  /** Any other topic setting, by Kafka's name. */
  config: z.record(z.string(), settingValue).default({}),
})

/** What may be allowed on which kind of thing (KIP-11 and its successors). */
const operationsOn = {
  topic: ['read', 'write', 'create', 'delete', 'alter', 'describe', 'describeConfigs', 'alterConfigs', 'all'],
  group: ['read', 'describe', 'delete', 'describeConfigs', 'alterConfigs', 'all'],
  transactionalId: ['write', 'describe', 'twoPhaseCommit', 'all'],
  cluster: [
    'create',
    'alter',
    'describe',
    'clusterAction',
    'describeConfigs',
    'alterConfigs',
    'idempotentWrite',
    'all',
  ],
} as const

/** `name` itself, `prefix*`, or `*` for all. */
const resourceName = () =>
  z
    .string()
    .regex(/^[^*\s]{0,249}\*?$/, { error: 'a name, the beginning of one with * after it, or *' })
    .min(1)

const acl = z.union([
  z.strictObject({ topic: resourceName(), allow: z.array(z.enum(operationsOn.topic)).min(1) }),
  z.strictObject({ group: resourceName(), allow: z.array(z.enum(operationsOn.group)).min(1) }),
  z.strictObject({
    transactionalId: resourceName(),
    allow: z.array(z.enum(operationsOn.transactionalId)).min(1),
  }),
  z.strictObject({ cluster: z.literal(true), allow: z.array(z.enum(operationsOn.cluster)).min(1) }),
])

const bytesPerSecond = z.union([wholeNumber(1, Number.MAX_SAFE_INTEGER), size()], {
  error: 'bytes a second, as a whole number from 1 or a size such as 10MiB',
})

const quota = z.strictObject({
  /** Bytes a second at each broker, as a number or a size. */
  producerBytesPerSecond: bytesPerSecond.optional(),
  consumerBytesPerSecond: bytesPerSecond.optional(),
  /** Per cent of one broker thread; 200 is two threads. */
  requestPercentage: z.number().gt(0).max(100_000).optional(),
  /** Partitions created, added or deleted a second. */
  controllerMutationsPerSecond: z.number().gt(0).optional(),
})

const principal = z.strictObject({
  /** Takes this platform role's rights for `site`; the roles' own principals need no declaration. */
  role: z.enum(['agent', 'auditor']).optional(),
  site: label().optional(),
  /** Where its ACLs and quota hold; default: everywhere. */
  clusters: z.array(label()).min(1).optional(),
  acls: z.array(acl).default([]),
  quota: quota.optional(),
})

/** Names in which `*` stands for any characters, or regular expressions between slashes. */
const names = () =>
  z
    .array(
      text().max(1_000).refine(isPattern, {
        error: 'a name, a name in which * stands for any characters, or a /regular expression/',
      }),
    )
    .default([])

function isPattern(pattern: string): boolean {
  if (!/^\/.+\/$/.test(pattern)) return true
  try {
    new RegExp(pattern.slice(1, -1))
    return true
  } catch {
    return false
  }
}

/** What else of its source a link keeps in step at its target; all of it is off unless it is named. */
const keep = z.strictObject({
  /** Principals (`User:…`) whose rules follow. */
  acls: names(),
  /** `user=…`, `client-id=…` whose quotas follow. */
  quotas: names(),
  /** Consumer groups whose positions follow. */
  groups: names(),
  /** Positions that others put at the target: left, or moved forward. */
  foreignPositions: z.enum(['leave', 'advance']).default('leave'),
  /** How often. */
  every: duration()
    .refine(ms => ms >= 500 && ms <= 3_600_000, { error: 'a duration from 500ms to 1h' })
    .default(5_000),
})

const MIN_LINK_RATE = 1_024
const linkRate = z
  .union([wholeNumber(MIN_LINK_RATE, Number.MAX_SAFE_INTEGER), size()])
  .refine(bytes => bytes >= MIN_LINK_RATE, { error: 'at least 1KiB a second' })

/** What is left unsaid is `LINK_DEFAULTS` (contract.ts); what each does is in docs/OPERATIONS.md. */
const link = z.strictObject({
  from: label(),
  to: label(),
  topics: z.array(topicPattern()).min(1),
  /** Replicas of the copies that it creates; default: as at the source. */
  replicationFactor: wholeNumber(1, 99).optional(),
  /** When there is no copy yet. */
  onMissingTopic: z.enum(['create', 'wait']).default(LINK_DEFAULTS.onMissingTopic),
  /** When the copy has fewer partitions than its source. */
  onFewerPartitions: z.enum(['widen', 'halt']).default(LINK_DEFAULTS.onFewerPartitions),
  /** When retention at the source overtook the link. */
  onLoss: z.enum(['halt', 'continue']).default(LINK_DEFAULTS.onLoss),
  /** What becomes of the copy when its topic is deleted at the source. */
  onSourceDeleted: z.enum(['halt', 'delete']).default(LINK_DEFAULTS.onSourceDeleted),
  /** Offsets that may be filled, one marker each, in one gap. */
  maxGap: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(LINK_DEFAULTS.maxGap),
  /** Where a record cannot have the offset it has at the source: the partition halts, or the offsets are mapped. */
  offsets: z.enum(['identity', 'mapped']).default(LINK_DEFAULTS.offsets),
  /** Bytes a second that are written at most, by the link and for each topic, as a number or a size. */
  rate: z.strictObject({ link: linkRate.optional(), topic: linkRate.optional() }).default({}),
  /** Records that are left out, or that alone are copied, by a header of theirs. */
  headers: z
    .array(z.strictObject({ key: text(), value: z.string().optional(), act: z.enum(['drop', 'keep']) }))
    .default([]),
  keep: keep.optional(),
})

/** Stands for the state directory at the beginning of a path. */
export const HOME_VARIABLE = '$\u007bAJNA_HOME}'

const glob = () =>
  z.string().regex(/^(\/|\$\{AJNA_HOME\}\/)[^\0]*$/, {
    error: `an absolute path, * and ** as in a shell; it may start with ${HOME_VARIABLE}/`,
  })

const ship = z
  .strictObject({
    site: label(),
    tenant: label(),
    topic: topicName(),
    files: z.array(glob()).default([]),
    exclude: z.array(z.string().min(1)).default([]),
    /** The host's and its brokers' metrics. */
    metrics: z
      .strictObject({ every: duration().default(5000) })
      .nullable()
      .optional(),
  })
  .refine(entry => entry.files.length > 0 || entry.metrics !== undefined, {
    error: 'files, metrics or both',
    path: ['files'],
  })

const objects = z.discriminatedUnion('driver', [
  z.strictObject({
    driver: z.literal('file'),
    /** Default: `objects` in the state directory. */
    directory: text().optional(),
  }),
  z.strictObject({
    driver: z.literal('s3'),
    endpoint: z.url({ protocol: /^https?$/, error: 'an http or https URL' }),
    bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { error: 'an S3 bucket name' }),
    region: text().default('us-east-1'),
    /** Before every object's name. */
    prefix: z
      .string()
      .regex(/^([^/\s]+\/)*$/, { error: 'empty, or a path that ends with /' })
      .default(''),
    /** Bucket in the path rather than in the host name; what most S3 lookalikes need. */
    forcePathStyle: z.boolean().default(true),
  }),
])

const archive = z.strictObject({ cluster: label(), topics: z.array(topicPattern()).min(1), objects })

/** Kafka Connect's REST API over the links, on loopback. */
const connect = z.strictObject({
  /** Who may ask: whoever holds the session's token, or everyone on the machine. */
  access: z.enum(['token', 'machine']).default('token'),
  /** Default: one of the machine's range. */
  port: wholeNumber(1_024, 65_535).optional(),
  /** Where copies go when a connector's configuration names no target. */
  target: label().optional(),
})

/** What the platform does about a failure by itself: nothing, ask, or act. */
const healing = z.enum(['off', 'propose', 'automatic']).default('automatic')
/** Of what is told, and not to be helped by any act. */
const telling = z.enum(['off', 'propose']).default('propose')
const standing = (ms: number) =>
  duration()
    .refine(each => each >= 1_000 && each <= 86_400_000, { error: 'a duration from 1s to 24h' })
    .default(ms)
const heal = z.strictObject({
  'broker-dead': healing,
  'broker-frozen': healing,
  'broker-unregistered': healing,
  'disk-failed': healing,
  'disk-full': healing,
  'disk-slow': z.enum(['off', 'propose']).default('propose'),
  'log-dir-offline': healing,
  'segment-corrupt': healing,
  'partition-leaderless': healing,
  'broker-lost': healing,
  'testimony-disputed': healing,
  'leaders-unbalanced': healing,
  'quorum-at-risk': telling,
  'under-replicated': telling,
  'isr-flapping': telling,
  'data-movement': telling,
  'unclean-leader': telling,
  /** How long each has to stand before it is told, or acted on. */
  after: z
    .strictObject({
      'leaders-unbalanced': standing(60_000),
      'quorum-at-risk': standing(10_000),
      'under-replicated': standing(60_000),
      'data-movement': standing(15_000),
    })
    .prefault({}),
})

/** Who is told of incidents, signed as Standard Webhooks has it. */
const webhook = z.strictObject({
  /** Default: `webhook-1`, `webhook-2`, …: with a name of its own it may change its place in the list. */
  name: label().optional(),
  url: z
    .url({ protocol: /^https?$/, error: 'an http or https URL' })
    .refine(isWithoutPassword, { error: 'a URL without a user and password' }),
  /** Holds the secret (`whsec_…`), relative to this file; several lines while one takes the place of another. */
  secretFile: text(),
  /** What is told; default: everything. */
  events: z
    .array(z.enum(['opened', 'proposed', 'acted', 'available', 'healed', 'failed']))
    .min(1)
    .optional(),
  /** Of which clusters; default: all. */
  clusters: z.array(label()).min(1).optional(),
})
const notify = z.strictObject({ webhooks: z.array(webhook).default([]) })

function isWithoutPassword(url: string): boolean {
  const { username, password } = new URL(url)
  return username === '' && password === ''
}

/** What works on the links. */
const mirror = z.strictObject({
  /**
   * How many processes of each machine share the partitions of all links: one uses about one core, so as many as there are
   * cores to spare, while the brokers are not the limit.
   */
  workers: wholeNumber(1, MAX_MIRROR_WORKERS).default(1),
})

export const fleetSchema = z.strictObject({
  apiVersion: z.literal('ajna/v1'),
  fleet: label(),
  sites: z.record(label(), site),
  clusters: z.record(label(), cluster),
  tenants: z.record(label(), tenant).default({}),
  topics: z.record(topicName(), topic).default({}),
  principals: z
    .record(
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
        error: 'letters, digits, dots, hyphens and underscores, at most 64',
      }),
      principal,
    )
    .default({}),
  links: z.record(label(), link).default({}),
  ship: z.array(ship).default([]),
  archive: archive.optional(),
  connect: connect.prefault({}),
  heal: heal.prefault({}),
  mirror: mirror.prefault({}),
  notify: notify.prefault({}),
})

export type FleetSpec = DeepReadonly<z.output<typeof fleetSchema>>
export type ClusterSpec = FleetSpec['clusters'][string]
export type TopicSpec = FleetSpec['topics'][string]
export type PrincipalSpec = FleetSpec['principals'][string]
export type AclSpec = PrincipalSpec['acls'][number]
