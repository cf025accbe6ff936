import { count } from '../../foundation/text/table.ts'
import type { ResolvedFleet } from './contract.ts'
import type { MachineChange } from './plan-model.ts'

/**
 * What changes in the processes that machines run, once the declaration is accepted: each machine's `ajna up` follows it
 * by itself. A fleet that is new has nothing to change. Pure.
 */
export function diffMachines(fleet: ResolvedFleet, accepted: ResolvedFleet | null): MachineChange[] {
  if (accepted === null) return []
  const [from, to] = [accepted.mirror.workers, fleet.mirror.workers]
  if (from === to) return []
  const how = from < to ? 'take their share of the partitions' : 'give theirs up in order'
  const text = `${count(to, 'mirror worker')} instead of ${from} on each machine: ${Math.abs(to - from)} ${how}, the others stay`
  return [{ kind: 'mirror-workers', from, to, text }]
}
