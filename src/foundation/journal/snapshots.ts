import { type AjnaError, isAjnaError } from '../errors/errors.ts'
import { digestOf } from './canonical.ts'
import type { Json, OrderedLog } from './contract.ts'
import { MARK_PATIENCE } from './replica.ts'
import { type Sender, send } from './sender.ts'
import type { Session } from './session.ts'

/**
 * Takes a snapshot when enough records have come since the last one: a mark, at which every replica hashes its state; the
 * snapshot, which every replica compares with that hash; then deletion of what lies before the *previous* snapshot. So
 * there is always an accepted snapshot at the head of the log, and the newest one is checked against a replay by whoever
 * opens the journal. Which mark and which snapshot count is decided at replay; it does not matter how many processes try.
 */
export interface Snapshots {
  /** Called when the replica has caught up. */
  consider(): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export interface SnapshotOptions<S, C> {
  readonly session: Session<S, C>
  readonly log: OrderedLog
  readonly sender: Sender<S, C>
  /** Records. */
  readonly every: number
  readonly random: () => number
  readonly alarm: (alarm: AjnaError) => void
  readonly signal: AbortSignal
}

const STEP_DEADLINE_MS = 30_000

export function startSnapshots<S, C>(options: SnapshotOptions<S, C>): Snapshots {
  const { session, log, sender, alarm, signal } = options
  // Spread, so that processes do not all mark at the same record.
  const every = Math.ceil(options.every * (1 + options.random() / 4))
  let running: Promise<void> | undefined

  function consider(): void {
    const { next, snapshot, mark } = session.replica
    const marked = mark !== undefined && next - mark.offset <= MARK_PATIENCE
    if (running !== undefined || next - snapshot < every || marked) return
    running = take()
      .catch(report)
      .finally(() => {
        running = undefined
      })
  }

  async function take(): Promise<void> {
    const { verdict } = await send(sender, { kind: 'mark' }, step())
    if (verdict.kind !== 'marked') return
    const { contents } = verdict
    const digest = digestOf(contents as Json)
    const machine = session.machine.version
    const draft = { kind: 'snapshot', machine, covers: contents.next, digest, contents } as const
    const taken = await send(sender, draft, step())
    if (taken.verdict.kind === 'snapshot' && taken.replica.previous > 0)
      await log.deleteBefore(taken.replica.previous, step())
  }

  function step(): AbortSignal {
    return AbortSignal.any([signal, AbortSignal.timeout(STEP_DEADLINE_MS)])
  }

  function report(error: unknown): void {
    if (signal.aborted) return
    if (!isAjnaError(error)) throw error
    alarm(error)
  }

  return { consider, idle: async () => running }
}
