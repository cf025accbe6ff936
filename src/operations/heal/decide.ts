/** What to do about a diagnosis, why, and what not. Pure. */
import type { Decision, Diagnosis, HealFacts, HealPolicy } from './contract.ts'
import { cares } from './diagnose.ts'
import { type Acted, excessOf } from './limits.ts'

export interface HealMemory {
  /** What of the cluster was acted on lately, and when, ms since the epoch. */
  readonly acts: readonly Acted[]
  /** Nothing is done by itself, in the whole fleet, until somebody says otherwise; null: not so. */
  readonly paused: string | null
  /** Whether another cluster keeps the leases of this one. */
  readonly hasInterlock: boolean
}

export function decide(
  diagnosis: Diagnosis,
  facts: HealFacts,
  policy: HealPolicy,
  memory: HealMemory,
): Decision {
  const { cause } = diagnosis
  if (policy[cause] === 'off') return { kind: 'wait', why: `healing of ${cause} is off` }
  const plan = cares[cause].plan(diagnosis, facts)
  if (plan.kind === 'nothing') return { kind: 'wait', why: plan.why }
  const { refused } = plan
  const obstacles = [...obstaclesTo(diagnosis, facts, memory)]
  if (plan.kind === 'none') obstacles.push(plan.why)
  if (obstacles.length > 0 || plan.kind === 'none') return { kind: 'refuse', reasons: obstacles, refused }
  const { remedy, recovery, asks } = plan
  const reasons = asks === undefined ? plan.reasons : [asks, ...plan.reasons]
  const kind = policy[cause] === 'automatic' && asks === undefined ? 'act' : 'propose'
  return { kind, remedy, reasons, refused, ...(recovery === undefined ? {} : { recovery }) }
}

function* obstaclesTo(
  { subject }: Diagnosis,
  facts: HealFacts,
  { acts, paused, hasInterlock }: HealMemory,
): Generator<string> {
  if (paused !== null) yield `healing is paused: ${paused}`
  if (!hasInterlock) yield 'no other cluster keeps leases for this one: its host agents restart what dies'
  if (facts.partitions === null) yield 'the cluster does not say what its partitions are'
  yield* excessOf(acts, subject, facts.at)
}
