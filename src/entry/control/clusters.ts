import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import {
  type ClusterSnapshot,
  type Part,
  type SnapshotPart,
  snapshot,
} from '../../foundation/kafka/snapshot.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { ResolvedCluster } from '../../operations/fleet/contract.ts'
import type { Group } from '../api/models.ts'
import type { BrokerFacts, ClusterFacts, PartitionFacts, TopicFacts } from '../api/platform.ts'
import { createEndHistory } from './lag.ts'
import { createRates, type Rates } from './rates.ts'

/** What is looked at each time, and what only now and then because it changes slowly and costs more. */
const OFTEN: readonly SnapshotPart[] = ['cluster', 'quorum', 'topics', 'offsets', 'groups']
const SELDOM: readonly SnapshotPart[] = [...OFTEN, 'configs', 'logDirs']
const OFTEN_MS = 2_000
const SELDOM_EVERY = 8
const DEADLINE_MS = 6_000

export interface ClusterWatch {
  facts(): ClusterFacts
  /** Those of the facts; they keep their identity while they say the same. */
  topics(): ClusterFacts['topics']
}

export interface ClusterWatchOptions {
  readonly cluster: ResolvedCluster
  readonly admin: ClusterAdmin
  /** The link that writes a topic here, or null. */
  readonly linkOf: (topic: string) => string | null
  /** Recent rates of a broker, from its own metrics. */
  readonly brokerRates: (broker: number) => BrokerRates
  readonly leaseRefusals: (broker: number) => readonly string[]
  readonly changed: () => void
  readonly now: () => number
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface BrokerRates {
  readonly recordsInPerSecond: number | null
  readonly bytesInPerSecond: number | null
  readonly bytesOutPerSecond: number | null
}

/** The last good value of each part, and what is worked out over time. */
interface Known {
  snapshot: ClusterSnapshot | undefined
  configs: ClusterSnapshot['configs'] | undefined
  logDirs: ClusterSnapshot['logDirs'] | undefined
  unreachable: ClusterFacts['unreachable']
  observedAt: number | null
  topics: readonly TopicFacts[]
  groups: readonly Group[]
}

/** Looks at one cluster every two seconds, for ever. */
export function watchCluster(options: ClusterWatchOptions): ClusterWatch {
  const { cluster, admin, signal, now, log } = options
  const rates = createRates()
  const ends = createEndHistory()
  const states = createStates(now)
  const known: Known = {
    snapshot: undefined,
    configs: undefined,
    logDirs: undefined,
    unreachable: null,
    observedAt: null,
    topics: [],
    groups: [],
  }

  async function look(round: number): Promise<void> {
    const parts = round % SELDOM_EVERY === 0 ? SELDOM : OFTEN
    const seen = await snapshot(admin, { parts, signal, deadlineMs: DEADLINE_MS })
    known.snapshot = seen
    if (parts === SELDOM) {
      known.configs = seen.configs
      known.logDirs = seen.logDirs
    }
    if (seen.cluster.ok && seen.topics.ok) {
      known.observedAt = seen.at
      known.unreachable = null
      take(seen)
    } else {
      const message = seen.cluster.ok ? failureOf(seen.topics) : failureOf(seen.cluster)
      known.unreachable = { since: known.unreachable?.since ?? seen.at, message }
    }
    options.changed()
  }

  function take(seen: ClusterSnapshot): void {
    const offsets = new Map(
      (seen.offsets.ok ? seen.offsets.value : []).map(each => [`${each.topic}-${each.partition}`, each]),
    )
    for (const [partition, { latest }] of offsets) if (latest !== null) ends.note(partition, latest, seen.at)
    known.topics = topicsOf(seen, offsets, known, rates, options.linkOf)
    if (seen.groups.ok) known.groups = groupsOf(seen, ends, now())
  }

  async function watch(): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      const began = now()
      try {
        await look(round)
      } catch (error) {
        if (signal.aborted) return
        known.unreachable = { since: known.unreachable?.since ?? now(), message: describeError(error) }
        log.warn({ err: error, cluster: cluster.name }, 'the cluster cannot be looked at')
        options.changed()
      }
      const rest = Math.max(200, OFTEN_MS - (now() - began))
      await delay(rest, undefined, { signal }).catch(() => undefined)
    }
  }
  void watch()

  return {
    topics: () => known.topics,
    facts() {
      const brokers = brokersOf(options, known, states)
      const declared = cluster.driver === 'local' ? cluster.nodes : []
      const health = known.unreachable !== null ? 'unreachable' : brokers.map(({ state }) => state).join()
      const quorum = known.snapshot?.quorum.ok === true ? known.snapshot.quorum.value : null
      return {
        name: cluster.name,
        site: cluster.site,
        driver: cluster.driver,
        version: cluster.driver === 'local' ? cluster.version : null,
        declared,
        observedAt: known.observedAt,
        unreachable: known.unreachable,
        since: states.since('cluster', health),
        controllerId: quorum?.leader ?? null,
        quorum:
          quorum === null || quorum.leader === null
            ? null
            : {
                leaderId: quorum.leader,
                epoch: quorum.epoch,
                voters: quorum.voters.map(({ id, lag, caughtUpAt }) => ({
                  id,
                  lagRecords: lag,
                  lagMs: lag === 0 || caughtUpAt === null ? null : Math.max(0, now() - caughtUpAt),
                })),
              },
        brokers,
        topics: known.topics,
        groups: known.groups,
        failures: failuresOf(known),
        recordsInPerSecond: sum(known.topics.map(topic => topic.recordsInPerSecond)),
        bytesInPerSecond: sum(brokers.map(broker => broker.bytesInPerSecond)),
        history: rates.history(),
      }
    },
  }
}

const failureOf = (part: Part<unknown>): string => (part.ok ? '' : part.error.message)

function failuresOf(known: Known): { part: string; message: string }[] {
  const seen = known.snapshot
  if (seen === undefined || known.unreachable !== null) return []
  const parts = { ...seen, configs: known.configs ?? seen.configs, logDirs: known.logDirs ?? seen.logDirs }
  return SELDOM.flatMap(part => {
    const state = parts[part]
    return state.ok || state.error.code === 'SNAPSHOT_PART_SKIPPED'
      ? []
      : [{ part, message: state.error.message }]
  })
}

/** null unless something is known. */
const sum = (values: readonly (number | null)[]): number | null =>
  values.some(value => value !== null)
    ? values.reduce<number>((total, value) => total + (value ?? 0), 0)
    : null

function topicsOf(
  seen: ClusterSnapshot,
  offsets: ReadonlyMap<string, { readonly earliest: number | null; readonly latest: number | null }>,
  known: Known,
  rates: Rates,
  linkOf: (topic: string) => string | null,
): TopicFacts[] {
  if (!seen.topics.ok) return []
  const sizes = leaderSizes(known)
  const minIsr = new Map(
    (known.configs?.ok === true ? known.configs.value : []).map(each => [each.topic, each.minInsyncReplicas]),
  )
  rates.begin(seen.at)
  const topics = seen.topics.value.map((topic): TopicFacts => {
    const partitions = topic.partitions.map((state): PartitionFacts => {
      const name = `${topic.name}-${state.partition}`
      const ends = offsets.get(name)
      return {
        partition: state.partition,
        leader: state.leader ?? -1,
        leaderEpoch: state.leaderEpoch,
        replicas: state.replicas,
        isr: state.isr,
        startOffset: ends?.earliest ?? null,
        endOffset: ends?.latest ?? null,
        sizeBytes: sizes.get(`${name}@${state.leader}`) ?? null,
      }
    })
    const ends = partitions.map(({ endOffset }) => endOffset)
    return {
      name: topic.name,
      id: topic.id,
      internal: topic.internal,
      link: linkOf(topic.name),
      minIsr: minIsr.get(topic.name) ?? 1,
      recordsInPerSecond: ends.includes(null) ? null : rates.of(topic.name, sum(ends) ?? 0),
      partitions,
    }
  })
  rates.end()
  return topics
}

/** Bytes of each replica, by `topic-partition@broker`. */
function leaderSizes(known: Known): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const { broker, dirs } of known.logDirs?.ok === true ? known.logDirs.value : [])
    for (const dir of dirs.ok ? dirs.value : [])
      for (const replica of dir.replicas)
        if (!replica.future) sizes.set(`${replica.topic}-${replica.partition}@${broker}`, replica.bytes)
  return sizes
}

function groupsOf(seen: ClusterSnapshot, ends: ReturnType<typeof createEndHistory>, now: number): Group[] {
  if (!seen.groups.ok) return []
  const latest = new Map(
    (seen.offsets.ok ? seen.offsets.value : []).map(each => [`${each.topic}-${each.partition}`, each.latest]),
  )
  return seen.groups.value.map((group): Group => {
    const partitions = (group.offsets.ok ? group.offsets.value : []).map(
      ({ topic, partition, offset, lag }) => ({
        topic,
        partition,
        committed: offset,
        end: latest.get(`${topic}-${partition}`) ?? offset,
        lagRecords: lag ?? 0,
        lagMs: ends.lagMs(`${topic}-${partition}`, offset, now),
      }),
    )
    const times = partitions.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]))
    return {
      name: group.id,
      state: group.state,
      protocol: group.type,
      members: group.members.ok ? group.members.value.length : 0,
      topics: [...new Set(partitions.map(({ topic }) => topic))],
      lagRecords: group.offsets.ok ? partitions.reduce((total, each) => total + each.lagRecords, 0) : null,
      lagMs: times.length === 0 ? null : Math.max(...times),
      partitions,
    }
  })
}

function brokersOf(options: ClusterWatchOptions, known: Known, states: States): BrokerFacts[] {
  const { cluster } = options
  const registered = new Map(
    (known.snapshot?.cluster.ok === true ? known.snapshot.cluster.value.brokers : []).map(each => [
      each.id,
      each,
    ]),
  )
  const declared = cluster.driver === 'local' ? cluster.nodes : []
  const ids = [...new Set([...declared.map(({ id }) => id), ...registered.keys()])].sort((a, b) => a - b)
  return ids.map((id): BrokerFacts => {
    const broker = registered.get(id)
    const state =
      known.snapshot === undefined || known.unreachable !== null
        ? 'unknown'
        : broker === undefined || broker.fenced === true
          ? 'down'
          : 'up'
    return {
      id,
      host: broker?.host ?? null,
      port: broker?.port ?? null,
      rack: broker?.rack ?? declared.find(node => node.id === id)?.rack ?? null,
      state,
      since: states.since(`broker-${id}`, state),
      disks: disksOf(known, id),
      ...options.brokerRates(id),
      managed: cluster.driver === 'local',
      leaseRefusals: options.leaseRefusals(id),
    }
  })
}

function disksOf(known: Known, broker: number): BrokerFacts['disks'] {
  const entry =
    known.logDirs?.ok === true ? known.logDirs.value.find(each => each.broker === broker) : undefined
  if (entry === undefined || !entry.dirs.ok) return []
  return entry.dirs.value.map(({ path, error, totalBytes, usableBytes, replicas }) => ({
    path,
    error,
    usedBytes: totalBytes === null || usableBytes === null ? 0 : totalBytes - usableBytes,
    totalBytes,
    logBytes: replicas.reduce((total, replica) => total + replica.bytes, 0),
    replicas: replicas.length,
  }))
}

/** Since when a thing has been in the state it is in. */
interface States {
  since(thing: string, state: string): number | null
}

function createStates(now: () => number): States {
  const known = new Map<string, { readonly state: string; readonly since: number | null }>()
  return {
    since(thing, state) {
      const entry = known.get(thing)
      if (entry?.state === state) return entry.since
      // The first state seen may have lasted for long.
      const since = entry === undefined ? null : now()
      known.set(thing, { state, since })
      return since
    },
  }
}
