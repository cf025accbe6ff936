import { deepFreeze } from '../config/freeze.ts'
import { describeError, isAjnaError } from '../errors/errors.ts'
import type { ClusterAdmin } from './admin.ts'
import { budget, type CallOptions } from './calls.ts'
import { refusalOf } from './errors.ts'
import type { ClusterFacts, Feature, LogDir, Quorum } from './facts.ts'
import type { CommittedOffset, GroupMember, ListedGroup } from './groups.ts'
import type { ReassignmentUnderWay, TopicPartition } from './partitions.ts'
import type { AclBinding, Quota } from './security.ts'
import type { EligibleLeaders, TopicState } from './topics.ts'

/** Why a part of a snapshot is not known; JSON-safe. */
export interface PartError {
  readonly code: string
  readonly message: string
}

/** A part of a snapshot: what was found, or why nothing was. */
export type Part<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: PartError }

export interface TopicConfig {
  readonly topic: string
  /** Set on the topic itself, by Kafka's names. */
  readonly own: Readonly<Record<string, string>>
  /** In force, wherever it is set; null when the cluster did not say. */
  readonly minInsyncReplicas: number | null
}

export interface PartitionOffsets extends TopicPartition {
  /** Null: not known, see `error`. */
  readonly earliest: number | null
  readonly latest: number | null
  readonly error: PartError | null
}

export interface BrokerLogDirs {
  readonly broker: number
  readonly dirs: Part<readonly LogDir[]>
}

export interface GroupLag extends CommittedOffset {
  /** Records from the committed offset to the end; null when the end is not known. */
  readonly lag: number | null
}

export interface GroupState extends ListedGroup {
  readonly members: Part<readonly GroupMember[]>
  readonly offsets: Part<readonly GroupLag[]>
}

/** One cluster at one moment, as far as it could be seen. Deeply frozen, JSON-safe. */
export interface ClusterSnapshot {
  /** When the gathering began, ms since the epoch. */
  readonly at: number
  readonly tookMs: number
  readonly cluster: Part<ClusterFacts>
  readonly quorum: Part<Quorum>
  readonly features: Part<readonly Feature[]>
  readonly topics: Part<readonly TopicState[]>
  /** Partitions with eligible leaders outside the ISR; fails before 4.0. */
  readonly eligibleLeaders: Part<readonly EligibleLeaders[]>
  readonly reassignments: Part<readonly ReassignmentUnderWay[]>
  readonly configs: Part<readonly TopicConfig[]>
  readonly offsets: Part<readonly PartitionOffsets[]>
  /** One entry per registered broker. */
  readonly logDirs: Part<readonly BrokerLogDirs[]>
  readonly groups: Part<readonly GroupState[]>
  readonly quotas: Part<readonly Quota[]>
  /** Null: the cluster has no authorizer, so everybody may do everything. */
  readonly acls: Part<readonly AclBinding[] | null>
}

export const snapshotParts = [
  'cluster',
  'quorum',
  'features',
  'topics',
  'eligibleLeaders',
  'reassignments',
  'configs',
  'offsets',
  'logDirs',
  'groups',
  'quotas',
  'acls',
] as const
export type SnapshotPart = (typeof snapshotParts)[number]

export interface SnapshotOptions {
  readonly signal?: AbortSignal
  /** For the whole, ms; a part that is not there by then is an error. Default 10,000. */
  readonly deadlineMs?: number
  /** What to look at; the rest is answered with the error SNAPSHOT_PART_SKIPPED. Default: everything. */
  readonly parts?: readonly SnapshotPart[]
}

const DEFAULT_DEADLINE_MS = 10_000

/** Groups asked about at a time. */
const GROUPS_AT_ONCE = 8

const SKIPPED: Part<never> = Object.freeze({
  ok: false,
  error: { code: 'SNAPSHOT_PART_SKIPPED', message: 'not asked for' },
})

/**
 * Looks at a whole cluster, its parts side by side. What cannot be seen is a value in the snapshot.
 *
 * @throws only the caller's abort reason
 */
export async function snapshot(admin: ClusterAdmin, options: SnapshotOptions = {}): Promise<ClusterSnapshot> {
  const at = Date.now()
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
  const call = budget({ signal: options.signal, deadlineMs })
  const wanted = new Set<SnapshotPart>(options.parts ?? snapshotParts)
  const take = <Value>(name: SnapshotPart, gather: () => Promise<Value>): Promise<Part<Value>> =>
    wanted.has(name) ? part(gather, options.signal) : Promise.resolve(SKIPPED)
  // What several parts stand on is asked once, and they fail with it.
  const cluster = once(() => admin.describeCluster(call()))
  const topics = once(() => admin.describeTopics('all', call()))
  const offsets = once(async () => offsetsOf(admin, await topics(), call()))
  const names = async (): Promise<string[]> => (await topics()).map(topic => topic.name)

  const parts = await settle({
    cluster: take('cluster', cluster),
    quorum: take('quorum', () => admin.describeQuorum(call())),
    features: take('features', () => admin.describeFeatures(call())),
    topics: take('topics', topics),
    eligibleLeaders: take('eligibleLeaders', async () => admin.eligibleLeaders(await names(), call())),
    reassignments: take('reassignments', () => admin.listReassignments(call())),
    configs: take('configs', async () => configsOf(admin, await names(), call())),
    offsets: take('offsets', offsets),
    logDirs: take('logDirs', async () => logDirsOf(admin, await cluster(), call())),
    groups: take('groups', async () => groupsOf(admin, await part(offsets, options.signal), call)),
    quotas: take('quotas', () => admin.describeQuotas(call())),
    acls: take('acls', () => aclsOf(admin, call())),
  })
  options.signal?.throwIfAborted()
  return deepFreeze({ at, tookMs: Date.now() - at, ...parts })
}

/** The same promise however often it is asked for. */
function once<Value>(gather: () => Promise<Value>): () => Promise<Value> {
  let gathered: Promise<Value> | undefined
  return () => {
    gathered ??= gather()
    return gathered
  }
}

type Settled<Parts> = { [Name in keyof Parts]: Awaited<Parts[Name]> }

async function settle<Parts extends Record<string, Promise<unknown>>>(parts: Parts): Promise<Settled<Parts>> {
  const entries = await Promise.all(
    Object.entries(parts).map(async ([name, value]) => [name, await value] as const),
  )
  return Object.fromEntries(entries) as Settled<Parts>
}

/** Never rejects unless the caller has given up. */
async function part<Value>(
  gather: () => Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Part<Value>> {
  try {
    return { ok: true, value: await gather() }
  } catch (error) {
    signal?.throwIfAborted()
    return { ok: false, error: partError(error) }
  }
}

const partError = (error: unknown): PartError =>
  isAjnaError(error)
    ? { code: error.code, message: error.message }
    : { code: 'SNAPSHOT_PART_FAILED', message: describeError(error) }

async function configsOf(
  admin: ClusterAdmin,
  topics: readonly string[],
  call: CallOptions,
): Promise<TopicConfig[]> {
  const resources = topics.map(name => ({ kind: 'topic', name }) as const)
  const described = await admin.describeConfigs(resources, call)
  const failed = described.find(
    each => each.error !== null && refusalOf(each.error) !== 'UNKNOWN_TOPIC_OR_PARTITION',
  )
  if (failed?.error) throw failed.error
  return described
    .filter(each => each.error === null)
    .map(({ resource, entries }) => {
      const minInsync = entries.get('min.insync.replicas')?.value
      const own = [...entries.values()].filter(entry => entry.source === 'own' && entry.value !== null)
      return {
        topic: resource.name,
        own: Object.fromEntries(
          own.map(entry => [entry.name, entry.value!]).sort(([a], [b]) => (a! < b! ? -1 : 1)),
        ),
        minInsyncReplicas: minInsync === undefined || minInsync === null ? null : Number(minInsync),
      }
    })
}

async function offsetsOf(
  admin: ClusterAdmin,
  topics: readonly TopicState[],
  call: CallOptions,
): Promise<PartitionOffsets[]> {
  const partitions = topics.flatMap(({ name, partitions: each }) =>
    each.map(({ partition }) => ({ topic: name, partition })),
  )
  const [earliest, latest] = await Promise.all([
    admin.listOffsets(
      partitions.map(each => ({ ...each, at: 'earliest' as const })),
      call,
    ),
    admin.listOffsets(
      partitions.map(each => ({ ...each, at: 'latest' as const })),
      call,
    ),
  ])
  return partitions.map((each, index) => {
    const error = earliest[index]!.error ?? latest[index]!.error
    return {
      ...each,
      earliest: earliest[index]!.offset,
      latest: latest[index]!.offset,
      error: error === null ? null : partError(error),
    }
  })
}

const logDirsOf = (
  admin: ClusterAdmin,
  { brokers }: ClusterFacts,
  call: CallOptions,
): Promise<BrokerLogDirs[]> =>
  Promise.all(
    brokers.map(async ({ id }) => ({
      broker: id,
      dirs: await part(() => admin.describeLogDirs(id, call), call.signal),
    })),
  )

async function groupsOf(
  admin: ClusterAdmin,
  known: Part<readonly PartitionOffsets[]>,
  call: () => CallOptions,
): Promise<GroupState[]> {
  const { groups } = await admin.listGroups(call())
  const ends = new Map(
    (known.ok ? known.value : []).map(each => [`${each.topic}-${each.partition}`, each.latest]),
  )
  const lagOf = (each: CommittedOffset): GroupLag => {
    const end = ends.get(`${each.topic}-${each.partition}`) ?? null
    return { ...each, lag: end === null ? null : Math.max(0, end - each.offset) }
  }
  const described: GroupState[] = []
  const queue = [...groups]
  const worker = async (): Promise<void> => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      const { id } = group
      const listed = group
      const [members, committed] = await Promise.all([
        part(() => admin.groupMembers(listed, call()), call().signal),
        part(async () => (await admin.committedOffsets(id, call())).map(lagOf), call().signal),
      ])
      described.push({ ...listed, members, offsets: committed })
    }
  }
  await Promise.all(Array.from({ length: GROUPS_AT_ONCE }, worker))
  return described.sort((a, b) => (a.id < b.id ? -1 : 1))
}

async function aclsOf(admin: ClusterAdmin, call: CallOptions): Promise<readonly AclBinding[] | null> {
  try {
    return await admin.describeAcls(call)
  } catch (error) {
    if (refusalOf(error) === 'SECURITY_DISABLED') return null
    throw error
  }
}
