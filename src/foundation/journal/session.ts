import type { Machine } from './contract.ts'
import type { Draft, Envelope } from './record.ts'
import { encodeRecord } from './record.ts'
import { type Replica, replay, type Verdict } from './replica.ts'

/**
 * One writer's view: its replica, and which of its own sealed records have not been read back yet. No I/O and no time:
 * the journal and the simulation drive the same code.
 */
export interface Session<S, C> {
  readonly writer: string
  replica: Replica<S>
  nextSeq: number
  /** Sealed records whose fate is open, oldest first. */
  readonly open: Map<number, Draft>
  readonly machine: Machine<S, C>
}

/** All of a session but the machine. */
type Position<S> = Omit<Session<S, never>, 'machine'>

export interface SealedRecord {
  readonly seq: number
  readonly value: Uint8Array
}

export interface Received<C> {
  readonly verdict: Verdict<C>
  /** The own record this settles. */
  readonly settles: number | undefined
  /**
   * Own records that can never be applied any more, because a later one of this writer was read first: they have not
   * happened, and may be sealed anew.
   */
  readonly overtaken: readonly number[]
}

/** @param writer never used by another session, in this process or another */
export function createSession<S, C>(
  machine: Machine<S, C>,
  writer: string,
  replica: Replica<S>,
): Session<S, C> {
  return { machine, writer, replica, nextSeq: 1, open: new Map() }
}

/** Gives a draft its identity and basis. The bytes may be appended any number of times. */
export function seal(session: Position<unknown>, draft: Draft, at: number): SealedRecord {
  const seq = session.nextSeq++
  session.open.set(seq, draft)
  const { writer, replica } = session
  return { seq, value: encodeRecord(draft, { writer, seq, basis: replica.next, at }) }
}

/** Applies the next record of the log; throws what replay throws. */
export function receive<S, C>(
  session: Session<S, C>,
  offset: number,
  envelope: Envelope | undefined,
): Received<C> {
  const { replica, verdict } = replay(session.machine, session.replica, offset, envelope)
  session.replica = replica
  if (envelope?.writer !== session.writer) return { verdict, settles: undefined, overtaken: [] }
  const settles = session.open.delete(envelope.seq) ? envelope.seq : undefined
  return { verdict, settles, overtaken: dropBelow(session, replica.writers[session.writer]?.seq ?? 0) }
}

/**
 * Moves to a state restored from a snapshot.
 *
 * @returns own records that were applied behind the snapshot, their outcome unknown for ever
 */
export function jump<S>(session: Position<S>, replica: Replica<S>): readonly number[] {
  session.replica = replica
  return dropBelow(session, (replica.writers[session.writer]?.seq ?? 0) + 1)
}

function dropBelow(session: Position<unknown>, seq: number): readonly number[] {
  const below = [...session.open.keys()].filter(open => open < seq)
  for (const dropped of below) session.open.delete(dropped)
  return below
}
