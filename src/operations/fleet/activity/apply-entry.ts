import { randomUUID } from 'node:crypto'
import { count } from '../../../foundation/text/table.ts'
import type { ApplyResult } from '../apply.ts'
import type { FleetPlan } from '../plan-model.ts'
import type { Activity } from './contract.ts'

/** An apply that begins; nothing when it has nothing to do. */
export function applyBegun(
  { fleet, steps, machines, refusals, links }: FleetPlan,
  actor: string,
  at: number,
): Activity | undefined {
  if (steps.length + machines.length + refusals.length + links.length === 0) return undefined
  return {
    id: randomUUID(),
    revision: 0,
    at,
    actor,
    action: 'fleet.apply',
    subject: { kind: 'fleet', name: fleet, cluster: null },
    summary: `fleet ${fleet} is applied: ${steps.length} steps begun`,
    reason: null,
    outcome: 'running',
    evidence: links.map(({ text }) => ({ label: 'link', value: text })),
    endedAt: null,
  }
}

/** The same apply at its end, what failed first. */
export function applyEnded(begun: Activity, result: ApplyResult, endedAt: number): Activity {
  const { fleet, results, machines, refusals, links, exit } = result
  const done = results.filter(({ state }) => state === 'done')
  const others = results.filter(({ state }) => state !== 'done')
  const changed = links.length === 0 ? '' : `, ${count(links.length, 'change')} of links`
  const refused = refusals.length > 0 ? `, ${refusals.length} refused` : ''
  return {
    ...begun,
    revision: begun.revision + 1,
    summary: `fleet ${fleet} applied: ${done.length} of ${results.length} steps done${changed}${refused}`,
    outcome: exit === 0 ? 'done' : exit === 3 ? 'refused' : 'failed',
    evidence: [
      ...others.map(({ step, state, error }) => ({
        label: `${step.cluster}, ${state}`,
        value: error === null ? step.text : `${step.text}: ${error.message}`,
      })),
      ...refusals.map(({ subject, because }) => ({ label: 'refused', value: `${subject}: ${because}` })),
      ...begun.evidence,
      ...done.map(({ step }) => ({ label: `${step.cluster}, done`, value: step.text })),
      ...machines.map(({ text }) => ({ label: 'machines', value: text })),
    ],
    endedAt,
  }
}
