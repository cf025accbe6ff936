/** A switch of a link's sides, told to the activity from its beginning to its end: for the command and for control. */
import { describeError, isAjnaError } from '../foundation/errors/errors.ts'
import type { Activity } from '../operations/fleet/activity/contract.ts'
import type { FailoverContext } from '../operations/mirror/failover/control.ts'
import { FAILOVER_REFUSED } from '../operations/mirror/failover/errors.ts'
import { actionNames } from '../operations/mirror/failover/plan.ts'
import type { RehearsalOptions } from '../operations/mirror/failover/rehearsal.ts'
import { carrySwitch } from '../operations/mirror/failover/run.ts'
import type {
  FailoverAction,
  FailoverState,
  Operation,
  StepName,
  StepRecord,
} from '../operations/mirror/failover/state.ts'

export interface ToldSwitch {
  readonly context: FailoverContext
  readonly link: string
  readonly options: RehearsalOptions
  /** Somebody, and why, if they said so. */
  readonly actor: string
  readonly reason: string | null
  readonly record: (entry: Activity) => Promise<unknown>
  /** What was told under an id already, where that is known: who began it stays who began it. */
  readonly known?: (id: string) => Activity | undefined
  /** Told of each step when it begins and when it is done, with the entry that tells of the switch. */
  readonly onStep?: (step: StepRecord, plan: readonly StepName[], begun: Activity) => void
}

export interface SwitchDone {
  readonly state: FailoverState
  readonly steps: readonly StepRecord[]
}

/**
 * Begins a switch, or goes on with the one of this action that is under way. One that is interrupted stays under way, in the
 * activity too: whoever goes on with it tells its end under the same id.
 *
 * @throws as carrySwitch does
 */
export async function carryTold(told: ToldSwitch, signal: AbortSignal): Promise<SwitchDone> {
  const { context, link, options, actor, reason, record, onStep } = told
  const before = (await context.store.load())?.state.operation ?? null
  const goesOn = before?.action === options.action
  const begin = { id: context.newId(), at: context.now() }
  const fresh = switchBegun(link, options.action, goesOn ? before : begin, actor, reason)
  const earlier = told.known?.(fresh.id)
  const begun =
    earlier === undefined
      ? fresh
      : { ...fresh, actor: earlier.actor, reason: earlier.reason, revision: earlier.revision }
  const by = begun.actor === actor ? [] : [{ label: 'gone on with by', value: actor }]
  await record(begun)
  const done: StepRecord[] = goesOn ? before.steps.filter(({ endedAt }) => endedAt !== null) : []
  let taken = goesOn || before === null
  const step = (each: StepRecord, plan: readonly StepName[]): void => {
    if (!taken && before !== null)
      void record(switchTakenBack(link, before, options.action, actor, context.now()))
    taken = true
    if (each.endedAt !== null) done.push(each)
    onStep?.(each, plan, begun)
  }
  try {
    const state = await carrySwitch(context, { ...options, begin, onStep: step }, signal)
    await record(switchEnded(begun, { outcome: 'done', steps: done, by, at: context.now() }))
    return { state, steps: done }
  } catch (error) {
    if (signal.aborted) throw error
    const outcome = isAjnaError(error, FAILOVER_REFUSED) ? 'refused' : 'failed'
    const why = describeError(error)
    await record(switchEnded(begun, { outcome, steps: done, by, at: context.now(), why }))
    throw error
  }
}

/** Told anew under the same id by whoever goes on after a crash; a new entry once it had ended, stuck. */
export function switchBegun(
  link: string,
  action: FailoverAction,
  operation: Operation | { readonly id: string; readonly at: number },
  actor: string,
  reason: string | null,
): Activity {
  const isOld = 'startedAt' in operation
  const tries = isOld ? operation.retries + (operation.stuck === null ? 0 : 1) : 0
  return {
    id: entryId(operation.id, tries),
    revision: 0,
    at: isOld ? operation.startedAt : operation.at,
    actor,
    action: `link.${action}`,
    subject: { kind: 'link', name: link, cluster: null },
    summary: `link ${link}: ${actionNames[action]} begun`,
    reason,
    outcome: 'running',
    evidence: [],
    endedAt: null,
  }
}

const entryId = (operation: string, tries: number): string => `switch-${operation}-${tries}`

interface Ending {
  readonly outcome: 'done' | 'failed' | 'refused'
  readonly steps: readonly StepRecord[]
  readonly by: Activity['evidence']
  readonly at: number
  readonly why?: string
}

const switchEnded = (begun: Activity, { outcome, steps, by, at, why = '' }: Ending): Activity => ({
  ...begun,
  revision: begun.revision + 1,
  summary: `${begun.summary.replace(/ begun$/, '')} ${outcome}${why === '' ? '' : `: ${why}`}`,
  outcome,
  evidence: [...by, ...steps.map(({ name, evidence }) => ({ label: name, value: JSON.stringify(evidence) }))],
  endedAt: at,
})

/** One that was interrupted, and then undone by the opposite: nobody else tells its end. What had ended is not told anew. */
function switchTakenBack(
  link: string,
  operation: Operation,
  by: FailoverAction,
  actor: string,
  at: number,
): Activity {
  const tries = operation.retries
  const begun = {
    ...switchBegun(link, operation.action, operation, actor, null),
    id: entryId(operation.id, tries),
  }
  const steps = operation.steps.filter(({ endedAt }) => endedAt !== null)
  return switchEnded(begun, {
    outcome: 'failed',
    steps,
    by: [],
    at,
    why: `taken back by a ${actionNames[by]}`,
  })
}
