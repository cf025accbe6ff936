import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { identity } from '../../foundation/tls/store.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { type Completeness, watchCompleteness } from '../../operations/completeness/run.ts'
import { ACTIVITY_TOPIC } from '../../operations/fleet/activity/contract.ts'
import { type RunningActivity, runActivity } from '../../operations/fleet/activity/run.ts'
import { brokerPrincipal, CONTROL_PRINCIPAL } from '../../operations/fleet/contract.ts'
import { LINKS_TOPIC } from '../../operations/mirror/links/contract.ts'
import { openLinkRegistry } from '../../operations/mirror/links/registry.ts'
import type { LinkRegistry } from '../../operations/mirror/registry.ts'
import { type Observer, observe } from '../../operations/observe/run.ts'
import type { ConfigEntry, ProcessStatus } from '../api/models.ts'
import type { FleetFacts, Platform } from '../api/platform.ts'
import { clusterAddress } from '../fleet-file.ts'
import { connectEnds, openLinksJournal } from '../links.ts'
import { outboxOf } from '../outbox.ts'
import type { RoleContext } from '../roles/context.ts'
import { readVersion } from '../version.ts'
import { type AgentWatch, watchAgent } from './agents.ts'
import { brokerLeases } from './broker-leases.ts'
import { type BrokerRates, type ClusterWatch, watchCluster } from './clusters.ts'
import { logEnds } from './ends.ts'
import { every } from './every.ts'
import { startHealing } from './heal.ts'
import { hostAgent } from './host-agent.ts'
import { linkActs } from './link-acts.ts'
import { linkRehearsals } from './link-rehearsals.ts'
import { linkSwitches, sidesOfAdmin } from './link-switches.ts'
import { askWorker, watchLinks } from './links.ts'
import { archiveClient } from './logs.ts'
import { startWebhooks } from './notify.ts'
import { createProcessLooker, type ProcessFacts } from './processes.ts'
import { readRecords } from './records.ts'
import { restarts } from './restarts.ts'
import { followStreams } from './streams.ts'
import { testsOf } from './tests.ts'

const BACKFILL_MS = 1_800_000
const KEEP_COMPLETENESS_MS = 30 * 86_400_000
const RATE_WINDOW_MS = 60_000
const CHANGE_EVERY_MS = 1_000
const REOPEN_MS = 2_000
const PROCESSES_EVERY_MS = 2_000
/** How far back closed buckets are looked at for the fleet page. */
const INCOMPLETE_WITHIN_MS = 6 * 3_600_000

/** Wires the rooms to what the API needs. */
export async function createPlatform(context: RoleContext): Promise<Platform> {
  const { home, file, signal, log, session } = context
  const { fleet, placed, ports, host } = file
  const now = Date.now
  const changes = createChanges(signal)
  const admins = new Map<string, ClusterAdmin>()
  const wires = new Map<string, Promise<Wire>>()

  async function adminOf(cluster: string): Promise<ClusterAdmin> {
    const address = await clusterAddress(file, cluster, () => identity(home.pki, CONTROL_PRINCIPAL))
    const admin = openCluster({ ...address, clientId: 'ajna-control', log })
    signal.addEventListener('abort', () => void admin.close(), { once: true })
    admins.set(cluster, admin)
    return admin
  }
  const wireOf = (cluster: string): Promise<Wire> => {
    const wire = wires.get(cluster) ?? context.wire(cluster, CONTROL_PRINCIPAL)
    wires.set(cluster, wire)
    return wire
  }

  const archive = archiveClient({ port: ports.archive, token: session.token, log })
  const aggregate = fleet.archive?.cluster ?? fleet.links[0]?.to ?? fleet.clusters[0]!.name
  const observer = observe({
    wire: await wireOf(aggregate),
    topics: name => name.startsWith('metrics.'),
    backfillMs: BACKFILL_MS,
    now,
    signal,
    log,
  })
  observer.done.catch(error => log.error({ err: error }, 'metrics cannot be followed'))
  const completeness = await completenessOf(context, wireOf, archive.completeness)
  const registry = openRegistry(context, link => {
    links.note(link)
    changes.note()
  })
  const clusters = new Map<string, ClusterWatch>()
  const ends = logEnds(cluster => clusters.get(cluster)?.topics())
  const activity = await activityOf(context, wireOf)
  const switches = linkSwitches({
    open: sidesOfAdmin({ home, log }),
    record: activity.record,
    known: activity.get,
    signal,
    log,
  })
  const healing = await startHealing({ context, record: activity.record, changed: changes.note })
  const leases = brokerLeases({ placed, leases: healing.leases })
  const links = watchLinks({ declared: fleet.links, registry, ends, atWork: switches.atWork, now })
  for (const cluster of fleet.clusters) {
    clusters.set(
      cluster.name,
      watchCluster({
        cluster,
        admin: await adminOf(cluster.name),
        linkOf: topic => links.linkOf(cluster.name, topic),
        brokerRates: broker => brokerRates(observer, cluster.name, broker, now()),
        leaseRefusals: broker => leases.refusals(cluster.name, broker),
        changed: changes.note,
        now,
        signal,
        log,
      }),
    )
  }
  const agent = watchAgent({ port: ports.agent, token: session.token, signal })
  const webhooks = startWebhooks({ context, incidents: healing.incidents, wireOf })
  const streams = followStreams(await wireOf(aggregate), signal, log)
  const processes = watchProcesses(context, agent)

  const factsNow = (): FleetFacts => ({
    observedAt: now(),
    sites: fleet.sites.map(({ name, description }) => ({
      name,
      description,
      hosts: fleet.clusters.some(({ site, driver }) => site === name && driver === 'local') ? [host] : [],
    })),
    clusters: [...clusters.values()].map(cluster => cluster.facts()),
    links: links.links(),
    processes: processes(),
    eventToInsight: delayOf(observer, now()),
    incomplete: incompleteBuckets(completeness, now()),
  })

  return {
    name: fleet.name,
    version: readVersion(),
    startedAt: now(),
    now,
    fleet: changes.cached(factsNow),
    onFleet: changes.subscribe,
    async topicConfig(cluster, topic) {
      const [described] = (await admins.get(cluster)?.describeConfigs([{ kind: 'topic', name: topic }])) ?? []
      if (described === undefined || described.error !== null) return undefined
      return [...described.entries.values()].map(
        (entry): ConfigEntry => ({
          name: entry.name,
          value: entry.value,
          source: sourceNames[entry.source],
          isDefault: entry.source !== 'own',
          sensitive: entry.value === null,
        }),
      )
    },
    readRecords: async (request, until) => readRecords(await wireOf(request.cluster), request, until),
    streamOf: stream => streams.get(stream),
    logs: { query: archive.query, tail: archive.tail },
    metrics: {
      list: () => observer.store.list(),
      range: query => observer.store.range(query),
      onSample(name, listener, until) {
        const off = observer.subscribe(samples => {
          for (const sample of samples) if (sample.name === name) listener(sample)
        })
        until.addEventListener('abort', off, { once: true })
      },
    },
    completeness: {
      buckets: (from, to) => completeness.buckets({ from, to }),
      streams: completeness.streams,
      counters: completeness.counters,
      unseen: completeness.unseen,
      unaudited: () =>
        completeness.unaudited().map(({ stream, bytes }) => ({
          stream,
          bytes,
          host: streams.get(stream)?.host ?? null,
          path: streams.get(stream)?.path ?? null,
        })),
    },
    activity,
    brokers: restarts({
      facts: cluster => clusters.get(cluster)?.facts(),
      agent: hostAgent({ port: ports.agent, token: session.token }),
      leases,
      isUp: async (cluster, broker, until) => {
        const seen = await admins.get(cluster)?.describeCluster({ signal: until })
        return seen?.brokers.some(({ id, fenced }) => id === broker && fenced !== true) ?? false
      },
      record: activity.record,
      now,
      log,
    }),
    healing: {
      ...healing,
      pause: ({ actor, reason }) => healing.pause(actor, reason),
      resume: ({ actor }) => healing.resume(actor),
      answer: (id, answer, why) => healing.answer({ id, ...answer, ...why }),
    },
    tests: testsOf({ home, fleet: fleet.name, record: activity.record, known: activity.get, signal, log }),
    webhooks: { list: webhooks.standings, test: webhooks.test },
    links: {
      act: linkActs({ registry, record: activity.record, now, log }),
      rehearse: linkRehearsals({ home, log }),
      switch: switches.carry,
    },
  }
}

/** The links' registry, once its journal can be opened: what else there is to see does not wait for it. */
function openRegistry(
  { home, file, session, log, signal }: RoleContext,
  changed: (link: string) => void,
): () => LinkRegistry | undefined {
  let opened: LinkRegistry | undefined
  async function open(): Promise<void> {
    const journal = await openLinksJournal(home, CONTROL_PRINCIPAL, log, signal)
    // Of a journal that stops the registry knows the last it read; another is opened.
    const until = AbortSignal.any([signal, journal.stopped])
    opened = openLinkRegistry({
      journal,
      ask: askWorker(session.token),
      connect: connectEnds(home, log),
      now: Date.now,
      log,
      signal: until,
    })
    opened.onChange(changed, until)
    if (!until.aborted) await once(until, 'abort')
    await journal.close()
  }
  void (async () => {
    if (!file.fleet.topics.some(({ name }) => name === LINKS_TOPIC)) return
    while (!signal.aborted) {
      await open().catch(error => {
        if (!signal.aborted)
          log.warn({ reason: describeError(error) }, "the links' journal cannot be read; trying on")
      })
      await delay(REOPEN_MS, undefined, { signal }).catch(() => undefined)
    }
  })()
  return () => opened
}

const sourceNames = {
  own: 'dynamic topic config',
  broker: 'dynamic broker config',
  cluster: 'dynamic default broker config',
  file: 'static broker config',
  default: 'default config',
  other: 'other',
} as const

/** Follows the journal where the fleet declares it, and carries this machine's outbox into it. */
function activityOf(
  { home, file, signal, log }: RoleContext,
  wireOf: (cluster: string) => Promise<Wire>,
): Promise<RunningActivity> {
  const cluster = file.fleet.topics.find(({ name }) => name === ACTIVITY_TOPIC)?.cluster
  return runActivity({
    outbox: outboxOf(home),
    ...(cluster !== undefined && {
      journal: {
        cluster,
        openLog: async () => openKafkaLog({ wire: await wireOf(cluster), topic: ACTIVITY_TOPIC }),
      },
    }),
    copy: home.activityCopy,
    now: Date.now,
    signal,
    logger: log,
  })
}

/** Local: each shipping cluster's own topics. Aggregate: the same topics at the ends of their links. */
async function completenessOf(
  context: RoleContext,
  wireOf: (cluster: string) => Promise<Wire>,
  archive: (signal: AbortSignal) => ReturnType<Parameters<typeof watchCompleteness>[0]['archive']>,
): Promise<Completeness> {
  const { home, file, signal, log } = context
  const { ships, links } = file.fleet
  const shipped = ships.filter(({ files }) => files.length > 0)
  const clusters = [...new Set(shipped.map(({ cluster }) => cluster))]
  const topicsOf = (cluster: string): string[] => [
    ...new Set(shipped.filter(ship => ship.cluster === cluster).map(({ topic }) => topic)),
  ]
  const copied = links.filter(({ from }) => clusters.includes(from))
  const logOf = async (cluster: string, topics: readonly string[]) => ({
    cluster,
    topics,
    wire: await wireOf(cluster),
  })
  return watchCompleteness({
    audits: await Promise.all(
      clusters.map(cluster =>
        logOf(cluster, [
          ...new Set(
            shipped.filter(ship => ship.cluster === cluster).map(({ site }) => `ajna.audit.${site}`),
          ),
        ]),
      ),
    ),
    tiers: {
      local: await Promise.all(clusters.map(cluster => logOf(cluster, topicsOf(cluster)))),
      aggregate: await Promise.all(
        copied.map(link =>
          logOf(
            link.to,
            topicsOf(link.from).filter(topic => link.topics.includes(topic)),
          ),
        ),
      ),
    },
    archive,
    file: join(home.role('control'), 'completeness.json'),
    keepMs: KEEP_COMPLETENESS_MS,
    now: Date.now,
    signal,
    log,
  })
}

function incompleteBuckets(completeness: Completeness, now: number) {
  return completeness
    .buckets({ from: now - INCOMPLETE_WITHIN_MS, to: now })
    .filter(
      ({ closed, tiers }) =>
        closed && tiers.some(({ state }) => state === 'missing' || state === 'duplicated'),
    )
    .reverse()
}

function delayOf({ delays }: Observer, now: number): FleetFacts['eventToInsight'] {
  const [p50Ms, p95Ms] = [delays.percentile(50), delays.percentile(95)]
  return p50Ms === undefined || p95Ms === undefined
    ? null
    : { p50Ms, p95Ms, samples: delays.count, observedAt: now }
}

function brokerRates({ store }: Observer, cluster: string, broker: number, now: number): BrokerRates {
  const rate = (name: string): number | null => {
    const query = { name, labels: { cluster, broker: String(broker) }, from: now - RATE_WINDOW_MS, to: now }
    const values = store
      .range({ ...query, stepMs: RATE_WINDOW_MS })
      .flatMap(({ points }) => points.at(-1)?.[1] ?? [])
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0)
  }
  return {
    recordsInPerSecond: rate('kafka_messagesin_total'),
    bytesInPerSecond: rate('kafka_bytesin_total'),
    bytesOutPerSecond: rate('kafka_bytesout_total'),
  }
}

/** The machine's processes by their pid files, with what their agent says of them. */
function watchProcesses({ home, file, signal, log }: RoleContext, agent: AgentWatch): () => ProcessStatus[] {
  const look = createProcessLooker(home.run, Date.now)
  const siteOf = new Map(
    file.placed.flatMap(({ name, site, nodes }) =>
      nodes.map(({ id }) => [brokerPrincipal(name, id), site] as const),
    ),
  )
  const ownSite = file.fleet.ships[0]?.site ?? file.fleet.sites[0]!.name
  let seen: ProcessFacts[] = []
  every(PROCESSES_EVERY_MS, signal, async () => {
    seen = await look().catch(error => {
      log.warn({ error: describeError(error) }, 'processes cannot be looked at')
      return seen
    })
  })
  return () => {
    const kept = new Map((agent.status()?.processes ?? []).map(each => [each.name, each]))
    return seen.map((each): ProcessStatus => {
      const told = kept.get(each.name)
      return {
        site: siteOf.get(each.name) ?? ownSite,
        host: file.host,
        name: each.name,
        role: each.role,
        state: each.running ? 'running' : told?.state === 'gave-up' ? 'failed' : 'backing-off',
        pid: each.running ? each.pid : null,
        since: each.since,
        restarts: Math.max(0, (told?.starts ?? 1) - 1),
        lastExit: null,
        residentBytes: each.residentBytes,
        cpu: each.cpu,
      }
    })
  }
}

/** Tells subscribers that the fleet's facts have changed, at most once a second; caches the facts in between. */
function createChanges(signal: AbortSignal) {
  const listeners = new Set<() => void>()
  let dirty = true
  every(CHANGE_EVERY_MS, signal, async () => {
    if (!dirty) return
    for (const listener of listeners) listener()
  })
  return {
    note: () => {
      dirty = true
    },
    subscribe(listener: () => void, until: AbortSignal) {
      listeners.add(listener)
      until.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
    cached<T>(make: () => T): () => T {
      let value: T | undefined
      let at = 0
      return () => {
        if (value === undefined || dirty || Date.now() - at > CHANGE_EVERY_MS) {
          value = make()
          at = Date.now()
          dirty = false
        }
        return value
      }
    },
  }
}
