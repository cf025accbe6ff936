import { AjnaError } from '../errors/errors.ts'
import { digestOf } from './canonical.ts'
import type { Beginning, CommandMeta, Json, Machine, RefusedBy } from './contract.ts'
import { JOURNAL_DIVERGED, JOURNAL_LOG_LOST, JOURNAL_TOO_NEW } from './errors.ts'
import type { Envelope, ReplicaContents, SnapshotEnvelope } from './record.ts'

/**
 * A record decided on a state more than this many records ago is refused. It bounds what must be remembered to know every
 * copy: a copy's writer either is still remembered, or had its last record so long ago that the copy is expired.
 */
export const WINDOW = 4096

/** A mark that got no snapshot within this many records (its writer died) may be replaced. */
export const MARK_PATIENCE = 512

/** Here a snapshot may be taken: what every replica's contents hashed to, right after it. */
export interface Mark {
  readonly offset: number
  readonly writer: string
  readonly digest: string
}

/** Everything that replaying the log up to `next` leads to. Immutable, plain JSON. */
export interface Replica<S> {
  readonly next: number
  readonly version: number
  readonly writers: Readonly<Record<string, { readonly seq: number; readonly offset: number }>>
  readonly snapshot: number
  readonly previous: number
  readonly state: S
  readonly mark: Mark | undefined
}

export type Verdict<C> =
  | { readonly kind: 'accepted'; readonly command: C; readonly meta: CommandMeta }
  | { readonly kind: 'refused'; readonly by: RefusedBy | 'machine'; readonly reason: string }
  | { readonly kind: 'barrier' }
  | { readonly kind: 'marked'; readonly contents: ReplicaContents }
  | { readonly kind: 'snapshot'; readonly covers: number }
  | { readonly kind: 'foreign' }

export interface Step<S, C> {
  readonly replica: Replica<S>
  readonly verdict: Verdict<C>
}

export function emptyReplica<S>(machine: Beginning<S>): Replica<S> {
  return {
    next: 0,
    version: 0,
    writers: {},
    snapshot: 0,
    previous: 0,
    state: machine.initial,
    mark: undefined,
  }
}

/**
 * The journal's rule: applies one record, pure.
 *
 * @param envelope undefined for a record that is not the journal's
 * @param window the same for all readers; smaller only to prove the rule
 * @throws AjnaError JOURNAL_TOO_NEW, JOURNAL_DIVERGED; both mean that this process must not go on
 */
export function replay<S, C>(
  machine: Machine<S, C>,
  replica: Replica<S>,
  offset: number,
  envelope: Envelope | undefined,
  window = WINDOW,
): Step<S, C> {
  if (offset < replica.next)
    throw new AjnaError(JOURNAL_LOG_LOST, `offset ${offset} came again after ${replica.next - 1} was applied`)
  const at = { ...replica, next: offset + 1 }
  if (envelope === undefined) return { replica: at, verdict: { kind: 'foreign' } }
  if ('machine' in envelope && envelope.machine > machine.version)
    throw new AjnaError(
      JOURNAL_TOO_NEW,
      `offset ${offset} was written by version ${envelope.machine} of the machine, this program has ${machine.version}`,
    )
  const copy = refuseCopy(replica, offset, envelope, window)
  if (copy !== undefined) return { replica: at, verdict: copy }
  const noted = { ...at, writers: noteWriter(replica.writers, envelope, offset, window) }
  switch (envelope.kind) {
    case 'command':
      return applyCommand(machine, noted, offset, envelope)
    case 'barrier':
      return { replica: noted, verdict: { kind: 'barrier' } }
    case 'mark':
      return applyMark(noted, offset, envelope.writer)
    case 'snapshot':
      return applySnapshot(noted, offset, envelope)
    default:
      return envelope satisfies never
  }
}

function refused(by: RefusedBy | 'machine', reason: string): Extract<Verdict<never>, { kind: 'refused' }> {
  return { kind: 'refused', by, reason }
}

function refuseCopy(
  replica: Replica<unknown>,
  offset: number,
  { writer, seq, basis }: Envelope,
  window: number,
) {
  if (basis > offset)
    return refused('malformed', `decided on offset ${basis}, which lies after the record itself`)
  if (basis < offset - window) return refused('expired', `decided ${offset - basis} records ago`)
  const known = replica.writers[writer]
  if (known !== undefined && seq <= known.seq)
    return refused('repeated', `record ${seq} of writer ${writer} follows its record ${known.seq}`)
  return undefined
}

/**
 * Forgets writers silent for a window when a new one comes: any copy of theirs has a basis at or before their last
 * record, and so is expired.
 */
function noteWriter(
  writers: Replica<unknown>['writers'],
  { writer, seq }: Envelope,
  offset: number,
  window: number,
): Replica<unknown>['writers'] {
  if (Object.hasOwn(writers, writer)) return { ...writers, [writer]: { seq, offset } }
  const heard = Object.entries(writers).filter(([, last]) => last.offset >= offset - window)
  return Object.fromEntries([...heard, [writer, { seq, offset }]])
}

function applyCommand<S, C>(
  machine: Machine<S, C>,
  replica: Replica<S>,
  offset: number,
  envelope: Extract<Envelope, { kind: 'command' }>,
): Step<S, C> {
  const { decidedOn, writer, at, machine: machineVersion } = envelope
  if (decidedOn !== undefined && decidedOn !== replica.version)
    return {
      replica,
      verdict: refused('stale', `decided on version ${decidedOn}, the journal is at ${replica.version}`),
    }
  const command = machine.command.safeParse(envelope.body)
  if (!command.success) return { replica, verdict: refused('malformed', command.error.message) }
  const meta = { offset, writer, at, machineVersion }
  const applied = applySafely(machine, replica.state, command.data, meta)
  if (!applied.accepted) return { replica, verdict: refused('machine', applied.reason) }
  return {
    replica: { ...replica, version: replica.version + 1, state: applied.state },
    verdict: { kind: 'accepted', command: command.data, meta },
  }
}

/** A command that makes the rule throw must not stop every reader for ever: it is refused, alike everywhere. */
function applySafely<S, C>(machine: Machine<S, C>, state: S, command: C, meta: CommandMeta) {
  try {
    return machine.apply(state, command, meta)
  } catch (error) {
    return { accepted: false, reason: `the machine failed on it: ${String(error)}` } as const
  }
}

function applyMark<S, C>(replica: Replica<S>, offset: number, writer: string): Step<S, C> {
  const { mark } = replica
  if (mark !== undefined && offset - mark.offset < MARK_PATIENCE)
    return {
      replica,
      verdict: refused('stale', `writer ${mark.writer} is taking the snapshot of offset ${mark.offset}`),
    }
  const contents = contentsOf(replica)
  return {
    replica: { ...replica, mark: { offset, writer, digest: digestOf(contents as Json) } },
    verdict: { kind: 'marked', contents },
  }
}

function applySnapshot<S, C>(replica: Replica<S>, offset: number, envelope: SnapshotEnvelope): Step<S, C> {
  const { mark } = replica
  if (mark === undefined || mark.writer !== envelope.writer || mark.offset + 1 !== envelope.covers)
    return { replica, verdict: refused('stale', 'another mark stands, or none') }
  if (digestOf(envelope.contents as Json) !== envelope.digest)
    return { replica, verdict: refused('malformed', 'its contents do not have the digest it states') }
  if (envelope.digest !== mark.digest)
    throw new AjnaError(
      JOURNAL_DIVERGED,
      `the snapshot at offset ${offset} says ${envelope.digest.slice(0, 12)} for offset ${mark.offset}, replaying gives ${mark.digest.slice(0, 12)}`,
      {
        details: {
          offset,
          covers: envelope.covers,
          theirs: envelope.digest,
          ours: mark.digest,
          writer: envelope.writer,
        },
      },
    )
  const { covers } = envelope
  return {
    replica: { ...replica, mark: undefined, snapshot: covers, previous: replica.snapshot },
    verdict: { kind: 'snapshot', covers },
  }
}

function contentsOf({
  next,
  version,
  writers,
  snapshot,
  previous,
  state,
}: Replica<unknown>): ReplicaContents {
  return { next, version, writers, snapshot, previous, state }
}

/**
 * The replica right after the mark that the snapshot belongs to: go on with the records from `covers`.
 *
 * @throws AjnaError JOURNAL_TOO_NEW, JOURNAL_LOG_LOST when the snapshot does not hold what it states
 */
export function restore<S>(machine: Beginning<S>, offset: number, snapshot: SnapshotEnvelope): Replica<S> {
  if (snapshot.machine > machine.version)
    throw new AjnaError(
      JOURNAL_TOO_NEW,
      `the snapshot at offset ${offset} was written by version ${snapshot.machine} of the machine`,
    )
  const state = machine.state.safeParse(snapshot.contents.state)
  const intact =
    digestOf(snapshot.contents as Json) === snapshot.digest && snapshot.contents.next === snapshot.covers
  if (!state.success || !intact)
    throw new AjnaError(JOURNAL_LOG_LOST, `the snapshot at offset ${offset} cannot be read`, {
      cause: state.error,
    })
  const mark = { offset: snapshot.covers - 1, writer: snapshot.writer, digest: snapshot.digest }
  return { ...snapshot.contents, state: state.data, mark }
}

/** Equal for replicas that applied the same log up to the same offset. */
export function replicaDigest(replica: Replica<unknown>): string {
  const mark = replica.mark === undefined ? null : { ...replica.mark }
  return digestOf({ ...contentsOf(replica), mark } as Json)
}
