import { type Activity, type ActivityLog, byBeginning } from './contract.ts'
import { readCopy } from './copy.ts'
import { followOnce } from './follow.ts'
import { type ActivityOptions, type Known, look, NOT_READ_YET, standingOf, untilAborted } from './state.ts'
import { createView } from './view.ts'

export interface RunningActivity extends ActivityLog {
  /**
   * Tells an entry through this machine's outbox; it is listed when this resolves.
   *
   * @throws AjnaError ACTIVITY_NOT_RECORDED
   */
  record(entry: Activity): Promise<Activity>
  /** Settles once the signal has aborted and everything has come to rest. */
  readonly ended: Promise<void>
}

const LOOK_MS = 300
/** Between losing the journal and opening it anew. */
const AGAIN_MS = 1_000

/**
 * Carries this machine's outbox into the journal and shows both as one list, until the signal aborts. The list is there at
 * once, whatever can be reached. Any number of processes may do this at once; one is enough for a machine.
 */
export async function runActivity(options: ActivityOptions): Promise<RunningActivity> {
  const { journal, outbox, signal, logger } = options
  const copy = await readCopy(options.copy)
  const entries = copy.entries.toSorted(byBeginning)
  const known: Known = {
    options,
    view: createView(),
    waiting: [],
    changes: 0,
    wake: () => {},
    entries,
    copied: { entries, asOf: copy.asOf },
    asOf: copy.asOf,
    awaySince: journal === undefined ? null : options.now(),
    away: journal === undefined ? null : NOT_READ_YET,
    notTaken: null,
    accepted: new Set(),
    refused: new Set(),
  }
  const lookOrSay = () =>
    look(known).catch(error => logger.error({ err: error }, 'the outbox cannot be read'))
  known.view.show(entries)
  await outbox.sweep().catch(error => logger.error({ err: error }, 'the outbox cannot be swept'))
  await lookOrSay()
  const looking = untilAborted(signal, options.lookMs ?? LOOK_MS, lookOrSay)
  const following = journal && untilAborted(signal, AGAIN_MS, () => followOnce(known, journal.openLog))
  const { list, get, onEntry } = known.view
  return {
    ...{ list, get, onEntry },
    journal: () => standingOf(known),
    ended: Promise.all([looking, following]).then(() => undefined),
    async record(entry) {
      const recorded = await outbox.put(entry)
      await look(known)
      return recorded
    },
  }
}
