import type { Machine } from '../../src/foundation/journal/contract.ts'
import type { Envelope } from '../../src/foundation/journal/record.ts'
import { emptyReplica, type Replica, replay } from '../../src/foundation/journal/replica.ts'
import type { CountersCommand, CountersState } from './fenced-counters.ts'

/** What a writer was told of its write. */
export interface Told {
  readonly accepted: boolean
  readonly offset?: number
}

export interface Judgement {
  readonly violations: readonly string[]
  readonly acceptedWrites: number
  readonly refusedWrites: number
  readonly replica: Replica<CountersState>
}

/**
 * Judges writes by the whole log: a write counts only by the owner of its shard at that point; none counts twice; what
 * writers were told is what happened; the counters add up.
 *
 * @param log every record from offset 0 on
 * @param told by write id
 */
export function judgeWrites(
  machine: Machine<CountersState, CountersCommand>,
  log: readonly (Envelope | undefined)[],
  told: ReadonlyMap<number, Told>,
): Judgement {
  const violations: string[] = []
  const accepted = new Map<number, number>()
  let refusedWrites = 0
  let replica = emptyReplica(machine)
  for (const [offset, envelope] of log.entries()) {
    const { assignments } = replica.state.shards
    const step = replay(machine, replica, offset, envelope)
    replica = step.replica
    if (step.verdict.kind === 'refused' && step.verdict.by === 'machine') refusedWrites++
    if (step.verdict.kind !== 'accepted' || step.verdict.command.kind !== 'write') continue
    const { shard, instance, id } = step.verdict.command
    if (assignments[shard]?.owner !== instance)
      violations.push(`write ${id} of ${instance} counts, which had been deposed`)
    if (accepted.has(id)) violations.push(`write ${id} counts twice`)
    accepted.set(id, offset)
  }
  for (const [id, { accepted: toldAccepted, offset }] of told) {
    if (toldAccepted !== accepted.has(id))
      violations.push(`write ${id} was told ${toldAccepted} and is ${accepted.has(id)}`)
    else if (toldAccepted && offset !== undefined && offset !== accepted.get(id))
      violations.push(`write ${id} was told offset ${offset} and has ${accepted.get(id)}`)
  }
  const counted = Object.values(replica.state.counters).reduce((total, { sum }) => total + sum, 0)
  const expected = [...accepted.keys()].reduce((total, id) => total + id, 0)
  if (counted !== expected) violations.push(`the counters hold ${counted} instead of ${expected}`)
  return { violations, acceptedWrites: accepted.size, refusedWrites, replica }
}
