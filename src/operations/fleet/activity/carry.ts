import { describeError } from '../../../foundation/errors/errors.ts'
import type { Activity } from './contract.ts'
import { copyEntries } from './copy.ts'
import { decideCarrying } from './decide.ts'
import type { Waiting } from './outbox.ts'
import { type ActivityJournal, type Known, look, takeIn } from './state.ts'

const AGAIN_MS = 1_000
const SUBMIT_MS = 10_000
/** A copy of what has not changed says every so often that it has not. */
const COPY_EVERY_MS = 60_000
/** Entries on their way at once. */
const AT_ONCE = 100

/** Carries what waits into the journal for as long as that is open. */
export async function carryOn(known: Known, journal: ActivityJournal, until: AbortSignal): Promise<void> {
  const { logger } = known.options
  while (!until.aborted) {
    const { changes } = known
    try {
      await carry(known, journal, until)
      known.notTaken = null
    } catch (error) {
      if (until.aborted) return
      const why = describeError(error)
      if (known.notTaken !== why) logger.warn({ why }, 'entries are not taken into the journal')
      known.notTaken = why
    }
    await copy(known, journal)
    await pause(known, changes, until)
  }
}

/**
 * Sends what the journal does not have, and takes out of the outbox what was read back. Killed anywhere: what was not read
 * back is still in the outbox, and what is put a second time the machine refuses.
 */
async function carry(known: Known, journal: ActivityJournal, until: AbortSignal): Promise<void> {
  const { options, waiting, accepted, refused } = known
  const { send } = decideCarrying(waiting, heldBy(journal), accepted)
  const failure = await sendAll(
    known,
    journal,
    send.filter(({ file }) => !refused.has(file)),
    until,
  )
  const { mark, remove } = decideCarrying(waiting, heldBy(journal), accepted)
  // First it is in the list and in the copy, then no longer in the outbox: at any time one of them has it.
  takeIn(known, journal)
  if (mark.length + remove.length > 0) await copy(known, journal)
  for (const each of mark) await options.outbox.markTold(each)
  for (const each of remove) {
    await options.outbox.remove(each)
    accepted.delete(each.file)
  }
  if (mark.length + remove.length > 0) await look(known)
  if (failure !== undefined) throw failure
}

const heldBy = (journal: ActivityJournal): ReadonlyMap<string, Activity> =>
  new Map(journal.state().entries.map(entry => [entry.id, entry]))

/** Answers why it stopped before the last, if it did. */
async function sendAll(
  known: Known,
  journal: ActivityJournal,
  send: readonly Waiting[],
  until: AbortSignal,
): Promise<Error | undefined> {
  for (let from = 0; from < send.length; from += AT_ONCE) {
    const signal = AbortSignal.any([until, AbortSignal.timeout(known.options.submitMs ?? SUBMIT_MS)])
    const failures = await Promise.all(
      send.slice(from, from + AT_ONCE).map(each =>
        sendOne(known, journal, each, signal).then(
          () => undefined,
          (error: Error) => error,
        ),
      ),
    )
    const failure = failures.find(error => error !== undefined)
    if (failure !== undefined) return failure
  }
  return undefined
}

async function sendOne(
  { options, accepted, refused }: Known,
  journal: ActivityJournal,
  { entry, file }: Waiting,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await journal.submit({ kind: 'put', entry }, { signal })
  if (outcome.accepted) accepted.add(file)
  // Refused because it is there: as good as accepted. Anything else would be refused again.
  else if (outcome.by === 'machine' && !heldBy(journal).has(entry.id)) {
    refused.add(file)
    options.logger.error({ file, reason: outcome.reason }, 'the journal refuses an entry for good')
  }
}

async function copy(known: Known, journal: ActivityJournal): Promise<void> {
  const { options, asOf, copied } = known
  const { entries } = journal.state()
  if (entries === copied.entries && (asOf ?? 0) - (copied.asOf ?? 0) < COPY_EVERY_MS) return
  try {
    await copyEntries(options.copy, { asOf, entries: [...entries] })
    known.copied = { entries, asOf }
  } catch (error) {
    options.logger.warn({ err: error }, 'no copy of the activity could be made')
  }
}

/** Until other files wait than when it was looked last, or for a while. */
function pause(known: Known, changes: number, until: AbortSignal): Promise<void> {
  if (known.changes !== changes || until.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(goOn, AGAIN_MS)
    function goOn(): void {
      clearTimeout(timer)
      until.removeEventListener('abort', goOn)
      resolve()
    }
    until.addEventListener('abort', goOn, { once: true })
    known.wake = goOn
  })
}
