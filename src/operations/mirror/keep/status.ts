import { z } from 'zod'
import type { CarriedOut } from './carry-out.ts'
import type { Difference } from './difference.ts'
import type { SourceFacts } from './facts.ts'

/** How far a link's target is in step with its source. */

export const keptGroupSchema = z.strictObject({
  group: z.string(),
  /**
   * `held`: it stands where the copy ends, its readers at the source are beyond. `left`: somebody else's, see the reason.
   * `failed`: the target refused.
   */
  state: z.enum(['in-step', 'held', 'left', 'failed']),
  /** Empty when there is nothing to say. */
  reason: z.string(),
  /** Records between where the copy ends and where it stands at the source. */
  heldRecords: z.int().nonnegative(),
  /** What it had committed at the source by then stands at the target as well, ms since the epoch; null: not yet. */
  asOf: z.number().nullable(),
  /** Age of `asOf`, ms: a promotion now would repeat what it committed since. */
  freshnessMs: z.number().nonnegative().nullable(),
  /** From a commit's being seen at the source to its standing at the target, the last time, ms. */
  seenToMovedMs: z.number().nonnegative().nullable(),
})
export type KeptGroup = Readonly<z.infer<typeof keptGroupSchema>>

export const keepStatusSchema = z.strictObject({
  link: z.string(),
  observedAt: z.number(),
  /** The last whole round, ms since the epoch; null: none yet. */
  roundAt: z.number().nullable(),
  roundTookMs: z.number().nonnegative().nullable(),
  /** What is the matter, for people; empty when nothing is. */
  reason: z.string(),
  /** Changes that the last round made, and that it could not make. */
  changed: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  left: z.array(
    z.strictObject({ what: z.enum(['acl', 'quota', 'group']), subject: z.string(), reason: z.string() }),
  ),
  groups: z.array(keptGroupSchema),
})
export type KeepStatus = Readonly<z.infer<typeof keepStatusSchema>>

/** What is remembered of a group from round to round. */
export type GroupRound = Omit<KeptGroup, 'freshnessMs'>

/** How each group stands after a round. Pure. */
export function groupsAfter(
  before: ReadonlyMap<string, GroupRound>,
  source: SourceFacts,
  { left, held }: Difference,
  done: readonly CarriedOut[],
  now: number,
): Map<string, GroupRound> {
  const reasons = new Map(
    left.filter(({ what }) => what === 'group').map(({ subject, reason }) => [subject, reason]),
  )
  const failures = new Map<string, string>()
  const moved = new Set<string>()
  for (const { change, error } of done) {
    if (change.kind !== 'move-group') continue
    moved.add(change.group)
    if (error !== null) failures.set(change.group, error.message)
  }
  const after = new Map<string, GroupRound>()
  for (const { id } of source.groups) {
    const known = before.get(id)
    const reason = failures.get(id) ?? reasons.get(id) ?? ''
    const heldRecords = held.get(id) ?? 0
    const arrived = reason === ''
    after.set(id, {
      group: id,
      state: failures.has(id) ? 'failed' : !arrived ? 'left' : heldRecords > 0 ? 'held' : 'in-step',
      reason,
      heldRecords,
      asOf: arrived ? source.at : (known?.asOf ?? null),
      seenToMovedMs: moved.has(id) && arrived ? now - source.at : (known?.seenToMovedMs ?? null),
    })
  }
  return after
}
