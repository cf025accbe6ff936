/**
 * What is to be done about an incident: an election that proof allows, whatever a person has approved, and what a healer that is
 * gone had begun. All that it rests on is looked at once more, under the lease.
 */
import { describeError } from '../../foundation/errors/errors.ts'
import type { Lease } from '../fleet/interlock/contract.ts'
import { electMostAdvanced, restoreOrder } from './acts/elect.ts'
import { actFor } from './acts.ts'
import { proposeAnew, standDown } from './asking.ts'
import { type Chronicle, type Firm, recoveryEvidence } from './chronicle.ts'
import type { Incident } from './contract.ts'
import { inOrderOf, isSafe, isWithin, lossText, type Recovery } from './recovery.ts'
import { type Again, domainOf, HELD_UP, isCurrent, leaseFor, proposedNow, type Work } from './work.ts'

/** Whether something is to be done about it now, whoever has decided so. */
export function isDue({ state, decision, recovery }: Incident): boolean {
  if (state === 'approved') return true
  const isElection = decision.remedy === 'elect-most-advanced' && recovery?.doneAt === null
  return isElection && (state === 'acting' || (state === 'open' && decision.kind === 'act'))
}

/** @throws what the journal throws; then it stays due */
export async function carryOutDue(work: Work, chronicle: Chronicle): Promise<void> {
  const incident = chronicle.now()
  const { id, subject, state } = incident
  const paused = work.book.paused()
  if (paused !== null && state !== 'acting') {
    await chronicle.note(`healing is paused: ${paused}`)
    return
  }
  const stillWanted = async (): Promise<boolean> => isCurrent(work, chronicle.now())
  const refused = (why: string): Promise<boolean> => chronicle.note(HELD_UP + why)
  const lease = await leaseFor(work, chronicle, domainOf(work, subject), stillWanted, refused)
  if (typeof lease === 'string') {
    await chronicle.note(lease)
    return
  }
  let isDone = false
  try {
    // Whoever had it in hand may have come to its end while this one waited.
    if (isCurrent(work, chronicle.now())) isDone = await underLease(work, chronicle, lease)
  } finally {
    const evidence = [{ label: 'incident', value: id }]
    await lease.release({ outcome: isDone ? 'done' : 'failed', evidence })
  }
}

async function underLease(work: Work, chronicle: Chronicle, lease: Lease): Promise<boolean> {
  const before = chronicle.now()
  const again = await work.lookAgain(before)
  if (again.kind === 'unclear') {
    await chronicle.note(`nothing is done just now: ${again.why}`)
    return false
  }
  const decision = again.kind === 'gone' ? undefined : proposedNow(again)
  if (again.kind === 'gone' || decision === undefined) {
    if (before.state === 'acting' && before.recovery !== undefined)
      return finishElection(work, chronicle, before.recovery, lease)
    return standDown(chronicle)
  }
  if (decision.kind === 'refuse' || !isAgreedTo(before, decision)) {
    if (before.state === 'acting' && before.recovery !== undefined)
      await restoreOrder(work, before.recovery, lease)
    await proposeAnew(work, chronicle, decision, 'what it rested on has changed')
    return false
  }
  return carryOut(work, chronicle, again, decision, lease)
}

/** Approved, or begun: just that, at that price. Else only what proof allows. */
function isAgreedTo(
  { state, decision, recovery }: Incident,
  now: Exclude<Firm, { kind: 'refuse' }>,
): boolean {
  if (now.remedy !== decision.remedy) return false
  if (now.recovery === undefined || recovery === undefined) return now.recovery === recovery
  return state === 'open' ? isSafe(now.recovery) : isWithin(recovery, now.recovery)
}

async function carryOut(
  work: Work,
  chronicle: Chronicle,
  { diagnosis }: Extract<Again, { kind: 'so' }>,
  { remedy, recovery: now }: Exclude<Firm, { kind: 'refuse' }>,
  lease: Lease,
): Promise<boolean> {
  const { state, recovery: before } = chronicle.now()
  // What others have led meanwhile may still be in another order than its own.
  const recovery = now === undefined ? undefined : state === 'acting' ? before! : inOrderOf(before, now)
  const act = actFor(work, diagnosis, remedy)
  const ahead: Partial<Incident> = {
    state: 'acting',
    actedAt: work.now(),
    ...(recovery === undefined
      ? { evidence: (await act?.intent()) ?? [] }
      : { recovery, evidence: recoveryEvidence(recovery) }),
  }
  // Written ahead: whoever takes over knows what was begun, and the order to return to.
  if (state !== 'acting' && !(await chronicle.tell(ahead, `acting: ${remedy}`))) return false
  let done: string | undefined
  try {
    if (remedy === 'elect-most-advanced') await electMostAdvanced(work, recovery!, lease)
    else done = await act?.carryOut(lease)
  } catch (error) {
    work.signal.throwIfAborted()
    return failed(work, chronicle, `${remedy} failed: ${describeError(error)}`)
  }
  if (recovery !== undefined) return electionDone(work, chronicle, recovery)
  return done === undefined ? false : chronicle.tell({}, done)
}

/** An election that has not come about is a person's to decide on; one that has, but for the order, is due again. */
async function failed(work: Work, chronicle: Chronicle, text: string): Promise<false> {
  const again = chronicle.now().recovery === undefined ? undefined : await work.lookAgain(chronicle.now())
  const decision = again?.kind === 'so' ? proposedNow(again) : undefined
  if (decision === undefined) await chronicle.note(text)
  else await proposeAnew(work, chronicle, decision, text)
  return false
}

/** They are led already: by this healer before it was killed, or by whoever came back. */
async function finishElection(
  work: Work,
  chronicle: Chronicle,
  recovery: Recovery,
  lease: Lease,
): Promise<boolean> {
  await restoreOrder(work, recovery, lease)
  return electionDone(work, chronicle, recovery)
}

const electionDone = (work: Work, chronicle: Chronicle, recovery: Recovery): Promise<boolean> =>
  chronicle.tell(
    { recovery: { ...recovery, doneAt: work.now() } },
    `${recovery.partitions.length === 1 ? 'its leader was' : 'their leaders were'} elected: ${lossText(recovery).replace('would be', 'are')}; the order of preference is what it was`,
  )
