import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { OrderedLog } from '../../../foundation/journal/contract.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import { carryOn } from './carry.ts'
import { activityMachine } from './machine.ts'
import { type ActivityJournal, type Known, noteAway, noteRead, takeIn, untilAborted } from './state.ts'

const OPEN_MS = 15_000
const PROBE_EVERY_MS = 2_000
const PROBE_MS = 5_000
const LAG_LOOK_MS = 50

/** From opening the journal until it stops, or cannot be opened. */
export async function followOnce(known: Known, openLog: () => Promise<OrderedLog>): Promise<void> {
  const { signal, logger } = known.options
  const patience = AbortSignal.timeout(OPEN_MS)
  try {
    await using probe = await openLog()
    await using journal = await openJournal({
      log: await openLog(),
      machine: activityMachine,
      logger,
      signal: AbortSignal.any([signal, patience]),
    })
    await follow(known, journal, probe)
    journal.stopped.throwIfAborted()
  } catch (error) {
    if (!signal.aborted) noteAway(known, whyNot(error, patience, OPEN_MS))
  }
}

async function follow(known: Known, journal: ActivityJournal, probe: OrderedLog): Promise<void> {
  const until = AbortSignal.any([known.options.signal, journal.stopped])
  let coming = false
  const unobserve = journal.observe(() => {
    // Many come at once while it catches up: they are shown together.
    if (coming) return
    coming = true
    setImmediate(() => {
      coming = false
      takeIn(known, journal)
    })
  })
  takeIn(known, journal)
  try {
    await Promise.all([
      untilAborted(until, PROBE_EVERY_MS, () => probeOnce(known, journal, probe, until)),
      carryOn(known, journal, until),
    ])
  } finally {
    unobserve()
  }
}

/** Whether all that others told is here: the log is asked where it ends, and the journal must have come that far. */
async function probeOnce(
  known: Known,
  journal: ActivityJournal,
  probe: OrderedLog,
  until: AbortSignal,
): Promise<void> {
  const asked = known.options.now()
  const patience = AbortSignal.timeout(PROBE_MS)
  try {
    const { end } = await probe.bounds(AbortSignal.any([until, patience]))
    while (journal.position() < end && !patience.aborted && !until.aborted) await delay(LAG_LOOK_MS)
    const missing = end - journal.position()
    if (missing > 0) throw new Error(`its last ${missing} records cannot be read`)
    noteRead(known, asked)
  } catch (error) {
    if (!until.aborted) noteAway(known, whyNot(error, patience, PROBE_MS))
  }
}

/** A timeout by itself says nothing that a person could use. */
const whyNot = (error: unknown, patience: AbortSignal, ms: number): string =>
  patience.aborted ? `no answer within ${ms / 1_000} s` : describeError(error)
