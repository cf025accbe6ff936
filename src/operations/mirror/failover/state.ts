import { z } from 'zod'
import { aclSchema } from '../keep/state.ts'

/**
 * Which side of a link is the original, and how far a switch has come. JSON-safe, in the links' journal. It is saved before
 * each step, so that whoever goes on after a crash knows what may have been begun.
 */

export const failoverActions = ['promote', 'demote', 'failback'] as const
export type FailoverAction = (typeof failoverActions)[number]

/**
 * `copying`: the source is the original. `promoting`: the target is about to become it. `promoted`: it is; the source stands
 * apart. `returning`: the source is being made a copy of the target. `demoting`: it is about to become the original again.
 */
export const failoverPhases = ['copying', 'promoting', 'promoted', 'returning', 'demoting'] as const
export type FailoverPhase = (typeof failoverPhases)[number]

/** What is done only after somebody has said yes to it. */
export const consents = [
  /** Records the source took and the link did not copy are given up. */
  'accept-loss',
  /** Groups that are still reading at the side that is left will read records again. */
  'allow-repeats',
  /** The source's topics, where they went their own way, are deleted and copied anew; what only they held is saved first. */
  'recreate',
  /** Nothing keeps a worker that cannot be reached from writing. */
  'unfenced',
  /** Nothing keeps producers from writing to the side that is left: somebody has stopped them. */
  'writers-stopped',
] as const
export type Consent = (typeof consents)[number]

export const stepNames = [
  'seal-source',
  'try-seal-source',
  'settle-source',
  'catch-up-target',
  'stop-link',
  'fence-link',
  'equal-ends',
  'note-ends',
  'drain-source-groups',
  'move-groups-to-target',
  'open-target',
  'compare',
  'salvage',
  'drop-diverged',
  'admit-reverse',
  'adopt-source',
  'start-reverse',
  'approach',
  'seal-target',
  'settle-target',
  'catch-up-source',
  'stop-reverse',
  'fence-reverse',
  'untouched-target',
  'drain-target-groups',
  'move-groups-to-source',
  'reserve-target',
  'adopt-ends',
  'admit-link',
  'open-source',
  'start-link',
  'reopen-target',
] as const
export type StepName = (typeof stepNames)[number]

const evidence = z.record(z.string(), z.unknown())

const stepSchema = z.strictObject({
  name: z.enum(stepNames),
  startedAt: z.number(),
  /** Null: not done. */
  endedAt: z.number().nullable(),
  evidence,
})
export type StepRecord = Readonly<z.infer<typeof stepSchema>>

const operationSchema = z.strictObject({
  id: z.string(),
  action: z.enum(failoverActions),
  /** Where it began. */
  from: z.enum(failoverPhases),
  /** A promotion without the source, or with a loss taken into account, is not planned. */
  planned: z.boolean(),
  consents: z.array(z.enum(consents)),
  /** A failback that ends with the source as a copy in step, and does not make it the original yet. */
  stay: z.boolean(),
  plan: z.array(z.enum(stepNames)),
  startedAt: z.number(),
  steps: z.array(stepSchema),
  /** Why it stands still; null: it does not. */
  stuck: z.string().nullable(),
  /** How often it was gone on with after it had been stuck. */
  retries: z.int().nonnegative(),
})
export type Operation = Readonly<z.infer<typeof operationSchema>>

const offset = z.int().nonnegative()
const endSchema = z.strictObject({ topic: z.string(), partition: offset, end: offset })
/** Where a log ends, by the topic's name at the source. */
export type LogEnd = Readonly<z.infer<typeof endSchema>>

const pastSchema = z.strictObject({
  id: z.string(),
  action: z.enum(failoverActions),
  planned: z.boolean(),
  startedAt: z.number(),
  endedAt: z.number(),
  outcome: z.enum(['done', 'given-up']),
  steps: z.array(stepSchema),
})

export const failoverStateSchema = z.strictObject({
  phase: z.enum(failoverPhases),
  operation: operationSchema.nullable(),
  /** Where the two sides parted: where the copies ended when the target became the original. */
  fork: z.array(endSchema),
  /** Rules that a switch put at either side: only these are ever taken away again. Noted before they are put there. */
  ours: z.strictObject({ source: z.array(aclSchema), target: z.array(aclSchema) }),
  /** The source's topics' own settings before it became a copy. */
  sourceSettings: z.record(z.string(), z.record(z.string(), z.string())),
  /** Which of the link and its reverse may run; the journal's rule stops the other, and keeps it stopped. */
  runs: z.strictObject({ link: z.boolean(), reverse: z.boolean() }),
  past: z.array(pastSchema),
})
export type FailoverState = Readonly<z.infer<typeof failoverStateSchema>>

export const COPYING: FailoverState = Object.freeze({
  phase: 'copying',
  operation: null,
  fork: [],
  ours: { source: [], target: [] },
  sourceSettings: {},
  runs: { link: true, reverse: false },
  past: [],
})

/** Operations that are remembered here; the activity log has all. */
export const MAX_PAST = 5

export interface FailoverStore {
  /** Undefined: the sides were never switched. */
  load(): Promise<VersionedState | undefined>
  /**
   * @param expected the version it was decided on; 0: there is none yet
   * @throws AjnaError FAILOVER_CHANGED when somebody else has saved since
   */
  save(state: FailoverState, expected: number): Promise<VersionedState>
}

export interface VersionedState {
  readonly version: number
  readonly state: FailoverState
}
