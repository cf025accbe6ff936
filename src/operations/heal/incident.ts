/** One failure, from the decision to full redundancy: the lease, the act, the proof, each told as it happens. */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import { awayIn, electPreferred } from './acts/prefer.ts'
import { actFor } from './acts.ts'
import { affectedBy, flowsWithout, isRedundantWith, partitionsOf } from './affected.ts'
import { decidedText, isNews, isUnacted, mayBeDue } from './again.ts'
import { ask } from './asking.ts'
import { isLed } from './causes/leaderless.ts'
import { type Chronicle, createChronicle, decided, evidenceOf, type Firm, opened } from './chronicle.ts'
import { watchCondition } from './conditions/follow.ts'
import { isStanding } from './conditions/standing.ts'
import {
  type BrokerSubject,
  type Diagnosis,
  type Incident,
  isOver,
  type PartitionsSubject,
  type Remedy,
} from './contract.ts'
import { copyEvidence } from './copied.ts'
import { heldBack } from './decide.ts'
import { carryOutDue, isDue } from './due.ts'
import type { HealerOptions } from './ends.ts'
import { type ControllerView, controllerView } from './facts.ts'
import { isPassing, secondRack } from './in-the-way.ts'
import { nameOf } from './recovery.ts'
import { HELD_UP, inTheWay, isCurrent, leaseFor, type Work } from './work.ts'

/** An incident that was to be acted on, and of which nothing was told for so long: whoever acted is gone, or failed. */
const TAKE_OVER_AFTER_MS = 8_000
const TAKE_OVER_EVERY_MS = 2_000
const TAKE_OVER_TIMES = 3
const STIRRED_EVERY_MS = 500
/** What was seen so long ago is looked at again before anything is done about it. */
const STALE_MS = 1_000
const PROVE_EVERY_MS = 100
const AVAILABLE_WITHIN_MS = 30_000
const REDUNDANT_EVERY_MS = 500
const REDUNDANT_WITHIN_MS = 900_000
/** A damaged replica is waited for as long as it is damaged, and then for its copy, however large it is. */
const COPIED_WITHIN_MS = 24 * 3_600_000
const RESUME_EVERY_MS = 500
const SIDES_EVERY_MS = 1_000
/** One look may have missed what an agent or a broker had to say. */
const LOOKS_TO_BELIEVE = 2

/**
 * Whoever tells of it first has it. Several healers may follow it: the first that sees it change tells so, and the others
 * stand back.
 *
 * @throws what the journal throws: then the incident stays as it was told last, and is resumed
 */
export async function handle(work: Work, id: string, diagnosis: Diagnosis, decision: Firm): Promise<void> {
  const chronicle = createChronicle(work, { ...opened(work, diagnosis, decision), id })
  if (!(await chronicle.begin())) return
  // What is safe only as long as nothing comes back is looked at once more, like all that waits for somebody.
  if (decision.kind === 'act' && decision.remedy !== 'elect-most-advanced')
    await carryOut(work, chronicle, diagnosis, decision.remedy, chronicle.now().detectedAt)
  await resume(work, chronicle.now())
}

/**
 * An incident from where it stands to its end: also one that another process had in hand, or this one before it was killed. It
 * is followed, and taken over if need be.
 */
export async function resume(work: Work, first: Incident): Promise<void> {
  const { signal, book } = work
  for (let seen: Incident | undefined = first; seen !== undefined && !isOver(seen) && !signal.aborted; ) {
    const chronicle = createChronicle(work, seen)
    if (isDue(seen)) await carryOutDue(work, chronicle)
    else if (isAsked(seen)) await ask(work, chronicle)
    else await watchUntilOver(work, chronicle)
    const pauseMs = isOver(chronicle.now()) ? 0 : RESUME_EVERY_MS
    await delay(pauseMs, undefined, { signal }).catch(() => undefined)
    const { id }: Incident = seen
    seen = book.list().findLast(each => each.id === id)
  }
}

/** A person may decide on it; what could not be healed for want of a leader to elect may yet be. */
const isAsked = ({ state, cause, decision }: Incident): boolean =>
  state === 'proposed' ||
  state === 'declined' ||
  (state === 'open' && cause === 'partition-leaderless' && decision.kind === 'refuse')

async function carryOut(
  work: Work,
  chronicle: Chronicle,
  diagnosis: Diagnosis,
  remedy: Remedy,
  seenAt: number,
): Promise<void> {
  const act = actFor(work, diagnosis, remedy)
  if (act === undefined) return
  const stillSo = (): Promise<boolean> => work.stillSo(diagnosis)
  const { decision } = chronicle.now()
  const refused = (why: string): Promise<boolean> => holdUp(chronicle, why)
  const lease = await leaseFor(work, chronicle, diagnosis.domain, stillSo, refused)
  if (typeof lease === 'string') {
    await chronicle.note(lease)
    return
  }
  // Nobody holds it now, but somebody may have acted in another rack while it was waited for.
  const other = secondRack(diagnosis, work.brokers, work.book.list(), work.now())
  if (other !== undefined) {
    await lease.release({ outcome: 'failed' })
    await refused(other)
    return
  }
  // To tell of it and to be given the lease may have taken long, if where both are kept was away.
  const isStale = work.now() - seenAt > STALE_MS && !(await stillSo())
  if (isStale || (diagnosis.cause === 'broker-frozen' && (await work.hasWoken(diagnosis)))) {
    await lease.release({ outcome: 'failed' })
    await chronicle.tell({}, 'nothing was done: it is not so any more')
    return
  }
  const evidence = [{ label: 'incident', value: chronicle.now().id }]
  let done: string
  try {
    // Written ahead: who only follows may see the act's effect before it is known here that it is done.
    const change = {
      state: 'acting',
      actedAt: work.now(),
      decision,
      evidence: await act.intent(),
    } as const
    if (!(await chronicle.tell(change, `acting: ${remedy}`))) {
      await lease.release({ outcome: 'failed', evidence })
      return
    }
    done = await act.carryOut(lease)
  } catch (error) {
    await lease.release({ outcome: 'failed', evidence })
    await chronicle.tell({}, `${remedy} failed: ${describeError(error)}`)
    return
  }
  await lease.release({ outcome: 'done', evidence })
  await chronicle.tell({}, done)
}

/** Told as what it is for now: a refusal, with who stands in the way. False: another healer has told of it meanwhile. */
async function holdUp(chronicle: Chronicle, why: string): Promise<boolean> {
  const { decision } = chronicle.now()
  if (decision.kind === 'refuse' && decision.reasons.join() === why) return true
  const refused = decision.remedy === null ? decision.refused : [heldBack(decision.remedy, [why])]
  return chronicle.tell(
    { decision: { kind: 'refuse', remedy: null, reasons: [why], refused } },
    HELD_UP + why,
  )
}

/**
 * Looks whether a failure that was to be acted on still is as it was, though whoever was to act has been silent for longer
 * than its lease lasts: then it is acted on again, under a lease of one's own. What nobody has acted on, for whatever stood
 * against it, is decided on again as long as it is so. What is no longer so is only followed.
 */
function overtaker(work: Work, chronicle: Chronicle): () => Promise<void> {
  let [times, lookedAt] = [0, chronicle.now().detectedAt]
  return async () => {
    const open = chronicle.now()
    const at = work.now()
    const silentMs = at - open.timeline.at(-1)!.at
    const isSilent = open.decision.kind === 'act' && times < TAKE_OVER_TIMES && silentMs >= TAKE_OVER_AFTER_MS
    const { decision: before } = open
    const isHeldUp = isUnacted(open) && before.kind === 'refuse' && before.reasons.some(isPassing)
    const obstacle = isHeldUp ? inTheWay(work, open) : undefined
    if (obstacle !== undefined && before.reasons.includes(obstacle)) return
    const isFree = isHeldUp && obstacle === undefined
    const isDue = isFree || mayBeDue(open, at)
    // What stood against it may be over: a second side may say now what one alone said. One that is about to be acted on is
    // its healer's.
    const isLeft = isUnacted(open) && before.kind !== 'act'
    const isStirred = isLeft && work.stirredAt() > lookedAt
    if (!isSilent && !isDue && !isStirred) return
    if (at - lookedAt < (isStirred || isFree ? STIRRED_EVERY_MS : TAKE_OVER_EVERY_MS)) return
    lookedAt = at
    const again = await work.again(open)
    if (again === undefined || !isNews(again.decision, open)) return
    const { diagnosis, decision } = again
    if (decision.kind !== 'act') {
      if (isDue) await chronicle.tell(decided(decision), decidedText(decision))
      return
    }
    times++
    const text =
      before.kind === 'act'
        ? `nothing was heard for ${silentMs} ms, and it is so still`
        : decidedText(decision)
    if (await chronicle.tell(decided(decision), text))
      await carryOut(work, chronicle, diagnosis, decision.remedy, at)
  }
}

/* ---- proof ---- */

function watchUntilOver(work: Work, chronicle: Chronicle): Promise<void> {
  const { subject, cause } = chronicle.now()
  if (cause === 'testimony-disputed') return watchSides(work, chronicle)
  if (isStanding(cause)) return watchCondition(work, chronicle, overtaker(work, chronicle))
  switch (subject.kind) {
    case 'partitions':
      return watchPartitions(work, chronicle, subject)
    case 'broker':
    case 'log-dir':
    case 'replica':
      return watchBroker(work, chronicle, subject)
    default:
      // No other cause is about it.
      return Promise.resolve()
  }
}

/** Until nobody contradicts anybody any more, however long that takes. */
async function watchSides(work: Work, chronicle: Chronicle): Promise<void> {
  const { signal } = work
  for (let agreed = 0; agreed < LOOKS_TO_BELIEVE && isCurrent(work, chronicle.now()); ) {
    await delay(SIDES_EVERY_MS, undefined, { signal })
    const isOdd = (await work.lookAgain(chronicle.now())).kind !== 'gone'
    agreed = isOdd ? 0 : agreed + 1
  }
  if (!isCurrent(work, chronicle.now())) return
  await chronicle.tell({ state: 'healed', healedAt: work.now() }, 'no side contradicts another any more')
}

/**
 * Until writes flow, then until every replica is in sync again. A broker's word about a dead one may be older than the act:
 * that it is in sync counts only once it answers itself.
 */
async function watchBroker(options: Work, chronicle: Chronicle, subject: BrokerSubject): Promise<void> {
  const { cause } = chronicle.now()
  const takeOver = overtaker(options, chronicle)
  const isBack = (view: ControllerView): boolean =>
    isRedundantWith(view, subject) && options.answers(subject.broker) && options.isWell(subject)
  // Writes to a damaged replica flow all the while.
  const isServed = cause === 'broker-unregistered' || cause === 'segment-corrupt'
  if (chronicle.now().availableAt === null && !isServed) {
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
          evidence: evidenceOf('after', affectedBy(view, subject), subject),
        },
        subject.kind === 'log-dir'
          ? 'no partition waits for a replica on it'
          : 'every partition it has a replica of is led by another in-sync replica',
      )
      if (!told) return
    }
  }
  const withinMs = subject.kind === 'replica' ? COPIED_WITHIN_MS : REDUNDANT_WITHIN_MS
  const whole = await until(options, withinMs, REDUNDANT_EVERY_MS, takeOver, isBack)
  if (options.signal.aborted) return
  if (whole === undefined) {
    const minutes = withinMs / 60_000
    await chronicle.tell(
      { state: 'failed' },
      `${subject.kind === 'log-dir' ? 'its disk is not well, or ' : ''}its replicas are not in sync after ${minutes} minutes: somebody has to look`,
    )
    return
  }
  const proof = subject.kind === 'replica' ? await copyEvidence(options, chronicle.now(), subject) : []
  const told = await chronicle.tell(
    {
      state: 'healed',
      healedAt: options.now(),
      evidence: [...evidenceOf('end', affectedBy(whole, subject), subject), ...proof],
    },
    subject.kind === 'replica'
      ? 'its agent finds it damaged no more, and it is in sync'
      : 'it is back, and all its replicas are in sync',
  )
  if (told) await returnLeaders(options, subject, whole)
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
  options: HealerOptions,
  subject: BrokerSubject,
  view: ControllerView,
): Promise<void> {
  const { broker } = subject
  const away = awayIn({ partitions: partitionsOf(view, subject) }, broker)
  if (away.length === 0) return
  const given = await electPreferred(options, away, () => {})
  options.log.info({ broker, ...given }, 'leaders were returned')
}

/**
 * Until they have leaders again, and everyone who lives is in sync with them. Who was lost for good stays away: that its
 * replicas need another place is not part of this failure.
 */
async function watchPartitions(work: Work, chronicle: Chronicle, subject: PartitionsSubject): Promise<void> {
  const led = await until(
    work,
    REDUNDANT_WITHIN_MS,
    REDUNDANT_EVERY_MS,
    async () => {},
    view =>
      isLed(view.partitions, subject, id =>
        view.brokers.some(each => each.id === id && each.fenced !== true),
      ),
  )
  if (work.signal.aborted) return
  if (led === undefined) {
    const minutes = REDUNDANT_WITHIN_MS / 60_000
    await chronicle.tell(
      { state: 'failed' },
      `not all have a leader after ${minutes} minutes: somebody has to look`,
    )
    return
  }
  const its = new Set(subject.partitions.map(nameOf))
  const missing = led.partitions
    .filter(each => its.has(nameOf(each)))
    .flatMap(({ replicas, isr }) => replicas.filter(id => !isr.includes(id)))
  const away = [...new Set(missing)].sort((a, b) => a - b)
  const at = work.now()
  await chronicle.tell(
    {
      state: 'healed',
      availableAt: chronicle.now().availableAt ?? at,
      healedAt: at,
      evidence: [
        ...evidenceOf('end', { leaderless: 0, waitingForIt: 0, lastInSync: [] }, subject),
        { when: 'end', label: 'brokers whose replicas are not in sync', value: away.join(', ') || 'none' },
      ],
    },
    `they are led, and everyone who lives is in sync${away.length === 0 ? '' : `; the replicas of broker ${away.join(', ')} are not`}`,
  )
}
