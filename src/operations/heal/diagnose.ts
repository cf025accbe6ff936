/** From facts to causes: each family of causes looks for its own. Pure. */
import { brokerCare } from './causes/broker.ts'
import { corruptCare } from './causes/corrupt.ts'
import { diskCare } from './causes/disk.ts'
import { leaderlessCare } from './causes/leaderless.ts'
import { leadersCare } from './causes/leaders.ts'
import { movementCare } from './causes/movement.ts'
import { quorumCare } from './causes/quorum.ts'
import { flappingCare, underReplicatedCare } from './causes/replicas.ts'
import { uncleanCare } from './causes/unclean.ts'
import type { Care, Cause, Diagnosis, HealFacts } from './contract.ts'

export const cares: Readonly<Record<Cause, Care>> = {
  'broker-dead': brokerCare,
  'broker-frozen': brokerCare,
  'broker-unregistered': brokerCare,
  'disk-failed': diskCare,
  'disk-full': diskCare,
  'disk-slow': diskCare,
  'log-dir-offline': diskCare,
  'segment-corrupt': corruptCare,
  'partition-leaderless': leaderlessCare,
  'broker-lost': brokerCare,
  'testimony-disputed': brokerCare,
  'leaders-unbalanced': leadersCare,
  'quorum-at-risk': quorumCare,
  'under-replicated': underReplicatedCare,
  'isr-flapping': flappingCare,
  'data-movement': movementCare,
  'unclean-leader': uncleanCare,
}

/** One diagnosis for each subject that something is wrong with. */
export function diagnose(facts: HealFacts): readonly Diagnosis[] {
  return [...new Set(Object.values(cares))].flatMap(care => care.diagnose(facts))
}
