/**
 * What must hold at every step. It looks at the world as it is, not at what the healers see of it, and knows none of their
 * rules; only the limits that the healer promises.
 */
import {
  type Decision,
  type Diagnosis,
  type HealFacts,
  type HealPolicy,
  type Incident,
  isOver,
} from '../contract.ts'
import { LIMITS } from '../limits.ts'
import type { SimLease } from './actor.ts'
import { brokerIn, type SimBroker, type SimCluster } from './cluster.ts'
import type { Violation } from './contract.ts'
import type { Keys } from './keys.ts'

export interface Watch {
  /** An incident was opened with this decision, on these facts. */
  decided(cluster: SimCluster, diagnosis: Diagnosis, decision: Decision, facts: HealFacts): void
  /** It was told, and read back, that an act begins. */
  acting(cluster: SimCluster, incident: Incident): void
  /** Somebody works under a lease, until it says that it has ended. */
  actor(name: string, cluster: SimCluster, lease: SimLease): () => void
  /** An act reaches what it is about, just before it has its effect. */
  lands(
    name: string,
    cluster: SimCluster,
    broker: SimBroker,
    act: 'kill' | 'unregister',
    lease: SimLease,
  ): void
  /** It has had its effect. */
  landed(cluster: SimCluster, broker: SimBroker): void
  /** A living process was unregistered. */
  late(): void
  staleRefused(): void
  fail(promise: string, what: string, cluster: SimCluster): void
  readonly figures: {
    readonly acts: Map<string, number>
    readonly refusals: Map<string, number>
    incidents: number
    overtaken: number
    late: number
    stale: number
  }
}

export interface WatchOptions {
  readonly now: () => number
  readonly keysOf: (cluster: SimCluster) => Keys
  readonly policyOf: (cluster: SimCluster) => HealPolicy
  readonly history: (cluster: SimCluster) => readonly string[]
  readonly violated: (violation: Violation) => void
}

interface Working {
  readonly name: string
  readonly lease: SimLease
}

export function createWatch({ now, keysOf, policyOf, history, violated }: WatchOptions): Watch {
  const working = new Map<string, Set<Working>>()
  const begun = new Map<string, { id: string; at: number; broker: number }[]>()
  const landed = new Map<string, number>()
  const figures = {
    acts: new Map<string, number>(),
    refusals: new Map<string, number>(),
    incidents: 0,
    overtaken: 0,
    late: 0,
    stale: 0,
  }
  const count = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1)
  const fail: Watch['fail'] = (promise, what, cluster) =>
    violated({ promise, what, at: now(), cluster: cluster.name, history: history(cluster) })

  function checkSides(cluster: SimCluster, { cause, subject, signals }: Diagnosis, facts: HealFacts): void {
    const seen = facts.brokers.find(({ id }) => id === brokerIn(subject))
    const promise = 'no act without two sides that agree'
    if (new Set(signals.map(({ source }) => source)).size < 2)
      fail(
        promise,
        `${cause} of broker ${brokerIn(subject)} by ${signals.map(({ says }) => says).join()}`,
        cluster,
      )
    if (seen === undefined) return
    const { testimony, probe, registration } = seen
    const against = [
      testimony.kind === 'dead' ||
        (testimony.kind === 'running' &&
          (testimony.ran === false || (testimony.lastEnd !== null && facts.at - testimony.since < 1_000))),
      probe.kind === 'silent' || probe.kind === 'refused',
      registration === 'fenced' || registration === 'absent',
    ].filter(Boolean).length
    const isEstranged =
      registration === 'absent' && testimony.kind === 'running' && facts.at - testimony.since >= 60_000
    if (against < 2 && !isEstranged)
      fail(promise, `broker ${brokerIn(subject)}: ${JSON.stringify(seen)}`, cluster)
  }

  function checkAlone(
    cluster: SimCluster,
    { subject }: Diagnosis,
    remedy: string,
    { partitions }: HealFacts,
  ): void {
    const broker = brokerIn(subject)
    const alone = partitions?.find(({ isr }) => isr.length === 1 && isr[0] === broker)
    if (alone !== undefined && remedy.includes('unregister'))
      fail(
        'no act on what is alone in sync',
        `${remedy} of broker ${broker}: ${JSON.stringify(alone)}`,
        cluster,
      )
  }

  return {
    figures,
    fail,
    decided(cluster, diagnosis, decision, facts) {
      figures.incidents++
      if (decision.kind === 'refuse')
        for (const reason of decision.reasons) count(figures.refusals, generalised(reason))
      if (decision.kind === 'propose') count(figures.refusals, 'policy: propose')
      if (decision.kind !== 'act') return
      checkSides(cluster, diagnosis, facts)
      checkAlone(cluster, diagnosis, decision.remedy, facts)
      if (policyOf(cluster)[diagnosis.cause] !== 'automatic')
        fail('policy is kept', `${diagnosis.cause} is ${policyOf(cluster)[diagnosis.cause]}`, cluster)
    },
    acting(cluster, incident) {
      const { id, cause, decision } = incident
      const broker = brokerIn(incident.subject)
      count(figures.acts, `${cause}: ${decision.remedy}`)
      const { paused, incidents } = keysOf(cluster).incidents.state()
      if (cause === 'broker-unregistered') checkOthers(cluster, incident, incidents)
      if (paused !== null && paused.at < now() - SETTLING_MS)
        fail('nothing is done while healing is paused', `incident ${id} acts`, cluster)
      const acts = (begun.get(cluster.name) ?? []).filter(
        ({ at }) => now() - at < LIMITS.windowMs - SETTLING_MS,
      )
      // Who takes over from one that fell silent ends the act that was begun.
      if (acts.some(each => each.id === id)) return
      acts.push({ id, at: now(), broker })
      begun.set(cluster.name, acts)
      const mine = acts.filter(each => each.broker === broker).length
      if (mine > LIMITS.actsPerSubject)
        fail('limits hold', `broker ${broker} is acted on ${mine} times within the window`, cluster)
      if (acts.length > LIMITS.actsPerCluster)
        fail('limits hold', `the cluster is acted on ${acts.length} times within the window`, cluster)
    },
    actor(name, cluster, lease) {
      const all = working.get(cluster.name) ?? new Set()
      working.set(cluster.name, all)
      const one = { name, lease }
      all.add(one)
      return () => void all.delete(one)
    },
    lands(name, cluster, broker, act, lease) {
      const held = keysOf(cluster).leases.state().leases[lease.id]
      if (held === undefined || held.token !== lease.token || held.holder !== name)
        fail(
          'no act without a live lease',
          `${name} would ${act} broker ${broker.id}, lease ${lease.id}`,
          cluster,
        )
      const { domain } = lease
      if (domain.kind === 'broker' && domain.broker !== broker.id)
        fail(
          'no act without a live lease',
          `a lease on broker ${domain.broker} for broker ${broker.id}`,
          cluster,
        )
      if (broker.token > lease.token)
        fail(
          'no act with a stale token',
          `broker ${broker.id} has obeyed ${broker.token}, not ${lease.token}`,
          cluster,
        )
      for (const other of working.get(cluster.name) ?? [])
        if (other.lease.id !== lease.id && other.lease.holds() && endangerTwice(other.lease, lease))
          fail('never two racks at once', `${name} and ${other.name} act on ${cluster.name}`, cluster)
      const key = `${cluster.name} ${broker.id} ${act} ${lease.id}`
      count(landed, key)
      if (landed.get(key)! > 1)
        fail('nothing is healed twice', `${act} of broker ${broker.id} again`, cluster)
      if (act !== 'unregister') return
      // What the controller did while the request was on its way nobody can know.
      if (broker.aloneSince === null) return
      if (now() - broker.aloneSince < ON_ITS_WAY_MS) {
        figures.overtaken++
        return
      }
      const what = `broker ${broker.id} is alone in sync since ${now() - broker.aloneSince} ms`
      fail('the last in-sync replica is never unregistered', what, cluster)
    },
    landed: checkRecords,
    late: () => void figures.late++,
    staleRefused: () => void figures.stale++,
  }

  /** One that lives is ended only if nothing in another rack is on its way back. */
  function checkOthers(cluster: SimCluster, incident: Incident, incidents: readonly Incident[]): void {
    const { rack, id } = cluster.broker(brokerIn(incident.subject))
    for (const each of incidents) {
      if (each.cluster !== cluster.name || each.actedAt === null || isOver(each)) continue
      const other = cluster.broker(brokerIn(each.subject))
      if (other.id === id || (rack !== null && other.rack === rack)) continue
      fail(
        'one rack is whole before what lives in another is ended',
        `${incident.id} acts, and ${each.id} is ${each.state}`,
        cluster,
      )
    }
  }

  /** Someone else who has every acknowledged record stays behind in each ISR. */
  function checkRecords(cluster: SimCluster, broker: SimBroker): void {
    for (const index of cluster.of.get(broker.id)!) {
      const { isr, topic, partition, leader } = cluster.partitions[index]!
      if (leader !== null && !isr.includes(leader))
        fail('acknowledged records stay', `${topic}-${partition} is led from outside its ISR`, cluster)
      if (isr.length === 0) fail('acknowledged records stay', `${topic}-${partition} has no ISR`, cluster)
    }
  }
}

/** Between the decision in the journal and the moment at which it is looked at here. */
const SETTLING_MS = 200
/** From the last look before an act until it has its effect. */
const ON_ITS_WAY_MS = 2_300

function endangerTwice({ domain: a }: SimLease, { domain: b }: SimLease): boolean {
  if (a.kind === 'cluster' || b.kind === 'cluster') return true
  if (a.rack === null || b.rack === null || a.rack !== b.rack) return true
  return a.kind === 'rack' || b.kind === 'rack' || a.broker === b.broker
}

/** Without the names in it. */
const generalised = (reason: string): string =>
  reason
    .replace(/replica of .*: /, 'replica of …: ')
    .replace(/broker \d+/, 'broker …')
    .replace(/^\d+ acts/, '… acts')
    .replace(/paused: .*/, 'paused')
