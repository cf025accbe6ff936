import { userInfo } from 'node:os'
import { join } from 'node:path'
import { AjnaError, describeError, errorKind, isAjnaError } from '../../../foundation/errors/errors.ts'
import { createLogger } from '../../../foundation/log/log.ts'
import { count } from '../../../foundation/text/table.ts'
import type { LinkDefinition } from '../../../operations/mirror/definition.ts'
import { FAILOVER_REFUSED } from '../../../operations/mirror/failover/errors.ts'
import { actionNames, stepTexts } from '../../../operations/mirror/failover/plan.ts'
import type { RehearsalOptions } from '../../../operations/mirror/failover/rehearsal.ts'
import { renderRehearsal } from '../../../operations/mirror/failover/render.ts'
import { rehearseSwitch } from '../../../operations/mirror/failover/run.ts'
import {
  type Consent,
  consents,
  type FailoverAction,
  failoverActions,
  type StepRecord,
} from '../../../operations/mirror/failover/state.ts'
import { KEEP_CHANGED } from '../../../operations/mirror/keep/errors.ts'
import { isNamed } from '../../../operations/mirror/keep/names.ts'
import { differenceJson, renderDifference } from '../../../operations/mirror/keep/render.ts'
import {
  type KeepOptions,
  keepOnce,
  lookForDifference,
  type Round,
} from '../../../operations/mirror/keep/run.ts'
import { homeOf } from '../../home.ts'
import { groupsMoved, type OpenSides, openSides } from '../../link-sides.ts'
import { carryTold } from '../../link-switch.ts'
import { outboxOf } from '../../outbox.ts'
import { print, printJson, say } from '../output.ts'

const KEEP_NOTHING = errorKind(
  'KEEP_NOTHING',
  'Nothing is named that is to be kept in step.',
  'Name it: --groups, --acls or --quotas, each with patterns; or let the link’s definition name it (keep).',
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
  readonly groups?: readonly string[]
  readonly writers: readonly string[]
  readonly unplanned?: boolean
  readonly stay?: boolean
  readonly reason?: string
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
  const signal = interrupted()
  await using sides = await open(name, [], defined => kept(name, defined, flags), signal)
  const options = sides.keep(signal)
  if (flags.dryRun === true) {
    const { difference } = await lookForDifference(options)
    if (flags.json === true) printJson({ link: name, dryRun: true, ...differenceJson(difference) })
    else print(renderDifference(difference))
    return
  }
  const { difference, done } = await keepNow(options)
  const failed = done.filter(({ error }) => error !== null)
  if (flags.json === true)
    printJson({ link: name, dryRun: false, ...differenceJson(difference), failed: failed.map(toFailure) })
  else print(renderDifference(difference))
  for (const { error } of failed) say(describeError(error))
  if (failed.length > 0)
    throw new AjnaError(KEEP_INCOMPLETE, `${failed.length} of ${count(done.length, 'change')} failed`)
  say(`${count(done.length, 'change')} made`)
}

const TRIES = 3

/** The link's worker may have noted something since this looked. */
async function keepNow(options: KeepOptions): Promise<Round> {
  for (let tries = 1; ; tries++) {
    try {
      return await keepOnce(options)
    } catch (error) {
      if (tries >= TRIES || !isAjnaError(error, KEEP_CHANGED)) throw error
    }
  }
}

/** What is named here, or else what the link's definition names. */
function kept(name: string, defined: LinkDefinition['keep'], flags: KeepFlags): LinkDefinition['keep'] {
  const foreignPositions = flags.advanceForeign === true ? 'advance' : defined.foreignPositions
  const named = { acls: flags.acls, quotas: flags.quotas, groups: flags.groups }
  const isGiven = Object.values(named).some(names => names !== undefined)
  const chosen = (kind: keyof typeof named): LinkDefinition['keep']['groups'] =>
    isGiven ? { include: [...(named[kind] ?? [])], exclude: [] } : defined[kind]
  const keeps = { acls: chosen('acls'), quotas: chosen('quotas'), groups: chosen('groups') }
  if (!Object.values(keeps).some(isNamed))
    throw new AjnaError(KEEP_NOTHING, `what of link ${name} is to be kept in step`)
  return { ...defined, ...keeps, foreignPositions }
}

const toFailure = ({ change, error }: { change: unknown; error: AjnaError | null }) => ({ change, error })

/** What a switch would do; exit code 3 when something forbids it. */
export async function rehearse(name: string, action: string, flags: SidesFlags): Promise<void> {
  const known = failoverActions.find(each => each === action)
  if (known === undefined) throw new AjnaError(ACTION_UNKNOWN, action)
  const signal = interrupted()
  await using sides = await openFor(name, flags, signal)
  const rehearsal = await rehearseSwitch(sides.context, optionsOf(known, flags), signal)
  if (flags.json === true) printJson(rehearsal)
  else print(renderRehearsal(rehearsal))
  if (!rehearsal.allowed) process.exitCode = FAILOVER_REFUSED.exit
}

/** Says what will happen, then does it; the same command goes on with what was interrupted. */
export async function carry(name: string, action: FailoverAction, flags: SidesFlags): Promise<void> {
  const signal = interrupted()
  await using sides = await openFor(name, flags, signal)
  const { context } = sides
  const options = optionsOf(action, flags)
  const before = (await context.store.load())?.state.operation ?? null
  if (before?.action === action)
    say(`going on with the ${actionNames[action]} of ${new Date(before.startedAt).toISOString()}`)
  else say(renderRehearsal(await rehearseSwitch(context, options, signal)))
  const { state, steps } = await carryTold(
    {
      context,
      link: name,
      options,
      actor: userInfo().username,
      reason: flags.reason ?? null,
      record: outboxOf(homeOf()).put,
      onStep: sayStep,
    },
    signal,
  )
  if (flags.json === true) printJson({ link: name, action, phase: state.phase, steps })
  else say(`done: ${name} is ${state.phase}`)
}

function sayStep({ name, startedAt, endedAt }: StepRecord): void {
  if (endedAt === null) say(`… ${stepTexts[name]}`)
  else say(`✓ ${stepTexts[name]} (${endedAt - startedAt} ms)`)
}

function optionsOf(action: FailoverAction, flags: SidesFlags): RehearsalOptions {
  const given = consents.filter((consent): consent is Consent => flags[camelCase(consent)] === true)
  return { action, planned: flags.unplanned !== true, consents: given, stay: flags.stay === true }
}

/** As commander names an option. */
const camelCase = (flag: string): string =>
  flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())

const openFor = (name: string, { groups, writers }: SidesFlags, signal: AbortSignal): Promise<OpenSides> =>
  open(name, writers, defined => groupsMoved(defined, groups), signal)

async function open(
  link: string,
  writers: readonly string[],
  keeping: (defined: LinkDefinition['keep']) => LinkDefinition['keep'],
  signal: AbortSignal,
): Promise<OpenSides> {
  const home = homeOf()
  const log = createLogger('sides', join(home.logs, 'sides.log'))
  return openSides({ home, link, keep: keeping, writers, log, signal })
}

/** Ctrl-C ends a switch between two looks; the same command goes on with it. */
function interrupted(): AbortSignal {
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort(new Error('interrupted')))
  return ending.signal
}
