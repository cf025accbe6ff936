/** What a rehearsal says. */
import type { Consent, FailoverAction, StepName } from './state.ts'

/** Records. `atMost` null: nobody can say. */
export interface Bound {
  readonly atLeast: number
  readonly atMost: number | null
}

export const NONE: Bound = Object.freeze({ atLeast: 0, atMost: 0 })
export const exactly = (records: number): Bound => ({ atLeast: records, atMost: records })

export interface Reason {
  readonly code: ReasonCode
  /** For people; the CLI and the console show it as it is. */
  readonly text: string
  /** What has to be said yes to for going on all the same; null: it cannot be gone on. */
  readonly unless: Consent | null
}

export type ReasonCode =
  | 'wrong-phase'
  | 'under-way'
  | 'source-unreachable'
  | 'target-unreachable'
  | 'partition-unknown'
  | 'partition-halted'
  | 'link-idle'
  | 'copy-missing'
  | 'copy-ahead'
  | 'no-topics'
  | 'too-large'
  | 'no-authorizer'
  | 'offsets-mapped'
  | 'renamed'
  | 'would-lose'
  | 'target-written'
  | 'source-recreated'
  | 'diverged'
  | 'open-to-everybody'

export interface PartitionOutcome {
  readonly topic: string
  readonly partition: number
  /** Null: not known. */
  readonly sourceEnd: number | null
  readonly targetEnd: number | null
  /** Records that have to be copied first. */
  readonly toCopy: number | null
  /** Records that the new original will not have. */
  readonly lost: Bound
  /** Their offsets, as far as they are known: [from, to). */
  readonly lostOffsets: { readonly from: number; readonly to: number } | null
  readonly note: string
}

export interface GroupOutcome {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Where it stands at the side that is left, and at the other; null: nowhere, or not known. */
  readonly here: number | null
  readonly there: number | null
  /** Where it will stand at the new original; null: nowhere, its consumers' `auto.offset.reset` decides. */
  readonly after: number | null
  readonly again: Bound
  /** Records that are there, and that it will not read. */
  readonly skipped: Bound
  readonly note: string
}

export interface RehearsalOptions {
  readonly action: FailoverAction
  readonly planned: boolean
  readonly consents: readonly Consent[]
  /** Of a failback: it ends with the source as a copy in step. */
  readonly stay: boolean
}

export interface Rehearsal extends RehearsalOptions {
  readonly link: string
  readonly at: number
  /** Nothing stands in the way that was not said yes to. */
  readonly allowed: boolean
  readonly forbids: readonly Reason[]
  /** What is worth knowing, and stands in nobody's way. */
  readonly notes: readonly string[]
  readonly partitions: readonly PartitionOutcome[]
  readonly groups: readonly GroupOutcome[]
  readonly lost: Bound
  readonly again: Bound
  readonly skipped: Bound
  readonly writers: {
    /** Who may write to the original now, and will not be. */
    readonly closed: readonly string[]
    /** Who will be let write to the new one. */
    readonly opened: readonly string[]
  }
  readonly steps: readonly StepName[]
  /** How long nobody can write to either side, about, ms, and what the figure rests on; null: nobody can say. */
  readonly pauseMs: number | null
  readonly pauseBasis: string
}

/** A status that is older says nothing about now. */
export const STATUS_STALE_MS = 15_000

/** Said of groups that stay where they are because nobody keeps them. */
export const NOT_KEPT = 'the link does not keep this group in step'

export function sumOf(bounds: readonly Bound[]): Bound {
  return bounds.reduce<Bound>(
    (sum, each) => ({
      atLeast: sum.atLeast + each.atLeast,
      atMost: sum.atMost === null || each.atMost === null ? null : sum.atMost + each.atMost,
    }),
    NONE,
  )
}
