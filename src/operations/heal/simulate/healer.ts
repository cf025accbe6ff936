/**
 * One control process's healer of one cluster, as run.ts and incident.ts have it, with the waits in between as events: every
 * rule that it follows is the real one.
 */
import { affectedBy, flowsWithout, isRedundantWith } from '../affected.ts'
import { decidedText, isNews, mayBeDue } from '../again.ts'
import { decided as decidedIn, opened } from '../chronicle.ts'
import {
  type BrokerFacts,
  type Decision,
  type Diagnosis,
  type HealFacts,
  type HealPolicy,
  type Incident,
  isOver,
  type PartitionFacts,
  type Remedy,
  subjectKey,
} from '../contract.ts'
import { actsIn } from '../limits.ts'
import { SURVEY_MS } from '../run.ts'
import { isAbout, newIncidentId } from '../told.ts'
import type { Actor, Party, SimLease } from './actor.ts'
import { brokerIn, type Fates, probeOf, type SimBroker, type SimCluster, testimonyOf } from './cluster.ts'
import type { Rules } from './contract.ts'
import type { Keys } from './keys.ts'
import type { Dice, Schedule } from './schedule.ts'
import type { Watch } from './watch.ts'

export interface HealerWorld {
  readonly schedule: Schedule
  readonly dice: Dice
  readonly rules: Rules
  readonly cluster: SimCluster
  readonly fates: Fates
  readonly keys: Keys
  readonly policy: HealPolicy
  readonly watch: Watch
}

export interface SimHealer {
  /** Something may be other than it was. */
  ring(): void
  /** Its process begins anew. */
  forget(): void
}

const LOOK_MS = 1_000
/** After so long with nothing new, looking each second would only find the same. */
const SETTLED_MS = 100_000
const LOOK_SETTLED_MS = 20_000
const NOTICED_MS = [20, 300] as const
const WATCH_MS = 250
const LEASE_MS = 6_000
/** As in incident.ts: who has been silent for so long is overtaken; what was seen so long ago is looked at again. */
const TAKE_OVER_AFTER_MS = 8_000
const TAKE_OVER_EVERY_MS = 2_000
const TAKE_OVER_TIMES = 3
const STALE_MS = 1_000
const LEASE_WITHIN_MS = 6_000
const LEASE_AGAIN_MS = 200
const AVAILABLE_WITHIN_MS = 30_000
const REDUNDANT_WITHIN_MS = 900_000
const PROVE_MS = 100
const REQUEST_MS = [2, 25] as const
/** The controller may have to be found first. */
const FINDING_MS = [200, 2_200] as const
const UNREGISTER_MS = 2_000
const FIND_AGAIN = 0.1

/** All that is to be known of a cluster. */
export const factsNow = ({ name, brokers, partitions }: SimCluster, at: number): HealFacts => ({
  at,
  cluster: name,
  partitions,
  brokers: brokers.map(broker => ({
    id: broker.id,
    rack: broker.rack,
    registration: broker.registration,
    testimony: testimonyOf(broker),
    probe: probeOf(broker, at),
  })),
})

type Firm = Exclude<Decision, { kind: 'wait' }>

interface View {
  readonly partitions: readonly PartitionFacts[]
  readonly registrations: ReadonlyMap<number, BrokerFacts['registration']>
}

/** An incident that this healer follows; `told` is what the journal has of it. */
interface Work {
  told: Incident
  takenOver: number
  seenAt: number
}

export function createHealer(actor: Actor, party: Party, world: HealerWorld): SimHealer {
  const { schedule, dice, rules, cluster, fates, keys, policy, watch } = world
  const { now } = schedule
  /** Incidents, by id. */
  const handling = new Map<string, Work>()
  /** Called when the cluster is another; by the incident. */
  const proving = new Map<string, () => void>()
  let due = Number.POSITIVE_INFINITY
  let looking = false
  let lastRound = 0

  /* ---- looking ---- */

  function ring(): void {
    lookWithin(dice.between(...NOTICED_MS))
    for (const prove of proving.values()) actor.after(PROVE_MS, prove)
  }

  function lookWithin(ms: number): void {
    const at = now() + Math.round(ms)
    if (at >= due) return
    due = at
    actor.after(ms, () => {
      if (due !== at) return
      due = Number.POSITIVE_INFINITY
      if (looking) lookWithin(WATCH_MS)
      else look()
    })
  }

  const incidents = (): readonly Incident[] => keys.incidents.state().incidents

  function look(): void {
    let isOpen = false
    for (const open of incidents()) {
      if (open.cluster !== cluster.name || isOver(open)) continue
      isOpen = true
      if (handling.has(open.id)) continue
      const work = { told: open, takenOver: 0, seenAt: now() }
      handling.set(open.id, work)
      followToEnd(work)
    }
    const suspects = cluster.brokers.filter(isSuspect)
    if (suspects.length === 0) {
      if (isOpen) lookWithin(LOOK_SETTLED_MS)
      // What has just happened is noticed by a probe or an agent soon.
      if (now() - cluster.changedAt < LOOK_MS) lookWithin(WATCH_MS)
      // A round finds nothing in a cluster that is well: those are not simulated.
      if (cluster.brokers.every(({ registration }) => registration === 'up')) return
      const early = lastRound + SURVEY_MS - now()
      if (early > 0) {
        lookWithin(early)
        return
      }
    }
    lastRound = now()
    looking = true
    gather(suspects, facts => {
      looking = false
      for (const diagnosis of rules.diagnose(facts)) {
        const id = newIncidentId(diagnosis, incidents())
        if (id !== undefined && !handling.has(id)) consider(id, diagnosis, facts)
      }
      lookWithin(now() - cluster.changedAt < SETTLED_MS ? LOOK_MS : LOOK_SETTLED_MS)
    })
  }

  const isSuspect = (broker: SimBroker): boolean => {
    const { registration } = broker
    return rules.isSuspect(
      { testimony: testimonyOf(broker), probe: probeOf(broker, now()), registration },
      now(),
    )
  }

  /** The controller's view is as old as the watching of threads takes. */
  function gather(suspects: readonly SimBroker[], use: (facts: HealFacts) => void): void {
    const silent = suspects.filter(broker => probeOf(broker, now()).kind === 'silent').map(({ id }) => id)
    const view = viewNow()
    actor.after(dice.between(...REQUEST_MS) + (silent.length > 0 ? WATCH_MS : 0), () =>
      use(factsOf(view, silent)),
    )
  }

  const viewNow = (): View => ({
    partitions: cluster.partitions,
    registrations: new Map(cluster.brokers.map(({ id, registration }) => [id, registration])),
  })

  /** Only what was watched is known to run, or not to. */
  function factsOf(view: View, watched: readonly number[]): HealFacts {
    const { brokers, ...facts } = factsNow(cluster, now())
    return {
      ...facts,
      partitions: view.partitions,
      brokers: brokers.map(each => {
        const { id, testimony } = each
        const registration = view.registrations.get(id)!
        return testimony.kind === 'running' && !watched.includes(id)
          ? { ...each, registration, testimony: { ...testimony, ran: null } }
          : { ...each, registration }
      }),
    }
  }

  /* ---- one failure ---- */

  function decided(diagnosis: Diagnosis, facts: HealFacts): Decision {
    return rules.decide(diagnosis, facts, policy, {
      acts: actsIn(incidents(), cluster.name),
      incidents: incidents(),
      paused: keys.incidents.state().paused?.reason ?? null,
      hasInterlock: keys.isOpen(),
    })
  }

  function consider(id: string, diagnosis: Diagnosis, facts: HealFacts): void {
    const decision = decided(diagnosis, facts)
    if (decision.kind === 'wait') return
    if (!keys.isOpen()) return
    const told = { ...opened({ now }, diagnosis, decision), id }
    const work = { told, takenOver: 0, seenAt: now() }
    handling.set(id, work)
    keys.incidents.submit(
      { kind: 'tell', incident: told },
      actor.bound(outcome => {
        if (outcome.kind !== 'accepted') {
          standBack(told.id)
          return
        }
        watch.decided(cluster, diagnosis, decision, facts)
        carryOutOrFollow(work, diagnosis, decision)
      }),
    )
  }

  function carryOutOrFollow(work: Work, diagnosis: Diagnosis, decision: Firm): void {
    if (decision.kind === 'act') leaseFor(work, diagnosis, decision.remedy, now() + LEASE_WITHIN_MS, false)
    else followToEnd(work)
  }

  function standBack(id: string): void {
    handling.delete(id)
    proving.delete(id)
    lookWithin(LOOK_MS)
  }

  /** Calls back unless another healer has told of it meanwhile, or the journal is away. */
  function tell(work: Work, change: Partial<Incident>, text: string, then: () => void, not = () => {}): void {
    const { revision, evidence, timeline } = work.told
    const told: Incident = {
      ...work.told,
      ...change,
      revision: revision + 1,
      evidence: [...evidence, ...(change.evidence ?? [])],
      timeline: [...timeline, { at: now(), text }],
    }
    keys.incidents.submit(
      { kind: 'tell', incident: told },
      actor.bound(outcome => {
        if (outcome.kind === 'accepted') {
          work.told = told
          then()
          return
        }
        not()
        standBack(told.id)
      }),
    )
  }

  const follow = (work: Work, text: string): void => tell(work, {}, text, () => followToEnd(work))

  function leaseFor(work: Work, diagnosis: Diagnosis, remedy: Remedy, until: number, said: boolean): void {
    if (!keys.isOpen()) {
      follow(work, 'no lease: where leases are kept cannot be reached')
      return
    }
    const purpose = `healing ${diagnosis.cause}: ${remedy}`
    party.acquire(diagnosis.domain, purpose, LEASE_MS, answer => {
      if (answer.kind === 'granted') lookOnceMore(work, diagnosis, remedy, answer.lease)
      else if (answer.kind === 'unknown') standBack(work.told.id)
      else if (now() > until) follow(work, `no lease: ${answer.reason}`)
      else if (said) again(work, diagnosis, remedy, until)
      else
        tell(work, {}, `waiting for a lease: ${answer.reason}`, () => again(work, diagnosis, remedy, until))
    })
  }

  function again(work: Work, diagnosis: Diagnosis, remedy: Remedy, until: number): void {
    actor.after(LEASE_AGAIN_MS, () =>
      stillSo(diagnosis, found => {
        if (found === undefined) follow(work, 'no lease in time: it is not so any more')
        else leaseFor(work, diagnosis, remedy, until, true)
      }),
    )
  }

  /** What would be diagnosed now of the same failure. */
  function stillSo(
    { subject, cause, mark }: Diagnosis,
    then: (found: Diagnosis | undefined, facts: HealFacts) => void,
  ): void {
    const key = subjectKey(subject)
    gather(
      cluster.brokers.filter(({ id }) => id === brokerIn(subject)),
      facts =>
        then(
          rules
            .diagnose(facts)
            .find(each => subjectKey(each.subject) === key && each.cause === cause && each.mark === mark),
          facts,
        ),
    )
  }

  /* ---- the act ---- */

  /** As incident.ts has it: to tell and to be given the lease may have taken long. */
  function lookOnceMore(work: Work, diagnosis: Diagnosis, remedy: Remedy, lease: SimLease): void {
    const no = (): void => {
      lease.release('failed')
      follow(work, 'nothing was done: it is not so any more')
    }
    const other = rules.secondRack(diagnosis, cluster.brokers, incidents(), now())
    if (other !== undefined) {
      lease.release('failed')
      const decision: Incident['decision'] = { kind: 'refuse', remedy: null, reasons: [other], refused: [] }
      tell(work, { decision }, other, () => followToEnd(work))
      return
    }
    const { cause, pid, subject } = diagnosis
    const { process, agent } = cluster.broker(brokerIn(subject))
    const hasWoken = agent === 'answers' && process?.pid === pid && process?.frozen === false
    if (cause === 'broker-frozen' && hasWoken) no()
    else if (now() - work.seenAt <= STALE_MS) begin(work, diagnosis, remedy, lease)
    else
      stillSo(diagnosis, found => {
        if (found === undefined) no()
        else begin(work, diagnosis, remedy, lease)
      })
  }

  function begin(work: Work, diagnosis: Diagnosis, remedy: Remedy, lease: SimLease): void {
    tell(
      work,
      { state: 'acting', actedAt: now() },
      `acting: ${remedy}`,
      () => {
        watch.acting(cluster, work.told)
        act(work, diagnosis, remedy, lease)
      },
      () => lease.release('failed'),
    )
  }

  function act(work: Work, diagnosis: Diagnosis, remedy: Remedy, lease: SimLease): void {
    const broker = cluster.broker(brokerIn(diagnosis.subject))
    const done = watch.actor(actor.name, cluster, lease)
    const end = (problem: string | null): void => {
      done()
      lease.release(problem === null ? 'done' : 'failed')
      follow(work, problem === null ? `${remedy}: done` : `${remedy} failed: ${problem}`)
    }
    if (remedy === 'unregister') unregister(broker, lease, end)
    else if (remedy === 'kill') kill(broker, diagnosis, lease, end)
    else if (remedy === 'kill-and-unregister')
      kill(broker, diagnosis, lease, problem => {
        if (problem === null) unregister(broker, lease, end)
        else end(problem)
      })
    else throw new Error(`the simulation does not know the remedy ${JSON.stringify(remedy)}`)
  }

  function kill(
    broker: SimBroker,
    { pid }: Diagnosis,
    lease: SimLease,
    then: (problem: string | null) => void,
  ): void {
    if (!lease.holds()) {
      then('the lease has ended')
      return
    }
    // It is on its way: nothing that happens to its sender keeps it from arriving.
    schedule.after(
      dice.between(...REQUEST_MS),
      (
        (answered: (problem: string | null) => void) => () =>
          answered(killed(broker, pid, lease))
      )(actor.bound(problem => actor.after(dice.between(...REQUEST_MS), () => then(problem)))),
    )
  }

  /** As the agent has it: its token first, then which process is meant. */
  function killed(broker: SimBroker, pid: number | null, lease: SimLease): string | null {
    if (broker.agent === 'gone') return 'the agent does not answer'
    if (!rules.obeys(broker.token, lease.token)) {
      watch.staleRefused()
      return `token ${lease.token} comes after ${broker.token}`
    }
    watch.lands(actor.name, cluster, broker, 'kill', lease)
    broker.token = Math.max(broker.token, lease.token)
    if (broker.process?.pid !== pid) return `process ${pid} is gone`
    fates.die(broker, 'SIGKILL')
    return null
  }

  /** Right before, as acts.ts has it: whether others are in sync, and whether the lease still holds. */
  function unregister(broker: SimBroker, lease: SimLease, then: (problem: string | null) => void): void {
    const { partitions } = cluster
    actor.after(dice.between(...REQUEST_MS), () => {
      const { lastInSync } = affectedBy({ partitions }, { kind: 'broker', broker: broker.id })
      if (lastInSync.length > 0) then('it has become the only in-sync replica')
      else if (!lease.holds()) then('the lease has ended')
      else if (dice.chance(FIND_AGAIN)) {
        const until = now() + UNREGISTER_MS
        actor.after(dice.between(...FINDING_MS), () => {
          // One that stood still finds its deadline over before it sends.
          if (now() > until) then('the cluster did not answer in time')
          else send(broker, lease, then)
        })
      } else send(broker, lease, then)
    })
  }

  function send(broker: SimBroker, lease: SimLease, then: (problem: string | null) => void): void {
    const answered = actor.bound(() => actor.after(dice.between(...REQUEST_MS), () => then(null)))
    schedule.after(dice.between(...REQUEST_MS), () => {
      watch.lands(actor.name, cluster, broker, 'unregister', lease)
      if (fates.unregister(broker)) watch.late()
      watch.landed(cluster, broker)
      answered()
    })
  }

  /* ---- the proof ---- */

  /** As incident.ts has it: who was to act has been silent, or nobody has acted for whatever stood against it. */
  function overtake(work: Work): void {
    const { id, cause, decision: before, timeline, subject } = work.told
    const isSilent =
      before.kind === 'act' &&
      work.takenOver < TAKE_OVER_TIMES &&
      now() - timeline.at(-1)!.at >= TAKE_OVER_AFTER_MS
    const isDue = mayBeDue(work.told, now())
    if (!isSilent && !isDue) return
    const seen = work.told
    gather([cluster.broker(brokerIn(subject))], facts => {
      const diagnosis = rules.diagnose(facts).find(each => isAbout(each, { id, cause, subject }))
      if (diagnosis === undefined || work.told !== seen || handling.get(id) !== work || !proving.has(id))
        return
      const decision = decided(diagnosis, facts)
      if (!isNews(decision, work.told) || (decision.kind !== 'act' && !isDue)) return
      proving.delete(id)
      if (decision.kind === 'act') work.takenOver++
      work.seenAt = now()
      tell(work, decidedIn(decision), decidedText(decision), () => {
        if (decision.kind !== 'refuse') watch.decided(cluster, diagnosis, decision, facts)
        carryOutOrFollow(work, diagnosis, decision)
      })
    })
  }

  function followToEnd(work: Work): void {
    const { id, subject, cause } = work.told
    const broker = cluster.broker(brokerIn(subject))
    const it = { kind: 'broker', broker: broker.id } as const
    const isBack = (): boolean => isRedundantWith(cluster, it) && probeOf(broker, now()).kind === 'answers'
    const stage = (withinMs: number, holds: () => boolean, then: (held: boolean) => void): void => {
      let isOver = false
      const end = (held: boolean): void => {
        if (isOver || proving.get(id) !== prove) return
        isOver = true
        proving.delete(id)
        then(held)
      }
      const prove = (): void => {
        if (proving.get(id) !== prove) return
        if (!isOver && holds()) end(true)
        // What has just changed may not have been noticed.
        else if (!isOver && now() - cluster.changedAt < LOOK_MS) actor.after(LOOK_MS, prove)
      }
      proving.set(id, prove)
      actor.after(withinMs, () => end(false))
      prove()
    }
    const consider = (): void => {
      if (proving.get(id) === undefined || handling.get(id) !== work) return
      actor.after(TAKE_OVER_EVERY_MS, consider)
      overtake(work)
    }
    actor.after(TAKE_OVER_EVERY_MS, consider)
    const redundant = (): void =>
      stage(REDUNDANT_WITHIN_MS, isBack, held => {
        const change = held ? ({ state: 'healed', healedAt: now() } as const) : ({ state: 'failed' } as const)
        tell(work, change, held ? 'it is back' : 'its replicas are not in sync', () => {
          if (held) fates.returnLeaders(broker.id)
          standBack(id)
        })
      })
    if (work.told.availableAt !== null || cause === 'broker-unregistered') redundant()
    else
      stage(
        AVAILABLE_WITHIN_MS,
        () => flowsWithout(cluster, it) || isBack(),
        held => {
          if (!held) redundant()
          else tell(work, { state: 'available', availableAt: now(), evidence: [] }, 'writes flow', redundant)
        },
      )
  }

  keys.incidents.observers.push((command, state) => {
    if (command.kind !== 'tell') {
      ring()
      return
    }
    const { cluster: name, id } = command.incident
    if (name !== cluster.name || handling.has(id)) return
    if (state.incidents.some(each => each.cluster === name && !isOver(each))) lookWithin(LOOK_MS)
  })

  return {
    ring,
    forget() {
      handling.clear()
      proving.clear()
      looking = false
      due = Number.POSITIVE_INFINITY
      actor.after(dice.between(0, LOOK_MS), look)
    },
  }
}
