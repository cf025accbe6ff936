/** What to do about a diagnosis, why, and what not. Pure. */
import type { Decision, Diagnosis, HealFacts, HealPolicy, Incident } from './contract.ts'
import { cares } from './diagnose.ts'
import { secondRack } from './in-the-way.ts'
import { type Acted, excessOf } from './limits.ts'

export interface HealMemory {
  /** Of any cluster, also those that are over. */
  readonly incidents: readonly Incident[]
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
  const plan = cares[cause].plan(diagnosis, facts)
  if (plan.kind === 'nothing') return { kind: 'wait', why: plan.why }
  const { refused } = plan
  const obstacles = [...obstaclesTo(diagnosis, facts, policy, memory)]
  if (plan.kind === 'none') obstacles.push(plan.why)
  if (obstacles.length > 0 || plan.kind === 'none') return { kind: 'refuse', reasons: obstacles, refused }
  const { remedy, recovery, asks } = plan
  const reasons = asks === undefined ? plan.reasons : [asks, ...plan.reasons]
  const kind = policy[cause] === 'automatic' && asks === undefined ? 'act' : 'propose'
  return { kind, remedy, reasons, refused, ...(recovery === undefined ? {} : { recovery }) }
}

function* obstaclesTo(
  diagnosis: Diagnosis,
  facts: HealFacts,
  policy: HealPolicy,
  { acts, incidents, paused, hasInterlock }: HealMemory,
): Generator<string> {
  const { cause, subject } = diagnosis
  if (policy[cause] === 'off') yield `healing of ${cause} is off: the fleet’s file says so`
  if (paused !== null) yield `healing is paused: ${paused}`
  if (!hasInterlock) yield 'no other cluster keeps leases for this one: its host agents restart what dies'
  if (facts.partitions === null) yield 'the cluster does not say what its partitions are'
  const other = secondRack(diagnosis, facts.brokers, incidents, facts.at)
  if (other !== undefined) yield other
  yield* excessOf(acts, subject, facts.at)
}
