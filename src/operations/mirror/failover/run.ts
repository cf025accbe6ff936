/** Carries a switch of sides out, step by step; what an earlier try has done is not done again. */
import { AjnaError, describeError } from '../../../foundation/errors/errors.ts'
import { acts } from './acts.ts'
import type { FailoverContext } from './control.ts'
import { FAILOVER_REFUSED, FAILOVER_STUCK } from './errors.ts'
import { lookAtBoth } from './look.ts'
import { undoes } from './reasons.ts'
import type { Rehearsal, RehearsalOptions } from './rehearsal.ts'
import { rehearse } from './rehearse.ts'
import {
  COPYING,
  type Consent,
  type FailoverAction,
  type FailoverPhase,
  type FailoverState,
  MAX_PAST,
  type Operation,
  type StepName,
  type StepRecord,
  type VersionedState,
} from './state.ts'
import type { Switching } from './switching.ts'

/** Looks, and says what would happen. Nothing is done. @throws what the stores throw */
export async function rehearseSwitch(
  context: FailoverContext,
  options: RehearsalOptions,
  signal: AbortSignal,
): Promise<Rehearsal> {
  const state = (await context.store.load())?.state ?? COPYING
  return rehearse(await lookAtBoth(context, state, options, signal), options)
}

export interface CarryOptions extends RehearsalOptions {
  /** What a switch that begins is called, and when it began. Default: something new, and now. */
  readonly begin?: { readonly id: string; readonly at: number }
  /** Told of each step when it begins and when it is done. */
  readonly onStep?: (step: StepRecord, plan: readonly StepName[]) => void
}

/**
 * Begins a switch, or goes on with the one that is under way. Consents given now count from now on.
 *
 * @throws AjnaError FAILOVER_REFUSED with the reasons, FAILOVER_STUCK, FAILOVER_CHANGED; what the clusters answer
 */
export async function carrySwitch(
  context: FailoverContext,
  options: CarryOptions,
  signal: AbortSignal,
): Promise<FailoverState> {
  const loaded: VersionedState = (await context.store.load()) ?? { version: 0, state: COPYING }
  let current = loaded
  const save = async (state: FailoverState): Promise<void> => {
    current = await context.store.save(state, current.version)
  }
  const underWay = loaded.state.operation
  if (underWay?.action === options.action) await save(resumed(loaded.state, underWay, options.consents))
  else await save(await begun(context, loaded.state, options, signal))

  const facts = await lookAtBoth(context, current.state, { action: 'promote', planned: true }, signal)
  const at: Switching = {
    context,
    topics: facts.topics,
    state: () => current.state,
    change: make => save(make(current.state)),
    consents: consent => current.state.operation?.consents.includes(consent) === true,
    signal,
  }
  await steps(at, options.onStep ?? (() => undefined))
  return current.state
}

const resumed = (
  state: FailoverState,
  operation: Operation,
  consents: readonly Consent[],
): FailoverState => ({
  ...state,
  operation: {
    ...operation,
    consents: [...new Set([...operation.consents, ...consents])],
    stuck: null,
    retries: operation.retries + (operation.stuck === null ? 0 : 1),
  },
})

async function begun(
  context: FailoverContext,
  before: FailoverState,
  options: CarryOptions,
  signal: AbortSignal,
): Promise<FailoverState> {
  const rehearsal = rehearse(await lookAtBoth(context, before, options, signal), options)
  if (!rehearsal.allowed) throw refusal(rehearsal)
  const now = context.now()
  const state = undoes(before, options.action) ? past(before, before.operation!, 'given-up', now) : before
  const { action, planned, consents, stay } = options
  const operation: Operation = {
    id: options.begin?.id ?? context.newId(),
    action,
    from: before.phase,
    planned,
    consents: [...consents],
    stay,
    plan: [...rehearsal.steps],
    startedAt: options.begin?.at ?? now,
    steps: [],
    stuck: null,
    retries: 0,
  }
  return { ...state, operation, phase: phaseAtStart(before, action) }
}

function phaseAtStart({ phase }: FailoverState, action: FailoverAction): FailoverPhase {
  if (action === 'promote') return phase === 'copying' ? 'promoting' : phase
  if (action === 'demote') return phase === 'promoting' ? 'promoting' : 'demoting'
  return phase
}

function refusal({ action, forbids, consents }: Rehearsal): AjnaError {
  const unanswered = forbids.filter(({ unless }) => unless === null || !consents.includes(unless))
  const texts = unanswered.map(({ text, unless }) =>
    unless === null ? text : `${text} (say --${unless} to go on all the same)`,
  )
  return new AjnaError(FAILOVER_REFUSED, `${action}: ${texts.join('; ')}`, {
    details: { reasons: unanswered },
  })
}

async function steps(at: Switching, onStep: NonNullable<CarryOptions['onStep']>): Promise<void> {
  for (;;) {
    const operation = at.state().operation!
    const name = operation.plan.find(step => !isDone(operation, step))
    if (name === undefined) break
    at.signal.throwIfAborted()
    onStep(await began(at, name), operation.plan)
    try {
      const evidence = await acts[name](at)
      onStep(await ended(at, name, evidence), at.state().operation!.plan)
    } catch (error) {
      throw at.signal.aborted ? error : await stuck(at, name, error)
    }
  }
  await at.change(finished(at.context.now()))
}

const isDone = ({ steps: done }: Operation, name: StepName): boolean =>
  done.some(step => step.name === name && step.endedAt !== null)

async function began(at: Switching, name: StepName): Promise<StepRecord> {
  const step: StepRecord = { name, startedAt: at.context.now(), endedAt: null, evidence: {} }
  await at.change(state => ({ ...withStep(state, step), phase: phaseAt(state, name) }))
  at.context.log.info({ step: name }, 'a step of the switch begins')
  return step
}

/** The first step that turns the target into a copy again. */
const phaseAt = ({ phase, operation }: FailoverState, name: StepName): FailoverPhase =>
  name === 'seal-target' && operation?.action === 'failback' ? 'demoting' : phase

async function ended(at: Switching, name: StepName, evidence: StepRecord['evidence']): Promise<StepRecord> {
  const startedAt = at.state().operation!.steps.find(step => step.name === name)!.startedAt
  const step: StepRecord = { name, startedAt, endedAt: at.context.now(), evidence }
  const returning = name === 'start-reverse' && at.state().phase === 'promoted'
  await at.change(state => ({
    ...withStep(state, step),
    phase: returning ? 'returning' : state.phase,
  }))
  at.context.log.info(
    { step: name, evidence, tookMs: step.endedAt! - startedAt },
    'a step of the switch is done',
  )
  return step
}

function withStep(state: FailoverState, step: StepRecord): FailoverState {
  const operation = state.operation!
  const others = operation.steps.filter(({ name }) => name !== step.name)
  return { ...state, operation: { ...operation, steps: [...others, step], stuck: null } }
}

async function stuck(at: Switching, name: StepName, cause: unknown): Promise<AjnaError> {
  const reason = describeError(cause)
  await at.change(state => ({ ...state, operation: { ...state.operation!, stuck: reason } }))
  at.context.log.warn({ step: name, reason }, 'the switch is stuck')
  return new AjnaError(FAILOVER_STUCK, `${name}: ${reason}`, { cause, details: { step: name } })
}

function finished(now: number): (state: FailoverState) => FailoverState {
  return state => {
    const operation = state.operation!
    const closed = past(state, operation, 'done', now)
    switch (operation.action) {
      case 'promote':
        return {
          ...closed,
          phase: operation.from === 'demoting' ? (state.runs.reverse ? 'returning' : 'promoted') : 'promoted',
        }
      case 'failback':
        if (operation.stay) return { ...closed, phase: 'returning' }
        return asBefore(closed)
      case 'demote':
        return asBefore(closed)
      default:
        return operation.action satisfies never
    }
  }
}

/** The source is the original again, and nothing of the switch is left but what was done. */
const asBefore = (state: FailoverState): FailoverState => ({
  ...state,
  phase: 'copying',
  fork: [],
  sourceSettings: {},
  runs: { link: true, reverse: false },
})

function past(
  state: FailoverState,
  operation: Operation,
  outcome: 'done' | 'given-up',
  now: number,
): FailoverState {
  const { id, action, planned, startedAt, steps: done } = operation
  const entry = { id, action, planned, startedAt, endedAt: now, outcome, steps: done.map(remembered) }
  return { ...state, operation: null, past: [...state.past, entry].slice(-MAX_PAST) }
}

/** Of many partitions the evidence is long; whoever carried the switch out has told it to the activity log. */
const MAX_EVIDENCE = 4_000

function remembered(step: StepRecord): StepRecord {
  const characters = JSON.stringify(step.evidence).length
  return characters <= MAX_EVIDENCE ? step : { ...step, evidence: { shortened: true, characters } }
}
