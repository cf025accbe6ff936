/** What to do about a diagnosis, why, and what not. Pure. */
import {
  type Alternative,
  type Decision,
  type Diagnosis,
  type HealFacts,
  type HealPolicy,
  type Incident,
  MAX_LINE,
  type Plan,
  type Remedy,
} from './contract.ts'
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
  const obstacles = [...obstaclesTo(diagnosis, facts, policy, memory)]
  if (plan.kind === 'none')
    return { kind: 'refuse', reasons: [...obstacles, plan.why], refused: plan.refused }
  const { remedy, refused } = plan
  if (obstacles.length > 0)
    return { kind: 'refuse', reasons: obstacles, refused: [heldBack(remedy, obstacles), ...refused] }
  const kind = policy[cause] === 'automatic' && plan.asks === undefined ? 'act' : 'propose'
  return { kind, ...wanted(plan) }
}

/** A remedy as it is put to whoever decides. */
export function wanted({
  remedy,
  reasons,
  refused,
  idle,
  recovery,
  asks,
}: Extract<Plan, { kind: 'remedy' }>) {
  return {
    remedy,
    reasons: asks === undefined ? reasons : [asks, ...reasons],
    refused: idle === undefined ? refused : [idle, ...refused],
    ...(recovery === undefined ? {} : { recovery }),
  }
}

/** A remedy that would help, and is not carried out for what stands in its way. */
export const heldBack = (remedy: Remedy, obstacles: readonly string[]): Alternative => ({
  what: remedy.replaceAll('-', ' '),
  whyNot: obstacles.join('; ').slice(0, MAX_LINE),
})

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
