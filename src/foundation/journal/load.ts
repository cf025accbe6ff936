import { AjnaError } from '../errors/errors.ts'
import type { Beginning, OrderedLog } from './contract.ts'
import { JOURNAL_LOG_LOST } from './errors.ts'
import { decodeRecord } from './record.ts'
import { emptyReplica, type Replica, restore } from './replica.ts'

export interface Loaded<S> {
  /** Go on reading at `replica.next`. */
  readonly replica: Replica<S>
  /** One past the last record at the time of asking. */
  readonly end: number
}

/**
 * Where replay starts: the empty state when the log is whole, else the snapshot that covers exactly what is deleted. Only
 * a snapshot that was accepted is ever deleted behind, so that one needs no other proof.
 *
 * @throws AjnaError JOURNAL_LOG_LOST when there is none, JOURNAL_BEHIND when more was deleted meanwhile (load again)
 */
export async function loadReplica<S>(
  log: OrderedLog,
  machine: Beginning<S>,
  signal: AbortSignal,
): Promise<Loaded<S>> {
  const { start, end } = await log.bounds(signal)
  if (start === 0) return { replica: emptyReplica(machine), end }
  for await (const records of start < end ? log.read(start, signal) : [])
    for (const { offset, value } of records) {
      const envelope = decodeRecord(value, `${log.name} offset ${offset}`)
      if (envelope?.kind === 'snapshot' && envelope.covers === start)
        return { replica: restore(machine, offset, envelope), end }
      if (offset >= end - 1) throw headLost(log, start)
    }
  signal.throwIfAborted()
  throw headLost(log, start)
}

function headLost(log: OrderedLog, start: number): AjnaError {
  return new AjnaError(
    JOURNAL_LOG_LOST,
    `${log.name} begins at offset ${start}, and no snapshot in it covers what lay before`,
  )
}
