/** What is written down of a damaged replica before it is copied afresh, and what its copies are found to be afterwards. */
import type { Incident, ReplicaSubject } from './contract.ts'
import { stateOf, toldBy, verifyNow } from './corruption.ts'
import { DAMAGED_OFFSETS, damagedIn, rangeIn, rangeText } from './damage.ts'
import type { HealerOptions } from './ends.ts'
import { assignmentEvidence } from './withdraw.ts'

/** Which offsets, and how the partition is assigned: what an act that is cut short leaves behind is made whole by that. */
export async function damageIntent(
  options: HealerOptions,
  { broker, topic, partition }: ReplicaSubject,
): Promise<Incident['evidence']> {
  const [state, { processes }] = await Promise.all([
    stateOf(options, { topic, partition }),
    options.agent.processes(-1, options.signal),
  ])
  const damage = damagedIn(toldBy(options, processes)).find(
    each => each.broker === broker && each.topic === topic && each.partition === partition,
  )
  if (state === undefined || damage === undefined) return []
  return [
    { when: 'before', label: DAMAGED_OFFSETS, value: rangeText(damage) },
    ...assignmentEvidence([state]),
  ]
}

/** Each replica over the offsets that were damaged: the same digest means the same batches. */
export async function copyEvidence(
  options: HealerOptions,
  { evidence }: Pick<Incident, 'evidence'>,
  { broker, topic, partition }: ReplicaSubject,
): Promise<Incident['evidence']> {
  const range = rangeIn(evidence)
  if (range === undefined) return []
  const state = await stateOf(options, { topic, partition }).catch(() => undefined)
  const verify = verifyNow(options)
  const found = (state?.replicas ?? [broker]).map(async id => {
    const { state: is, says, digest } = await verify(id, { broker, topic, partition, ...range, segments: [] })
    const value = `${is}: ${says}${digest === null ? '' : `; digest ${digest.slice(0, 16)}`}`
    return { when: 'end' as const, label: `offsets ${rangeText(range)} on broker ${id}`, value }
  })
  return Promise.all(found)
}
