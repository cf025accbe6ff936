/** One failure, from the decision to full redundancy: the lease, the act, the proof, each told as it happens. */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { Lease } from '../fleet/interlock/contract.ts'
import { act, doneText } from './acts.ts'
import { affectedBy, flowsWithout, isRedundantWith } from './affected.ts'
import {
  type Affected,
  type Decision,
  type Diagnosis,
  type Incident,
  type Remedy,
  subjectKey,
  subjectText,
} from './contract.ts'
import type { HealerOptions } from './ends.ts'
import { type ControllerView, controllerView } from './facts.ts'

/** The healer, and what it sees just now. */
export interface Work extends HealerOptions {
  readonly answers: (broker: number) => boolean
  /** Whether a diagnosis is what would be made now too. */
  readonly stillSo: (diagnosis: Diagnosis) => Promise<boolean>
  /** Whether a process that was found frozen runs again. */
  readonly hasWoken: (diagnosis: Diagnosis) => Promise<boolean>
  /** What would be found and decided now of an incident's failure; undefined: it is not so any more. */
  readonly again: (
    incident: Incident,
  ) => Promise<{ readonly diagnosis: Diagnosis; readonly decision: Decision } | undefined>
}

type Firm = Exclude<Decision, { kind: 'wait' }>

/** How long its holder may be silent before another healer may act in its stead. */
const ACT_LEASE_MS = 6_000
/** An incident that was to be acted on, and of which nothing was told for so long: whoever acted is gone, or failed. */
const TAKE_OVER_AFTER_MS = 8_000
const TAKE_OVER_EVERY_MS = 2_000
const TAKE_OVER_TIMES = 3
/** What was seen so long ago is looked at again before anything is done about it. */
const STALE_MS = 1_000
const LEASE_WITHIN_MS = 10_000
const LEASE_AGAIN_MS = 200
const PROVE_EVERY_MS = 100
const AVAILABLE_WITHIN_MS = 30_000
const REDUNDANT_EVERY_MS = 500
const REDUNDANT_WITHIN_MS = 900_000

/** The same for every healer that sees the same failure. */
export const incidentId = ({ cluster, subject, mark }: Diagnosis): string =>
  [cluster.toLowerCase().replace(/[^0-9a-z]+/g, '-'), subjectKey(subject), mark].join('-').slice(-64)

/**
 * Whoever tells of it first has it. Several healers may follow it: the first that sees it change tells so, and the others
 * stand back.
 *
 * @throws what the journal throws: then the incident stays as it was told last, and is resumed
 */
export async function handle(work: Work, diagnosis: Diagnosis, decision: Firm): Promise<void> {
  const chronicle = createChronicle(work, opened(work, diagnosis, decision))
  if (!(await chronicle.begin())) return
  const seenAt = chronicle.now().detectedAt
  if (decision.kind !== 'act' || (await carryOut(work, chronicle, diagnosis, decision.remedy, seenAt)))
    await watchUntilOver(work, chronicle)
}

/** False: another healer has told of it meanwhile. */
async function carryOut(
  work: Work,
  chronicle: Chronicle,
  diagnosis: Diagnosis,
  remedy: Remedy,
  seenAt: number,
): Promise<boolean> {
  const lease = await leaseFor(work, chronicle, diagnosis, remedy)
  if (typeof lease === 'string') return chronicle.tell({}, lease)
  // To tell of it and to be given the lease may have taken long, if where both are kept was away.
  const isStale = work.now() - seenAt > STALE_MS && !(await work.stillSo(diagnosis))
  if (isStale || (diagnosis.cause === 'broker-frozen' && (await work.hasWoken(diagnosis)))) {
    await lease.release({ outcome: 'failed' })
    return chronicle.tell({}, 'nothing was done: it is not so any more')
  }
  const evidence = [{ label: 'incident', value: chronicle.now().id }]
  // Written ahead: who only follows may see the act's effect before it is known here that it is done.
  if (!(await chronicle.tell({ state: 'acting', actedAt: work.now() }, `acting: ${remedy}`))) {
    await lease.release({ outcome: 'failed', evidence })
    return false
  }
  try {
    await act(work, diagnosis, remedy, lease)
  } catch (error) {
    await lease.release({ outcome: 'failed', evidence })
    return chronicle.tell({}, `${remedy} failed: ${describeError(error)}`)
  }
  await lease.release({ outcome: 'done', evidence })
  return chronicle.tell({}, doneText(diagnosis, remedy))
}

/** The lease, or why there is none: somebody else acts on the cluster, or what was to be healed is no longer so. */
async function leaseFor(
  { interlock, signal, stillSo }: Work,
  chronicle: Chronicle,
  diagnosis: Diagnosis,
  remedy: Remedy,
): Promise<Lease | string> {
  const { cause, domain } = diagnosis
  const until = performance.now() + LEASE_WITHIN_MS
  for (let said = false; ; said = true) {
    const keys = interlock()
    if (keys === undefined) return 'no lease: where leases are kept cannot be reached'
    const purpose = `healing ${cause}: ${remedy}`
    const answer = await keys.acquire({ domain, purpose, leaseMs: ACT_LEASE_MS }, signal)
    if (answer.granted) return answer.lease
    if (performance.now() > until) return `no lease: ${answer.reason}`
    if (!said && !(await chronicle.tell({}, `waiting for a lease: ${answer.reason}`)))
      return 'another healer has it'
    await delay(LEASE_AGAIN_MS, undefined, { signal })
    if (!(await stillSo(diagnosis))) return 'no lease in time: it is not so any more'
  }
}

/** An incident that another process had in hand, or this one before it was killed: it is followed, and taken over if need be. */
export function resume(work: Work, open: Incident): Promise<void> {
  return watchUntilOver(work, createChronicle(work, open))
}

/**
 * Looks whether a failure that was to be acted on still is as it was, though whoever was to act has been silent for longer
 * than its lease lasts: then it is acted on again, under a lease of one's own. What is no longer so is only followed.
 */
function overtaker(work: Work, chronicle: Chronicle): () => Promise<void> {
  let [times, lookedAt] = [0, 0]
  return async () => {
    const { decision, timeline } = chronicle.now()
    const at = work.now()
    if (decision.kind !== 'act' || times >= TAKE_OVER_TIMES) return
    if (at - timeline.at(-1)!.at < TAKE_OVER_AFTER_MS || at - lookedAt < TAKE_OVER_EVERY_MS) return
    lookedAt = at
    const again = await work.again(chronicle.now())
    if (again?.decision.kind !== 'act') return
    times++
    const { diagnosis, decision: now } = again
    if (await chronicle.tell({}, `nothing was heard for ${at - timeline.at(-1)!.at} ms, and it is so still`))
      await carryOut(work, chronicle, diagnosis, now.remedy, at)
  }
}

/* ---- proof ---- */

/**
 * Until writes flow, then until every replica is in sync again. A broker's word about a dead one may be older than the act:
 * that it is in sync counts only once it answers itself.
 */
async function watchUntilOver(options: Work, chronicle: Chronicle): Promise<void> {
  const { subject, cause } = chronicle.now()
  const takeOver = overtaker(options, chronicle)
  const isBack = (view: ControllerView): boolean =>
    isRedundantWith(view, subject) && options.answers(subject.broker)
  if (chronicle.now().availableAt === null && cause !== 'broker-unregistered') {
    const view = await until(
      options,
      AVAILABLE_WITHIN_MS,
      PROVE_EVERY_MS,
      takeOver,
      seen => flowsWithout(seen, subject) || isBack(seen),
    )
    if (view !== undefined) {
      const told = await chronicle.tell(
        {
          state: 'available',
          availableAt: options.now(),
          evidence: evidenceOf('after', affectedBy(view, subject)),
        },
        'every partition it has a replica of is led by another in-sync replica',
      )
      if (!told) return
    }
  }
  const whole = await until(options, REDUNDANT_WITHIN_MS, REDUNDANT_EVERY_MS, takeOver, isBack)
  if (options.signal.aborted) return
  if (whole === undefined) {
    const minutes = REDUNDANT_WITHIN_MS / 60_000
    await chronicle.tell(
      { state: 'failed' },
      `its replicas are not in sync after ${minutes} minutes: somebody has to look`,
    )
    return
  }
  const told = await chronicle.tell(
    { state: 'healed', healedAt: options.now(), evidence: evidenceOf('end', affectedBy(whole, subject)) },
    'it is back, and all its replicas are in sync',
  )
  if (told) await returnLeaders(options, subject.broker, whole)
}

/** The view in which it holds; undefined when the time is over. */
async function until(
  { admin, signal }: HealerOptions,
  withinMs: number,
  everyMs: number,
  meanwhile: () => Promise<void>,
  holds: (view: ControllerView) => boolean,
): Promise<ControllerView | undefined> {
  const deadline = performance.now() + withinMs
  while (!signal.aborted && performance.now() < deadline) {
    // While the cluster does not say how it stands, nothing is proved.
    const view = await controllerView(admin, signal).catch(() => undefined)
    if (view !== undefined && holds(view)) return view
    await meanwhile()
    await delay(everyMs, undefined, { signal }).catch(() => undefined)
  }
  return undefined
}

/** Its partitions were led by others meanwhile: what it leads by preference it leads again. */
async function returnLeaders(
  { admin, signal, log }: HealerOptions,
  broker: number,
  view: ControllerView,
): Promise<void> {
  const away = view.partitions.filter(({ replicas, leader }) => replicas[0] === broker && leader !== broker)
  if (away.length === 0) return
  const outcomes = await admin.electLeaders('preferred', away, { signal })
  const failed = outcomes.filter(({ error }) => error !== null)
  log.info({ broker, elected: away.length - failed.length, failed: failed.length }, 'leaders were returned')
}

/* ---- what is told ---- */

interface Chronicle {
  now(): Incident
  /** False: another healer has it. */
  begin(): Promise<boolean>
  /** False: another healer has told of it meanwhile, and this one stands back. */
  tell(change: Partial<Incident>, text: string): Promise<boolean>
}

function createChronicle({ book, now, signal, log }: HealerOptions, first: Incident): Chronicle {
  let incident = first
  return {
    now: () => incident,
    async begin() {
      const why = await book.tell(incident, signal)
      return why === undefined
    },
    async tell(change, text) {
      const told: Incident = {
        ...incident,
        ...change,
        revision: incident.revision + 1,
        evidence: [...incident.evidence, ...(change.evidence ?? [])],
        timeline: [...incident.timeline, { at: now(), text }],
      }
      const why = await book.tell(told, signal)
      if (why === undefined) incident = told
      else log.info({ incident: told.id, why }, 'another healer follows the incident')
      return why === undefined
    },
  }
}

function opened({ now }: HealerOptions, diagnosis: Diagnosis, decision: Firm): Incident {
  const { cluster, subject, cause, beganAt, signals, affected } = diagnosis
  const { reasons, refused } = decision
  const remedy = decision.kind === 'refuse' ? null : decision.remedy
  const detectedAt = now()
  return {
    id: incidentId(diagnosis),
    revision: 0,
    ...{ cluster, subject, cause, beganAt, detectedAt },
    state: 'open',
    actedAt: null,
    availableAt: null,
    healedAt: null,
    signals: [...signals],
    decision: { kind: decision.kind, remedy, reasons: [...reasons], refused: [...refused] },
    evidence: evidenceOf('before', affected),
    timeline: [{ at: detectedAt, text: openingText(diagnosis, decision) }],
  }
}

function openingText({ subject, cause }: Diagnosis, decision: Firm): string {
  const what = `${cause}: ${subjectText(subject)}`
  switch (decision.kind) {
    case 'act':
      return `${what}; remedy: ${decision.remedy}`
    case 'propose':
      return `${what}; proposed: ${decision.remedy}`
    case 'refuse':
      return `${what}; nothing is done: ${decision.reasons.join('; ')}`
    default:
      return decision satisfies never
  }
}

function evidenceOf(when: Incident['evidence'][number]['when'], affected: Affected): Incident['evidence'] {
  return [
    { when, label: 'partitions led by it, or by nobody', value: String(affected.leaderless) },
    { when, label: 'partitions whose acks=all writes wait for it', value: String(affected.waitingForIt) },
    {
      when,
      label: 'partitions of which it is the only in-sync replica',
      value: String(affected.lastInSync.length),
    },
  ]
}
