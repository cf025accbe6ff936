/** What an open incident explains that would be told by itself otherwise: it is told in that one. */
import { isAtRisk } from '../causes/quorum.ts'
import { createChronicle } from '../chronicle.ts'
import { type HealFacts, type Incident, isOver } from '../contract.ts'
import type { Work } from '../work.ts'

/** In words that stay the same as long as it is so; what has not stood for long would not be told yet. Pure. */
export function explainedBy(facts: HealFacts, broker: number): readonly string[] {
  const { conditions, partitions, at } = facts
  if (conditions === undefined) return []
  const { quorum, behind, patience } = conditions
  const its = behind.filter(each => each.broker === broker)
  const forMs = Math.max(0, ...its.map(({ since }) => at - since))
  const texts: string[] = []
  if (forMs >= patience.behindMs) texts.push('explains under-replicated: the replicas on it are out of sync')
  const isMissed = partitions?.some(({ replicas, leader }) => replicas[0] === broker && leader !== broker)
  if (isMissed === true && forMs >= patience.unbalancedMs)
    texts.push('explains leaders-unbalanced: others lead what it should')
  const missing =
    quorum?.voters.filter(
      ({ behindSince }) => behindSince !== null && at - behindSince >= patience.quorumMs,
    ) ?? []
  if (quorum !== null && missing.some(({ id }) => id === broker) && isAtRisk(quorum, missing.length))
    texts.push('explains quorum-at-risk: one more voter lost, and nobody decides on metadata')
  return texts
}

/** As long as nobody acts on it: a telling in between would make whoever does stand back. */
const isQuiet = ({ state, decision }: Incident): boolean =>
  state === 'available' || (state === 'open' && decision.kind === 'refuse')

/** @throws what the journal throws */
export async function noteExplained(work: Work, facts: HealFacts): Promise<void> {
  for (const { id, cluster, subject } of work.book.list()) {
    if (cluster !== facts.cluster || !('broker' in subject)) continue
    for (const text of explainedBy(facts, subject.broker)) {
      const now = work.book.list().find(each => each.id === id)
      if (now === undefined || isOver(now) || !isQuiet(now)) break
      if (!now.timeline.some(each => each.text === text)) await createChronicle(work, now).tell({}, text)
    }
  }
}
