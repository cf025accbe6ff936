import { isAjnaError } from '../errors/errors.ts'
import type { Beginning, OrderedLog } from './contract.ts'
import { JOURNAL_BEHIND } from './errors.ts'
import { type Loaded, loadReplica } from './load.ts'
import { decodeRecord } from './record.ts'
import { jump, type Received, receive, type Session } from './session.ts'

export interface ReaderOptions<S, C> {
  readonly session: Session<S, C>
  readonly log: OrderedLog
  /** After each record. */
  readonly onRecord: (received: Received<C>, offset: number) => void
  /** After a snapshot was loaded because records were deleted before they were read; `lost`: own records, outcome unknown. */
  readonly onJump: (lost: readonly number[]) => void
  /** After each group of records. */
  readonly onGroup: () => void
  readonly signal: AbortSignal
}

/** Applies the log from the session's position on, for ever; rejects with why it cannot. */
export async function readForEver<S, C>(options: ReaderOptions<S, C>): Promise<never> {
  const { session, log, onJump, signal } = options
  for (;;)
    try {
      await readOn(options)
      signal.throwIfAborted()
    } catch (error) {
      if (!isAjnaError(error, JOURNAL_BEHIND)) throw error
      const { replica } = await loadPastDeletions(log, session.machine, signal)
      onJump(jump(session, replica))
    }
}

async function readOn<S, C>({ session, log, onRecord, onGroup, signal }: ReaderOptions<S, C>): Promise<void> {
  for await (const records of log.read(session.replica.next, signal)) {
    for (const { offset, value } of records)
      onRecord(receive(session, offset, decodeRecord(value, `${log.name} offset ${offset}`)), offset)
    onGroup()
  }
}

/** Loads again when more was deleted while loading: the snapshot that allowed it lies further on. */
export async function loadPastDeletions<S>(
  log: OrderedLog,
  machine: Beginning<S>,
  signal: AbortSignal,
): Promise<Loaded<S>> {
  for (;;)
    try {
      return await loadReplica(log, machine, signal)
    } catch (error) {
      if (!isAjnaError(error, JOURNAL_BEHIND)) throw error
    }
}
