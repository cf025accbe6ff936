import type { z } from 'zod'

/**
 * A journal is a deterministic state machine over one Kafka partition. Writers append records; every reader, the writer
 * included, applies them in log order by one pure rule (replica.ts). A command has happened when its writer reads it back
 * as accepted; acknowledgements by the broker mean nothing.
 */

/** What is plain JSON: states and commands are compared, hashed and kept as JSON texts. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

export interface CommandMeta {
  /** Where the record lies in the log: unique and increasing, so it serves as version or fencing token. */
  readonly offset: number
  /** The journal instance that wrote it: one process, one opening. */
  readonly writer: string
  /** The writer's wall clock in ms when it sealed the command. For people; rules that need time must not trust it. */
  readonly at: number
  /** The version of the machine the writer ran. */
  readonly machineVersion: number
}

export type Applied<S> =
  | { readonly accepted: true; readonly state: S }
  | { readonly accepted: false; readonly reason: string }

/**
 * The rule of one journal. `apply` is pure: the same state, command and meta give the same result in every process, on
 * every machine, for ever (no clocks, no randomness, no floating-point functions whose last bit may differ).
 */
export interface Machine<S, C> {
  /**
   * Raised whenever `apply` decides differently or a command's shape changes. A reader stops at a record of a later
   * version (JOURNAL_TOO_NEW); the later version's `apply` must still treat older commands (meta.machineVersion) as
   * they were.
   */
  readonly version: number
  readonly initial: S
  /** Checks a command as read from the log; one that does not fit is refused alike by all readers. */
  readonly command: z.ZodType<C>
  /** Checks a state as read from a snapshot. Must be plain JSON. */
  readonly state: z.ZodType<S>
  apply(state: S, command: C, meta: CommandMeta): Applied<S>
}

/** What is needed to begin, or to begin from a snapshot. */
export type Beginning<S> = Pick<Machine<S, never>, 'version' | 'initial' | 'state'>

/** Why the journal's own rule (not the machine) refuses a record. */
export type RefusedBy =
  /** The writer's same or a later record was applied before: a copy, or overtaken. */
  | 'repeated'
  /** Decided on a state more than the window of records ago. */
  | 'expired'
  /** Decided on something that has changed since: `decidedOn` names another version, a snapshot another mark. */
  | 'stale'
  /** Not a command of this machine. */
  | 'malformed'

export type Outcome<S> =
  | { readonly accepted: true; readonly offset: number; readonly version: number; readonly state: S }
  | {
      readonly accepted: false
      readonly offset: number
      readonly reason: string
      readonly by: RefusedBy | 'machine'
    }

/** One command that was applied (accepted), as observers see it: in log order, each once. */
export interface Change<S, C> {
  readonly command: C
  readonly meta: CommandMeta
  readonly state: S
}

/** Each accepted command; or the state to start (over) from: at the beginning of a stream, after a gap. */
export type ChangeEvent<S, C> =
  | ({ readonly kind: 'change' } & Change<S, C>)
  | { readonly kind: 'reset'; readonly state: S; readonly next: number }

export interface LoggedRecord {
  readonly offset: number
  readonly value: Uint8Array
}

/**
 * One partition, as the journal needs it. `append` may fail with an unknown outcome and a record may appear later, or
 * twice; records are never reordered once read.
 */
export interface OrderedLog extends AsyncDisposable {
  /** For messages: topic and partition. */
  readonly name: string
  /**
   * Which log it is, the same for everyone who has it open: a topic that was deleted and made again under its name is another.
   * What is read is of this one only.
   */
  identity(signal: AbortSignal): Promise<string>
  /** Appends the records as one batch, all or none. Resolves when all in-sync replicas have it; rejects when it failed or nobody knows. */
  append(values: readonly Uint8Array[], signal: AbortSignal): Promise<void>
  /**
   * Yields committed records from `from` on, for ever, in order, in groups as they arrive.
   *
   * @throws AjnaError JOURNAL_BEHIND when records from `from` on were deleted, JOURNAL_LOG_LOST when the log is not the
   *   one that was read (truncated below `from`, deleted, re-created)
   */
  read(from: number, signal: AbortSignal): AsyncIterable<readonly LoggedRecord[]>
  /** The first offset still there and one past the last committed one. */
  bounds(signal: AbortSignal): Promise<{ readonly start: number; readonly end: number }>
  deleteBefore(offset: number, signal: AbortSignal): Promise<void>
}

/** What a journal's topic needs; one partition, replication factor 3. */
export const JOURNAL_TOPIC_CONFIG: Readonly<Record<string, string>> = Object.freeze({
  // Deletion is by DeleteRecords behind a snapshot only. Compaction could keep a refused command and drop the accepted one.
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'min.insync.replicas': '2',
  'unclean.leader.election.enable': 'false',
  'max.message.bytes': '8388608',
  'message.timestamp.type': 'CreateTime',
})
