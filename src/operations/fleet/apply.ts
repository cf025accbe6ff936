import { type AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { ResolvedCluster, ResolvedFleet } from './contract.ts'
import type { ClusterExecutor } from './execute.ts'
import { type ClusterPlan, planCluster } from './plan.ts'
import { type LinkChange, planLinks } from './plan-links.ts'
import { diffMachines } from './plan-machines.ts'
import type { MachineChange, Note, PlanInput, Refusal, Step } from './plan-model.ts'

/** What became of a step. `skipped`: what it stands on failed. */
export interface StepResult {
  readonly step: Step
  readonly state: 'done' | 'failed' | 'skipped'
  /** Null when it is done. */
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string } | null
  readonly tookMs: number
}

export interface ApplyResult {
  readonly fleet: string
  readonly results: readonly StepResult[]
  /** Of the processes that machines run; each machine follows them by itself. */
  readonly machines: readonly MachineChange[]
  readonly refusals: readonly Refusal[]
  readonly notes: readonly Note[]
  /** What links are told from now on. */
  readonly links: readonly LinkChange[]
  /** 0 all done; 1 nothing could be done; 3 all done but what was refused as unsafe; 4 partly done. */
  readonly exit: 0 | 1 | 3 | 4
}

export interface ApplyOptions {
  readonly executors: ReadonlyMap<string, ClusterExecutor>
  readonly signal: AbortSignal
  /** Told of each step as it ends. */
  readonly progress?: (result: StepResult) => void
  /** Monotonic, ms; default: performance.now. */
  readonly now?: () => number
}

/** Actions of one kind that go to the cluster together. */
const STEPS_AT_ONCE = 100

/**
 * Carries a plan out: clusters side by side, each one's steps in order. A step that fails is a result, not an exception,
 * and stops only what stands on it; refused changes are left out. Stopped at any point, a later apply does the rest: each
 * plan is made from what is there.
 *
 * @throws only the signal's reason
 */
export async function applyFleet(input: PlanInput, options: ApplyOptions): Promise<ApplyResult> {
  const parts = await Promise.all(input.fleet.clusters.map(cluster => applyCluster(input, cluster, options)))
  const results = parts.flatMap(part => part.results)
  const refusals = parts.flatMap(part => part.refusals)
  const notes = parts.flatMap(part => part.notes)
  return {
    fleet: input.fleet.name,
    results,
    machines: diffMachines(input.fleet, input.accepted),
    refusals,
    notes,
    links: planLinks(input.fleet, input.accepted),
    exit: exitOf(results, refusals, notes),
  }
}

function exitOf(
  results: readonly StepResult[],
  refusals: readonly Refusal[],
  notes: readonly Note[],
): ApplyResult['exit'] {
  const done = results.some(({ state }) => state === 'done')
  if (results.some(({ state }) => state !== 'done')) return done ? 4 : 1
  if (refusals.length > 0) return 3
  return notes.some(({ kind }) => kind === 'not-known') ? 4 : 0
}

type ClusterResult = Pick<ApplyResult, 'results' | 'refusals' | 'notes'>

async function applyCluster(
  input: PlanInput,
  cluster: ResolvedCluster,
  options: ApplyOptions,
): Promise<ClusterResult> {
  const executor = options.executors.get(cluster.name)
  let plan: ClusterPlan = planCluster(input, cluster)
  if (executor === undefined || plan.steps.length === 0)
    return { results: [], refusals: plan.refusals, notes: plan.notes }
  const results: StepResult[] = []
  const starting = plan.steps.filter(({ action }) => action.kind === 'start-brokers')
  if (starting.length > 0) {
    results.push(...(await runSteps(executor, starting, options)))
    if (results.some(({ state }) => state === 'failed')) {
      return { ...plan, results: [...results, ...skipped(plan.steps.slice(starting.length), options)] }
    }
    // Only now can be seen what is on the cluster, and so what is left to do.
    const actual = new Map(input.actual).set(cluster.name, await executor.observe(options.signal))
    plan = planCluster({ ...input, actual }, cluster)
  }
  const rest = plan.steps.filter(({ action }) => action.kind !== 'start-brokers')
  for (const batch of batches(rest)) results.push(...(await runSteps(executor, batch, options)))
  return { results, refusals: plan.refusals, notes: plan.notes }
}

/** Neighbours of one kind, at most STEPS_AT_ONCE. */
function batches(steps: readonly Step[]): Step[][] {
  const found: Step[][] = []
  for (const step of steps) {
    const last = found.at(-1)
    if (last !== undefined && last.length < STEPS_AT_ONCE && last[0]!.action.kind === step.action.kind)
      last.push(step)
    else found.push([step])
  }
  return found
}

async function runSteps(
  executor: ClusterExecutor,
  steps: readonly Step[],
  { signal, progress, now = () => performance.now() }: ApplyOptions,
): Promise<StepResult[]> {
  const began = now()
  const errors = await executor.execute(
    steps.map(({ action }) => action),
    signal,
  )
  const tookMs = Math.round(now() - began)
  const results = steps.map((step, index) => resultOf(step, errors[index] ?? null, tookMs))
  for (const result of results) progress?.(result)
  return results
}

const resultOf = (step: Step, error: AjnaError | null, tookMs: number): StepResult => ({
  step,
  state: error === null ? 'done' : 'failed',
  error: error === null ? null : { code: error.code, message: describeError(error), remedy: error.remedy },
  tookMs,
})

function skipped(steps: readonly Step[], { progress }: ApplyOptions): StepResult[] {
  const error = {
    code: 'FLEET_STEP_SKIPPED',
    message: 'the brokers could not be started',
    remedy: 'Apply again once they run.',
  }
  const results = steps.map((step): StepResult => ({ step, state: 'skipped', error, tookMs: 0 }))
  for (const result of results) progress?.(result)
  return results
}

/**
 * What is to be remembered as accepted once a declaration has been applied: the declaration, and with it the topics that
 * an earlier one had and that are still there because nobody allowed their deletion. Forgotten, they would count as
 * somebody else's ever after.
 */
export function acceptedAfter(
  fleet: ResolvedFleet,
  before: ResolvedFleet | null,
  result: ApplyResult,
): ResolvedFleet {
  const key = (cluster: string, topic: string): string => `${cluster}/${topic}`
  const declared = new Set(fleet.topics.map(({ cluster, name }) => key(cluster, name)))
  const clusters = new Set(fleet.clusters.map(({ name }) => name))
  const deleted = new Set(
    result.results.flatMap(({ step, state }) =>
      step.action.kind === 'delete-topic' && state === 'done' ? [key(step.cluster, step.action.topic)] : [],
    ),
  )
  const left = (before?.topics ?? []).filter(
    ({ cluster, name }) =>
      clusters.has(cluster) && !declared.has(key(cluster, name)) && !deleted.has(key(cluster, name)),
  )
  if (left.length === 0) return fleet
  const topics = [...fleet.topics, ...left].sort((a, b) => (a.name < b.name ? -1 : 1))
  return { ...fleet, topics }
}
