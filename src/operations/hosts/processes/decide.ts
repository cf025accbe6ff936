import { isDeepStrictEqual } from 'node:util'
import type { HostPlan, PlannedProcess } from '../contract.ts'

export interface PlanChanges {
  readonly add: readonly PlannedProcess[]
  /** Stopped, then started as it is planned now. */
  readonly replace: readonly PlannedProcess[]
  /** Not how it runs, only how it is watched, has changed. */
  readonly rewatch: readonly PlannedProcess[]
  readonly remove: readonly string[]
}

/** What is to be done so that exactly the planned processes run. Undefined for a plan older than the present one. */
export function planChanges(present: HostPlan | undefined, next: HostPlan): PlanChanges | undefined {
  if (present !== undefined && next.version < present.version) return undefined
  const before = new Map(present?.processes.map(process => [process.name, process]))
  const after = new Set(next.processes.map(({ name }) => name))
  const changed = next.processes.filter(({ name }) => before.has(name))
  return {
    add: next.processes.filter(({ name }) => !before.has(name)),
    replace: changed.filter(process => !runsAlike(before.get(process.name)!, process)),
    rewatch: changed.filter(process => {
      const old = before.get(process.name)!
      return runsAlike(old, process) && !isDeepStrictEqual(old, process)
    }),
    remove: [...before.keys()].filter(name => !after.has(name)),
  }
}

function runsAlike(a: PlannedProcess, b: PlannedProcess): boolean {
  const started = ({ argv, env, cwd, log }: PlannedProcess): unknown => ({ argv, env, cwd, log })
  return isDeepStrictEqual(started(a), started(b))
}
