import { SWITCH_AT_WORK, SWITCH_NOT_UNDER_WAY } from '../../src/entry/api/errors.ts'
import type { LinkAct, LogLine } from '../../src/entry/api/models.ts'
import type { ActReason, ClusterFacts, Platform } from '../../src/entry/api/platform.ts'
import { AjnaError } from '../../src/foundation/errors/errors.ts'
import { tiers } from '../../src/operations/completeness/contract.ts'
import type { Activity } from '../../src/operations/fleet/activity/contract.ts'
import { WEBHOOK_UNKNOWN } from '../../src/operations/notify/errors.ts'
import { activitiesOf, standingOf } from './fixture/activity.ts'
import { clustersOf } from './fixture/clusters.ts'
import { bucketsOf, streamsOf } from './fixture/completeness.ts'
import { fleetOf } from './fixture/fleet.ts'
import { healedOf, incidentsOf, webhookOf } from './fixture/incidents.ts'
import { actedOn } from './fixture/links.ts'
import { queryLogs } from './fixture/logs.ts'
import { METRICS, pointsOf, sampleEverySecond, valueAt } from './fixture/metrics.ts'
import { CONFIG, recordsOf, STREAMS } from './fixture/records.ts'
import { rehearsalOf } from './fixture/rehearsals.ts'
import { HOUR, MINUTE, type Mood, randomFrom } from './fixture/shared.ts'
import { fixtureSwitches } from './fixture/switches.ts'
import { fixtureTests } from './fixture/tests.ts'

/**
 * A fleet that exists only in numbers: deterministic for a seed, with a clock that follows the real one, so that the API
 * and the console can be looked at in any state, and at the size of the original (100 clusters, 50,000 topics).
 */

export interface Fixture {
  readonly platform: Platform
  /** Changes a cluster's facts and tells whoever listens. */
  change(cluster: string, edit: (facts: ClusterFacts) => ClusterFacts): void
  /** As after a kill of the process that carries out a switch of the link's sides. */
  interruptSwitch(link: string): void
  /** The next switch of the link's sides takes a long time: until it is interrupted. */
  holdNextSwitch(link: string): void
  /** Lets one log line come in. */
  line(text: string): void
}

export function createFixture(mood: Mood = 'calm', seed = 7): Fixture {
  const random = randomFrom(seed)
  const startedAt = Date.now() - 3 * HOUR - 12 * MINUTE
  const born = Date.now()
  let clusters = clustersOf(mood, random, born)
  const fleetListeners = new Set<() => void>()
  const lineListeners = new Set<{
    filter: Parameters<Platform['logs']['tail']>[0]
    line: (line: LogLine) => void
  }>()
  const activities = mood === 'empty' ? [] : activitiesOf(mood, born)
  const activityListeners = new Set<(entry: Activity) => void>()
  const linkChanges = new Map<string, LinkAct>()
  const switches = fixtureSwitches(() => {
    for (const tell of [...fleetListeners]) tell()
  })
  const past: LogLine[] = []
  let lines = 0

  /** An act that is told of when it begins, and when it is done. */
  function open(
    action: string,
    subject: Activity['subject'],
    summary: string,
    { actor, reason }: ActReason,
  ): { readonly entry: Activity; end(evidence: Activity['evidence']): void } {
    const entry: Activity = {
      id: `act-${activities.length + 1}`,
      revision: 0,
      at: Date.now(),
      actor,
      action,
      subject,
      summary,
      reason,
      outcome: 'running',
      evidence: [],
      endedAt: null,
    }
    activities.unshift(entry)
    for (const tell of activityListeners) tell(entry)
    return {
      entry,
      end(evidence) {
        const done: Activity = { ...entry, revision: 1, outcome: 'done', endedAt: Date.now(), evidence }
        activities[activities.indexOf(entry)] = done
        for (const tell of [...activityListeners]) tell(done)
        for (const tell of [...fleetListeners]) tell()
      },
    }
  }

  /** One that is done soon. */
  function begin(
    action: string,
    subject: Activity['subject'],
    summary: string,
    why: ActReason,
    evidence: Activity['evidence'],
  ): Activity {
    const { entry, end } = open(action, subject, summary, why)
    setTimeout(() => end(evidence), 400).unref()
    return entry
  }

  const platform: Platform = {
    name: mood === 'large' ? 'global' : 'two-sites',
    version: '0.1.0',
    startedAt,
    now: Date.now,
    fleet: () => {
      const facts = fleetOf(mood, clusters, born)
      return {
        ...facts,
        links: facts.links.map(link => {
          const sides = switches.sidesOf(link.name)
          return { ...actedOn(link, linkChanges.get(link.name)), ...(sides !== undefined && { sides }) }
        }),
      }
    },
    onFleet: (changed, signal) => listen(fleetListeners, changed, signal),
    async topicConfig(cluster, topic) {
      const known = clusters.find(each => each.name === cluster)?.topics.some(each => each.name === topic)
      return known === true ? CONFIG : undefined
    },
    readRecords: async request => recordsOf(clusters, request, born),
    streamOf: stream => STREAMS.find(each => each.stream === stream),
    logs: {
      query: (sql, limit) => queryLogs(sql, limit, born),
      tail(filter, line, signal) {
        const passed = past.filter(({ line: text }) => matches(filter.match, text))
        if (filter.backlog) for (const each of passed.slice(-filter.backlog)) line(each)
        listen(lineListeners, { filter, line }, signal)
      },
    },
    metrics: {
      list: () =>
        mood === 'empty'
          ? []
          : METRICS.flatMap(metric =>
              metric.labels.map(labels => ({
                ...metric,
                labels,
                lastTime: Date.now(),
                lastValue: valueAt(metric, labels, Date.now()),
              })),
            ),
      range: ({ name, labels, from, to, stepMs }) =>
        METRICS.filter(metric => metric.name === name).flatMap(metric =>
          metric.labels
            .filter(each =>
              Object.entries(labels).every(
                ([label, value]) => (each as Record<string, string>)[label] === value,
              ),
            )
            .map(each => ({
              name,
              labels: each,
              unit: name.endsWith('_total') ? `${metric.unit}/s` : metric.unit,
              points: pointsOf(metric, each, from, to, stepMs),
            })),
        ),
      onSample: (name, sample, signal) => sampleEverySecond(name, sample, signal),
    },
    completeness: {
      buckets: (from, to) => (mood === 'empty' ? [] : bucketsOf(mood, from, to)),
      streams: bucket => streamsOf(mood, bucket),
      counters: () =>
        mood === 'empty'
          ? []
          : tiers.map((tier, i) => ({
              tier,
              cluster: i === 0 ? 'edge' : 'hub',
              topic: 'logs.edge',
              lag: i * 240,
              records: 1_284_000 - i * 240,
              withoutPosition: 0,
              at: Date.now() - 800,
            })),
      unseen: () => [],
      unaudited: () => [],
    },
    activity: {
      list: ({ before, limit, search }) => {
        const from = before === undefined ? 0 : activities.findIndex(entry => entry.id === before) + 1
        return activities
          .slice(from)
          .filter(entry =>
            `${entry.summary} ${entry.actor} ${entry.action} ${entry.subject.name}`
              .toLowerCase()
              .includes(search.toLowerCase()),
          )
          .slice(0, limit)
      },
      get: id => activities.find(entry => entry.id === id),
      onEntry: (entry, signal) => listen(activityListeners, entry, signal),
      journal: () => standingOf(mood, born),
    },
    brokers: {
      previewRestart: async (cluster, broker) => ({
        what: `Stop the process of broker ${broker} in order and start it again`,
        where: `${cluster}, host ${cluster}-01, rack r${broker}`,
        howLong: 'about 8 s: its last three restarts took 7.1, 7.9 and 8.4 s',
        effects: [
          '42 partitions elect another leader, each within a second',
          '126 replicas leave their ISR until the broker has caught up',
        ],
        undo: 'Nothing to undo: the broker comes back with its data; leaders return to it within 5 minutes.',
      }),
      async restart(cluster, broker, { actor, reason }) {
        return begin(
          'broker.restart',
          { kind: 'broker', name: String(broker), cluster },
          `Restart of broker ${broker} of ${cluster}`,
          { actor, reason },
          [
            { label: 'stopped in', value: '2.1 s' },
            { label: 'in sync again after', value: '7.8 s' },
          ],
        )
      },
    },
    healing: {
      incidents: () => incidentsOf(mood, born),
      clusters: () => healedOf(mood),
      pause: async () => {},
      resume: async () => {},
      answer: async (id, { verdict }, why) =>
        begin(
          `heal.${verdict}`,
          { kind: 'partition', name: 'payments-4', cluster: 'edge' },
          `Answer to incident ${id}`,
          why,
          [{ label: 'led again after', value: '1.3 s' }],
        ),
    },
    tests: fixtureTests(mood, born),
    webhooks: {
      list: () => [webhookOf(born)],
      async test(name) {
        if (name !== 'pager') throw new AjnaError(WEBHOOK_UNKNOWN, `there is no webhook ${name}`)
        return { delivered: true, id: 'msg_test_1', answer: 'answered 204', tookMs: 12 }
      },
    },
    links: {
      async act(link, act, why) {
        const subject = { kind: 'link', name: link, cluster: null } as const
        linkChanges.set(link, act)
        return begin(`link.${act}`, subject, `${act} of link ${link}`, why, [
          { label: 'taken up after', value: '1.1 s' },
        ])
      },
      async rehearse(name, options) {
        const link = platform.fleet().links.find(each => each.name === name)!
        return rehearsalOf(link, options, Date.now())
      },
      async switch(name, request, why) {
        const link = platform.fleet().links.find(each => each.name === name)!
        const underWay = link.sides?.underWay ?? null
        if (request.goOn && underWay?.action !== request.action)
          throw new AjnaError(SWITCH_NOT_UNDER_WAY, `no ${request.action} of ${name} is under way`)
        if (underWay?.here === true && underWay.action === request.action)
          throw new AjnaError(SWITCH_AT_WORK, `a ${request.action} of ${name} is being carried out`)
        const { entry, end } = open(
          `link.${request.action}`,
          { kind: 'link', name, cluster: null },
          `link ${name}: ${request.action} begun`,
          why,
        )
        switches.begin(name, rehearsalOf(link, request, Date.now()), request, () => end([]))
        return entry
      },
    },
  }

  return {
    platform,
    change(name, edit) {
      clusters = clusters.map(cluster => (cluster.name === name ? edit(cluster) : cluster))
      for (const tell of fleetListeners) tell()
    },
    interruptSwitch: switches.interrupt,
    holdNextSwitch: switches.holdNext,
    line(text) {
      const made: LogLine = {
        id: `5f1c9a3be0d27784:${lines * 120}`,
        time: Date.now(),
        tenant: 'platform',
        site: 'edge',
        host: 'edge-01',
        file: '/var/log/kafka/server.log',
        position: lines++ * 120,
        line: text,
      }
      past.push(made)
      for (const { filter, line } of lineListeners) {
        if (matches(filter.match, text)) line(made)
      }
    },
  }
}

const matches = (match: string | undefined, text: string): boolean =>
  match === undefined || text.toLowerCase().includes(match.toLowerCase())

function listen<Listener>(listeners: Set<Listener>, listener: Listener, signal: AbortSignal): void {
  listeners.add(listener)
  signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
}
