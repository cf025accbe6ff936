/**
 * The healer of one cluster: watches the three sides, and takes each failure from its first sign to full redundancy.
 * It looks again whenever its agent or a probe says something new, and at least once a second.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { ProcessStatus } from '../hosts/contract.ts'
import {
  type Diagnosis,
  type HealFacts,
  type Incident,
  isOver,
  type LogDirFacts,
  subjectKey,
} from './contract.ts'
import { decide } from './decide.ts'
import { diagnose } from './diagnose.ts'
import type { HealedBroker, HealerOptions } from './ends.ts'
import { type ControllerView, controllerView, factsOf } from './facts.ts'
import { handle, incidentId, isToBeMadeWhole, makeWhole, resume, type Work } from './incident.ts'
import { isTroubled, logDirFacts, watchLogDirs } from './log-dirs.ts'
import { startProbes } from './probe.ts'

const LOOK_MS = 1_000
const AGENT_AGAIN_MS = 500
const WATCH_MS = 250

/** Runs until the signal aborts. */
export async function heal(options: HealerOptions): Promise<void> {
  const { brokers, agent, tls, now, signal, log } = options
  const alarm = createAlarm()
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
  const work: Work = {
    ...options,
    answers: broker => probes.of(broker).kind === 'answers',
    isWell(subject) {
      if (subject.kind !== 'log-dir') return true
      const { process } = brokers.find(({ id }) => id === subject.broker)!
      const found = dirsOf(subject.broker, process).find(({ path }) => path === subject.dir)
      return found !== undefined && !isTroubled(found) && found.broker === 'online'
    },
    async stillSo({ subject, cause, mark }) {
      const key = subjectKey(subject)
      const now = diagnose(await gather(brokers.filter(({ id }) => id === subject.broker)))
      return now.some(each => subjectKey(each.subject) === key && each.cause === cause && each.mark === mark)
    },
  }
  let processes: readonly ProcessStatus[] | null = null
  const listening = listen(options, found => {
    processes = found
    alarm.ring()
  })
  /** What has an incident that is being handled. */
  const handling = new Map<string, Promise<void>>()
  const take = (subject: string, work: Promise<void>): void => {
    const done = work
      .catch(error => {
        if (!signal.aborted)
          log.error({ err: error, subject }, 'an incident could not be followed to its end')
      })
      .finally(() => handling.delete(subject))
    handling.set(subject, done)
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
      if (open.cluster === options.cluster && !isOver(open) && !handling.has(subjectKey(open.subject)))
        take(subjectKey(open.subject), resume(work, open))
    const suspects = brokers.filter(({ id, process }) => !handling.has(`${id}`) && isSuspect(id, process))
    if (suspects.length === 0) return
    const facts = await gather(suspects)
    for (const diagnosis of diagnose(facts)) {
      const key = subjectKey(diagnosis.subject)
      if (handling.has(key) || isKnown(diagnosis)) continue
      take(key, consider(diagnosis, facts))
    }
  }

  function isSuspect(broker: number, process: string): boolean {
    const probe = probes.of(broker)
    if (probe.kind === 'silent' || probe.kind === 'refused') return true
    if (dirsOf(broker, process).some(isTroubled)) return true
    const status = processes?.find(({ name }) => name === process)
    return status !== undefined && (status.pid === null || now() - (status.since ?? 0) < LOOK_MS)
  }

  async function gather(suspects: readonly HealedBroker[]): Promise<HealFacts> {
    const silent = suspects.filter(({ id }) => probes.of(id).kind === 'silent')
    const watched = silent.map(async ({ id, process }) => {
      // Who cannot be asked testifies nothing.
      const life = await agent.ran(process, WATCH_MS, signal).catch(() => undefined)
      return life === undefined ? [] : [[id, life.ran] as const]
    })
    const [view, ran] = await Promise.all([viewOf(), Promise.all(watched)])
    const { cluster } = options
    return factsOf({
      cluster,
      brokers,
      view,
      processes,
      ran: new Map(ran.flat()),
      probes,
      logDirs,
      at: now(),
    })
  }

  const viewOf = (): Promise<ControllerView | null> =>
    controllerView(options.admin, signal).catch(error => {
      log.info({ reason: describeError(error) }, 'the cluster does not say how it stands')
      return null
    })

  /** The same failure is an incident once. */
  const isKnown = (diagnosis: Diagnosis): boolean => {
    const id = incidentId(diagnosis)
    return options.book.list().some(each => each.id === id)
  }

  async function consider(diagnosis: Diagnosis, facts: HealFacts): Promise<void> {
    const { book, interlock, policy } = options
    const decision = decide(diagnosis, facts, policy, {
      acts: actsIn(book.list(), options.cluster),
      paused: book.paused(),
      hasInterlock: interlock() !== undefined,
    })
    if (decision.kind === 'wait') return
    await handle(work, diagnosis, decision)
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

function actsIn(incidents: readonly Incident[], cluster: string) {
  return incidents.flatMap(each =>
    each.cluster === cluster && each.actedAt !== null ? [{ subject: each.subject, at: each.actedAt }] : [],
  )
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
function createAlarm() {
  let bell = Promise.withResolvers<void>()
  return {
    ring: () => bell.resolve(),
    next: (): Promise<void> => {
      bell = Promise.withResolvers()
      return bell.promise
    },
  }
}
