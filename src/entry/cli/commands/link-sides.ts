import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { AjnaError, describeError, errorKind, isAjnaError } from '../../../foundation/errors/errors.ts'
import { createLogger } from '../../../foundation/log/log.ts'
import { count } from '../../../foundation/text/table.ts'
import type { Activity } from '../../../operations/fleet/activity/contract.ts'
import type { LinkDefinitionInput } from '../../../operations/mirror/definition.ts'
import type { FailoverContext } from '../../../operations/mirror/failover/control.ts'
import { FAILOVER_REFUSED } from '../../../operations/mirror/failover/errors.ts'
import { stepTexts } from '../../../operations/mirror/failover/plan.ts'
import type { RehearsalOptions } from '../../../operations/mirror/failover/rehearsal.ts'
import { renderRehearsal } from '../../../operations/mirror/failover/render.ts'
import { carrySwitch, rehearseSwitch } from '../../../operations/mirror/failover/run.ts'
import {
  type Consent,
  consents,
  type FailoverAction,
  failoverActions,
  type StepRecord,
} from '../../../operations/mirror/failover/state.ts'
import { differenceJson, renderDifference } from '../../../operations/mirror/keep/render.ts'
import { type KeepOptions, keepOnce, lookForDifference } from '../../../operations/mirror/keep/run.ts'
import { readFleetFile } from '../../fleet-file.ts'
import { homeOf } from '../../home.ts'
import { declaredLink, type OpenSides, openSides } from '../../link-sides.ts'
import { outboxOf } from '../../outbox.ts'
import { print, printJson, say } from '../output.ts'

const KEEP_NOTHING = errorKind(
  'KEEP_NOTHING',
  'Nothing is named that is to be kept in step.',
  'Name it: --groups, --acls or --quotas, each with patterns.',
  2,
)
const KEEP_INCOMPLETE = errorKind(
  'KEEP_INCOMPLETE',
  'Not everything could be brought in step.',
  "The target's words say why; the same command tries again what is left.",
  4,
)
const ACTION_UNKNOWN = errorKind(
  'ACTION_UNKNOWN',
  'There is no such switch of sides.',
  'It is one of promote, demote, failback.',
  2,
)

interface SidesFlags {
  readonly groups: readonly string[]
  readonly writers: readonly string[]
  readonly unplanned?: boolean
  readonly stay?: boolean
  readonly json?: boolean
  readonly [consent: string]: unknown
}

interface KeepFlags {
  readonly acls?: readonly string[]
  readonly quotas?: readonly string[]
  readonly groups?: readonly string[]
  readonly advanceForeign?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** One round; with `--dry-run` only what it would do. */
export async function keep(name: string, flags: KeepFlags): Promise<void> {
  const { acls = [], quotas = [], groups = [] } = flags
  if (acls.length + quotas.length + groups.length === 0)
    throw new AjnaError(KEEP_NOTHING, `what of link ${name} is to be kept in step`)
  await using sides = await open(name, [], {
    acls: { include: [...acls] },
    quotas: { include: [...quotas] },
    groups: { include: [...groups] },
    foreignPositions: flags.advanceForeign === true ? 'advance' : 'leave',
  })
  const options = keepOptions(sides.context, interrupted())
  if (flags.dryRun === true) {
    const { difference } = await lookForDifference(options)
    if (flags.json === true) printJson({ link: name, dryRun: true, ...differenceJson(difference) })
    else print(renderDifference(difference))
    return
  }
  const { difference, done } = await keepOnce(options)
  const failed = done.filter(({ error }) => error !== null)
  if (flags.json === true)
    printJson({ link: name, dryRun: false, ...differenceJson(difference), failed: failed.map(toFailure) })
  else print(renderDifference(difference))
  for (const { error } of failed) say(describeError(error))
  if (failed.length > 0)
    throw new AjnaError(KEEP_INCOMPLETE, `${failed.length} of ${count(done.length, 'change')} failed`)
  say(`${count(done.length, 'change')} made`)
}

const toFailure = ({ change, error }: { change: unknown; error: AjnaError | null }) => ({ change, error })

const keepOptions = (
  { definition, source, target, keepStore, principal, log }: FailoverContext,
  signal: AbortSignal,
): KeepOptions => ({
  definition,
  source: source.admin,
  target: target.admin,
  store: keepStore,
  linkPrincipals: principal === null ? [] : [principal],
  log,
  signal,
})

/** What a switch would do; exit code 3 when something forbids it. */
export async function rehearse(name: string, action: string, flags: SidesFlags): Promise<void> {
  const known = failoverActions.find(each => each === action)
  if (known === undefined) throw new AjnaError(ACTION_UNKNOWN, action)
  await using sides = await openFor(name, flags)
  const rehearsal = await rehearseSwitch(sides.context, optionsOf(known, flags), interrupted())
  if (flags.json === true) printJson(rehearsal)
  else print(renderRehearsal(rehearsal))
  if (!rehearsal.allowed) process.exitCode = FAILOVER_REFUSED.exit
}

/** Says what will happen, then does it; the same command goes on with what was interrupted. */
export async function carry(name: string, action: FailoverAction, flags: SidesFlags): Promise<void> {
  await using sides = await openFor(name, flags)
  const { context } = sides
  const signal = interrupted()
  const options = optionsOf(action, flags)
  const before = (await context.store.load())?.state.operation ?? null
  if (before?.action === action)
    say(`going on with the ${action} of ${new Date(before.startedAt).toISOString()}`)
  else say(renderRehearsal(await rehearseSwitch(context, options, signal)))
  const outbox = outboxOf(homeOf())
  const begun = await outbox.put(switchBegun(name, action, Date.now()))
  try {
    const state = await carrySwitch(context, { ...options, onStep: sayStep }, signal)
    const { steps } = state.past.at(-1)!
    await outbox.put(switchEnded(begun, 'done', steps, Date.now()))
    if (flags.json === true) printJson({ link: name, action, phase: state.phase, steps })
    else say(`done: ${name} is ${state.phase}`)
  } catch (error) {
    const outcome = isAjnaError(error, FAILOVER_REFUSED) ? 'refused' : 'failed'
    await outbox.put(switchEnded(begun, outcome, [], Date.now(), describeError(error)))
    throw error
  }
}

function sayStep({ name, startedAt, endedAt }: StepRecord): void {
  if (endedAt === null) say(`… ${stepTexts[name]}`)
  else say(`✓ ${stepTexts[name]} (${endedAt - startedAt} ms)`)
}

const switchBegun = (link: string, action: FailoverAction, at: number): Activity => ({
  id: randomUUID(),
  revision: 0,
  at,
  actor: userInfo().username,
  action: `link.${action}`,
  subject: { kind: 'link', name: link, cluster: null },
  summary: `link ${link}: ${action} begun`,
  reason: null,
  outcome: 'running',
  evidence: [],
  endedAt: null,
})

const switchEnded = (
  begun: Activity,
  outcome: 'done' | 'failed' | 'refused',
  steps: readonly StepRecord[],
  endedAt: number,
  why = '',
): Activity => ({
  ...begun,
  revision: begun.revision + 1,
  summary: `${begun.summary.replace(/ begun$/, '')} ${outcome}${why === '' ? '' : `: ${why}`}`,
  outcome,
  evidence: steps.map(({ name, evidence }) => ({ label: name, value: JSON.stringify(evidence) })),
  endedAt,
})

function optionsOf(action: FailoverAction, flags: SidesFlags): RehearsalOptions {
  const given = consents.filter((consent): consent is Consent => flags[camelCase(consent)] === true)
  return { action, planned: flags.unplanned !== true, consents: given, stay: flags.stay === true }
}

/** As commander names an option. */
const camelCase = (flag: string): string =>
  flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())

const openFor = (name: string, { groups, writers }: SidesFlags): Promise<OpenSides> =>
  open(name, writers, { groups: { include: [...groups] } })

async function open(
  name: string,
  writers: readonly string[],
  keeping: LinkDefinitionInput['keep'],
): Promise<OpenSides> {
  const home = homeOf()
  const file = await readFleetFile(home)
  const link = declaredLink(file, name)
  const log = createLogger('sides', join(home.logs, 'sides.log'))
  return openSides({ home, file, link, keep: keeping, writers, log })
}

/** Ctrl-C ends a switch between two looks; the same command goes on with it. */
function interrupted(): AbortSignal {
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort(new Error('interrupted')))
  return ending.signal
}
