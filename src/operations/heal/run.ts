/**
 * The healer of one cluster: watches the three sides, and takes each failure from its first sign to full redundancy.
 * It looks again whenever its agent or a probe says something new, and at least once a second at what is suspect.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { ProcessStatus } from '../hosts/contract.ts'
import { diagnosisOf, isHopeless } from './causes/leaderless.ts'
import { incidentId } from './chronicle.ts'
import { noteExplained } from './conditions/explained.ts'
import { PATIENCE } from './conditions/facts.ts'
import { isStanding } from './conditions/standing.ts'
import { createConditions } from './conditions/watch.ts'
import {
  type Decision,
  type Diagnosis,
  type HealFacts,
  type Incident,
  isOver,
  type LogDirFacts,
  type PartitionsSubject,
} from './contract.ts'
import { watchCorruption } from './corruption.ts'
import { isUndamaged } from './damage.ts'
import { decide } from './decide.ts'
import { cares, diagnose } from './diagnose.ts'
import { startDoubts } from './doubts.ts'
import type { HealedBroker, HealerOptions } from './ends.ts'
import { type ControllerView, controllerView, factsOf, testimonyOf } from './facts.ts'
import { handle, resume } from './incident.ts'
import { actsIn } from './limits.ts'
import { isTroubled, logDirFacts, watchLogDirs } from './log-dirs.ts'
import { FULL, isFull } from './machine.ts'
import { createNeeds } from './needs.ts'
import { startProbes } from './probe.ts'
import { createSurvey } from './survey.ts'
import { isSuspect } from './suspects.ts'
import { isAbout, newIncidentId } from './told.ts'
import { isToBeMadeWhole, makeWhole } from './withdraw.ts'
import type { Again, Work } from './work.ts'

const LOOK_MS = 1_000
/** One failure rings no bell: a broker that answers, and is not registered. Every so often that is asked for. */
export const SURVEY_MS = PATIENCE.lookMs
const SURVEY_WITHIN_MS = 500
const AGENT_AGAIN_MS = 500
const WATCH_MS = 250
/** What a frozen broker was asked, another one answers the next time. */
const NEEDS_WITHIN_MS = 300
const LAST_LOOK_MS = 100
const SAID_AGAIN_MS = 60_000

/** Runs until the signal aborts. */
export async function heal(options: HealerOptions): Promise<void> {
  const { brokers, agent, tls, now, signal, log } = options
  const alarm = createAlarm(now)
  const { lookMs } = { ...PATIENCE, ...options.patience }
  const probes = startProbes({
    targets: brokers.map(({ id, host, port }) => ({ broker: id, host, port })),
    tls,
    now,
    changed: alarm.ring,
    signal,
  })
  const logDirs = watchLogDirs({ admin: options.admin, brokers, now, changed: alarm.ring, signal })
  const dirsOf = (broker: number, process: string): readonly LogDirFacts[] =>
    logDirFacts(
      processes?.find(({ name }) => name === process),
      logDirs.of(broker),
    )
  const conditions = createConditions(options)
  const work: Work = {
    ...options,
    stirredAt: alarm.rungAt,
    answers: broker => probes.of(broker).kind === 'answers',
    isWell(subject) {
      if (subject.kind !== 'log-dir' && subject.kind !== 'replica') return true
      const { process } = brokers.find(({ id }) => id === subject.broker)!
      if (subject.kind === 'replica') return isUndamaged(statusOf(process), subject)
      const found = dirsOf(subject.broker, process).find(({ path }) => path === subject.dir)
      return found !== undefined && !isTroubled(found) && found.broker === 'online'
    },
    async hasWoken({ subject, pid }) {
      if (!('broker' in subject)) return false
      const { process } = brokers.find(({ id }) => id === subject.broker)!
      const life = await agent.ran(process, LAST_LOOK_MS, signal).catch(() => undefined)
      return probes.of(subject.broker).kind === 'answers' || (life?.pid === pid && life.ran)
    },
    stands({ cause, subject }) {
      const seen = conditions.last()
      return seen === undefined || (cares[cause].stands?.(subject, seen) ?? true)
    },
    async stillSo(diagnosis) {
      return (await diagnosedAgain({ ...diagnosis, id: incidentId(diagnosis) })) !== undefined
    },
    async again(incident) {
      const found = await diagnosedAgain(incident)
      return found === undefined ? undefined : { ...found, decision: decided(found.diagnosis, found.facts) }
    },
    decide: ({ diagnosis, facts }) => decided(diagnosis, facts),
    async lookAgain(incident): Promise<Again> {
      const { subject, beganAt } = incident
      if (subject.kind === 'partitions') return leaderlessAgain(subject, beganAt)
      const found = await diagnosedAgain(incident)
      return found === undefined ? { kind: 'gone' } : { kind: 'so', ...found }
    },
  }
  const survey = createSurvey(options)
  const needs = createNeeds(options)
  const doubts = startDoubts({ brokers, agent, probes, now, signal })
  let processes: readonly ProcessStatus[] | null = null
  const statusOf = (process: string) => processes?.find(({ name }) => name === process)
  const corruption = watchCorruption(options, () => processes, alarm.ring)
  const listening = listen(options, found => {
    processes = found
    // Of what the agent has seen die or start, its address tells at once.
    probes.askNow()
    alarm.ring()
  })
  /** Incidents that are being handled, by id. */
  const handling = new Map<string, Promise<void>>()
  const take = (incident: string, work: Promise<void>): void => {
    const done = work
      .catch(error => {
        if (!signal.aborted)
          log.error({ err: error, incident }, 'an incident could not be followed to its end')
      })
      .finally(() => handling.delete(incident))
    handling.set(incident, done)
  }

  let surveyedAt = now()
  async function unregistered(among: readonly HealedBroker[]): Promise<readonly HealedBroker[]> {
    if (now() - surveyedAt < SURVEY_MS) return []
    surveyedAt = now()
    const seen = await options.admin
      .describeCluster({ signal, deadlineMs: SURVEY_WITHIN_MS })
      .catch(() => undefined)
    if (seen === undefined) return []
    const known = new Set(seen.brokers.map(({ id }) => id))
    return among.filter(({ id }) => !known.has(id))
  }

  /** Incidents after whose act was looked. */
  const whole = new Set<string>()
  function lookAfterActs(): void {
    for (const open of options.book.list()) {
      if (open.cluster !== options.cluster || whole.has(open.id) || !isToBeMadeWhole(open, now())) continue
      whole.add(open.id)
      // A cluster that does not answer is asked again at the next look.
      void makeWhole(options, open).catch(() => whole.delete(open.id))
    }
  }

  async function look(): Promise<void> {
    lookAfterActs()
    for (const open of options.book.list())
      if (open.cluster === options.cluster && !isOver(open) && !handling.has(open.id))
        take(open.id, resume(work, open))
    const suspects = brokers.filter(({ id, process }) => suspected(id, process))
    if (suspects.length === 0) suspects.push(...(await unregistered(brokers)))
    const isSeen = suspects.length > 0 || corruption.seen().length > 0
    if (!isSeen && !isTimeToSurvey()) return
    const seen = await gather(suspects)
    const facts = { ...seen, leaderless: await survey.look(seen).catch(unsurveyed) }
    considerAll(diagnose(facts), facts)
    void lookAtConditions(seen)
  }

  function considerAll(diagnoses: readonly Diagnosis[], facts: HealFacts): void {
    for (const diagnosis of diagnoses) {
      const id = newIncidentId(diagnosis, options.book.list())
      if (id !== undefined && !handling.has(id)) take(id, consider(id, diagnosis, facts))
    }
  }

  /** Not waited for: what fails must not be found later for what only stands. */
  let looksAtConditions = false
  async function lookAtConditions(seen: HealFacts): Promise<void> {
    if (looksAtConditions) return
    looksAtConditions = true
    try {
      const facts = await conditions.look(seen)
      considerAll(
        diagnose(facts).filter(({ cause }) => isStanding(cause)),
        facts,
      )
      await noteExplained(work, facts)
    } catch (error) {
      if (!signal.aborted) log.error({ err: error }, 'the healer could not look at what stands')
    } finally {
      looksAtConditions = false
    }
  }

  /** Where nothing points to a failure, partitions are looked at less often. */
  let partitionsSeenAt = 0
  function isTimeToSurvey(): boolean {
    const isCalm = brokers.every(({ id }) => probes.of(id).kind === 'answers')
    if (now() - partitionsSeenAt < (isCalm ? lookMs : LOOK_MS)) return false
    partitionsSeenAt = now()
    return true
  }

  const unsurveyed = (error: unknown): [] => {
    if (!signal.aborted)
      log.info({ reason: describeError(error) }, 'what leaderless partitions hold is not known')
    return []
  }

  async function leaderlessAgain({ partitions }: PartitionsSubject, since: number): Promise<Again> {
    const seen = await gather([])
    try {
      const leaderless = await survey.again(partitions, since, seen)
      if (leaderless.length === 0) return { kind: 'gone' }
      const facts = { ...seen, leaderless }
      if (!leaderless.every(each => isHopeless(each, facts)))
        return { kind: 'unclear', why: 'whoever was in sync last is coming back, and brings its leadership' }
      return { kind: 'so', diagnosis: diagnosisOf(leaderless, facts), facts }
    } catch (error) {
      signal.throwIfAborted()
      return { kind: 'unclear', why: describeError(error) }
    }
  }

  const suspected = (broker: number, process: string): boolean =>
    dirsOf(broker, process).some(isTroubled) ||
    doubts.has(broker) ||
    isSuspect({ probe: probes.of(broker), testimony: testimonyOf(processes, process, null) }, now())

  /** The same failure, as it would be diagnosed now; undefined: it is not so any more. */
  async function diagnosedAgain(incident: Pick<Incident, 'id' | 'cause' | 'subject'>) {
    const { subject } = incident
    const broker = 'broker' in subject ? subject.broker : undefined
    const seen = await gather(brokers.filter(({ id }) => id === broker))
    const facts = broker === undefined ? await conditions.look(seen) : seen
    const diagnosis = diagnose(facts).find(each => isAbout(each, incident))
    return diagnosis === undefined ? undefined : { diagnosis, facts }
  }

  async function gather(suspects: readonly HealedBroker[]): Promise<HealFacts> {
    const view = await viewOf()
    const known = needs.look(view?.partitions ?? [], suspects.length === 0, signal).catch(() => undefined)
    await Promise.race([known, delay(NEEDS_WITHIN_MS, undefined, { signal }).catch(() => undefined)])
    // Last, and so the freshest: on a busy machine the cluster takes its time to answer, and who has woken by then is not frozen.
    const silent = suspects.filter(({ id }) => probes.of(id).kind === 'silent')
    const watched = silent.map(async ({ id, process }) => {
      // Who cannot be asked testifies nothing.
      const life = await agent.ran(process, WATCH_MS, signal).catch(() => undefined)
      return life === undefined ? [] : [[id, life.ran] as const]
    })
    const frozen = brokers.flatMap(({ id, process }) => {
      const { pid = null } = processes?.find(({ name }) => name === process) ?? {}
      return doubts.saysFrozen(id, pid) ? [[id, false] as const] : []
    })
    const ran = new Map([...frozen, ...(await Promise.all(watched)).flat()])
    const { cluster } = options
    const told = { needs: needs.of, damaged: corruption.seen() }
    const sides = { cluster, brokers, view, processes, ran, probes, logDirs, ...told, at: now() }
    return doubts.noted(factsOf(sides))
  }

  const viewOf = (): Promise<ControllerView | null> =>
    controllerView(options.admin, signal).catch(error => {
      log.info({ reason: describeError(error) }, 'the cluster does not say how it stands')
      return null
    })

  function decided(diagnosis: Diagnosis, facts: HealFacts): Decision {
    const { book, interlock, policy } = options
    return decide(diagnosis, facts, policy, {
      acts: actsIn(book.list(), options.cluster),
      incidents: book.list(),
      paused: book.paused(),
      hasInterlock: interlock() !== undefined,
    })
  }

  async function consider(id: string, diagnosis: Diagnosis, facts: HealFacts): Promise<void> {
    const decision = decided(diagnosis, facts)
    if (decision.kind === 'wait') return
    // It would be refused every second anew.
    if (isFull(options.book.list())) return tooMany(id)
    await handle(work, id, diagnosis, decision)
  }

  let tooManySaidAt = Number.NEGATIVE_INFINITY
  function tooMany(incident: string): void {
    if (now() - tooManySaidAt < SAID_AGAIN_MS) return
    tooManySaidAt = now()
    log.error({ incident, reason: FULL }, 'a failure was found that cannot be told of, and is not healed')
  }

  while (!signal.aborted) {
    const rung = alarm.next()
    await look().catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'the healer could not look')
    })
    await Promise.race([rung, delay(LOOK_MS, undefined, { signal }).catch(() => undefined)])
  }
  await Promise.all([listening, ...handling.values()])
}

async function listen(
  { agent, signal }: HealerOptions,
  told: (processes: readonly ProcessStatus[] | null) => void,
): Promise<void> {
  let version = -1
  while (!signal.aborted) {
    try {
      const list = await agent.processes(version, signal)
      if (list.version !== version) told(list.processes)
      version = list.version
    } catch {
      // An agent that does not answer testifies nothing: then nobody is called dead or frozen.
      if (version !== -1) told(null)
      version = -1
      await delay(AGENT_AGAIN_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** A bell that is heard once it was rung since the last `next`. */
function createAlarm(now: () => number) {
  let bell = Promise.withResolvers<void>()
  let rungAt = 0
  return {
    ring(): void {
      rungAt = now()
      bell.resolve()
    },
    rungAt: () => rungAt,
    next: (): Promise<void> => {
      bell = Promise.withResolvers()
      return bell.promise
    },
  }
}
