/** What waits for a person: asked once, and anew whenever what would be done, or what it would cost, has changed. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Chronicle, decided, type Firm, openingText } from './chronicle.ts'
import type { Incident } from './contract.ts'
import { proposedAnew } from './proposal.ts'
import { inOrderOf, isWithin, type Recovery } from './recovery.ts'
import { type Again, isCurrent, proposedNow, type Work } from './work.ts'

const LISTEN_MS = 250
/** Every replica's log is read each time. */
const LOOK_MS = 5_000
/** Somebody who can be elected may be back. */
const NEWS_LOOK_MS = 1_000
/** One look may have missed what an agent or a broker had to say. */
const LOOKS_TO_BELIEVE = 2

/**
 * Until it is answered, over by itself, or another healer has told of it; or until nobody has to be asked any more, since who has
 * everything has come back.
 */
export async function ask(work: Work, chronicle: Chronicle): Promise<void> {
  const { signal } = work
  let [others, stirredAt, lookedAt] = [0, work.stirredAt(), performance.now()]
  for (let next = lookedAt + LOOK_MS; isCurrent(work, chronicle.now()); ) {
    await delay(LISTEN_MS, undefined, { signal })
    const at = performance.now()
    const isNews = work.stirredAt() > stirredAt || chronicle.now().state === 'open'
    if (at < next && (!isNews || at < lookedAt + NEWS_LOOK_MS)) continue
    ;[lookedAt, stirredAt] = [at, work.stirredAt()]
    const again = await work.lookAgain(chronicle.now())
    if (again.kind === 'unclear') continue
    if (await beginAfterAll(work, chronicle, again)) return
    if (at < next) continue
    next = performance.now() + LOOK_MS
    const decision = again.kind === 'gone' ? undefined : proposedNow(again)
    others = isAsAsked(chronicle.now(), decision) ? 0 : others + 1
    if (others < LOOKS_TO_BELIEVE || !isCurrent(work, chronicle.now())) continue
    if (decision === undefined) await standDown(chronicle)
    else await proposeAnew(work, chronicle, decision)
    return
  }
}

/**
 * What needs no person now is due: it is looked at once more before it is done, under the lease. Who has said no is not
 * overruled.
 */
async function beginAfterAll(work: Work, chronicle: Chronicle, again: Again): Promise<boolean> {
  const before = chronicle.now()
  if (again.kind !== 'so' || before.subject.kind !== 'partitions' || before.state === 'declined') return false
  const decision = work.decide(again)
  if (decision.kind !== 'act' || !isCurrent(work, before)) return false
  const now = decided(decision)
  const recovery = now.recovery === undefined ? undefined : inOrderOf(before.recovery, now.recovery)
  await chronicle.tell(
    { ...now, ...(recovery === undefined ? {} : { recovery }), state: 'open' },
    `it has changed: ${openingText(before, decision)}`,
  )
  return true
}

function isAsAsked({ state, decision, recovery }: Incident, now: Firm | undefined): boolean {
  if (now === undefined) return false
  if (now.kind === 'refuse') return state === 'open'
  return state !== 'open' && now.remedy === decision.remedy && isSame(recovery, now.recovery)
}

function isSame(asked: Recovery | undefined, now: Recovery | undefined): boolean {
  if (asked === undefined || now === undefined) return asked === now
  return isWithin(asked, now) && isWithin(now, asked)
}

/** Puts to a person what would be done now; what nobody can do is said. */
export async function proposeAnew(
  work: Work,
  chronicle: Chronicle,
  decision: Firm,
  because = 'it has changed',
): Promise<boolean> {
  const before = chronicle.now()
  const now = decided(decision)
  const recovery = now.recovery === undefined ? before.recovery : inOrderOf(before.recovery, now.recovery)
  const text = `${because}: ${openingText(before, decision)}`
  return chronicle.tell(
    {
      ...now,
      ...(recovery === undefined ? {} : { recovery }),
      ...(decision.kind === 'refuse'
        ? { state: 'open' }
        : { state: 'proposed', proposal: proposedAnew(before.proposal, work.now()) }),
    },
    text,
  )
}

/** What was to be decided is over; how it ends is only followed. */
export const standDown = (chronicle: Chronicle): Promise<boolean> =>
  chronicle.tell(
    { state: 'open', decision: { ...chronicle.now().decision, kind: 'wait' } },
    'it is not so any more: nothing is done',
  )
