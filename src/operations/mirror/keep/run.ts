/** Keeps a link's target in step, round after round: look, decide, carry out. A round that fails is tried again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { LinkDefinition } from '../definition.ts'
import { type CarriedOut, carryOut } from './carry-out.ts'
import { type Difference, type DifferenceOptions, difference } from './difference.ts'
import { identity, type Translate } from './facts.ts'
import { type Gathered, gather, type KeepSource, type KeepTarget } from './gather.ts'
import { EMPTY_KEEP, type KeepState, type KeepStore } from './state.ts'
import { type GroupRound, groupsAfter, type KeepStatus } from './status.ts'

export interface KeepOptions {
  readonly definition: LinkDefinition
  readonly source: KeepSource
  readonly target: KeepTarget
  readonly store: KeepStore
  /** Whom the link acts as at its ends (`User:link-edge-hub`). */
  readonly linkPrincipals: readonly string[]
  /** Asked once it is known where the copies end, so that whatever lies before has its place. Default: identity. */
  readonly translate?: () => Promise<Translate>
  readonly log: Logger
  readonly now?: () => number
  /** Throws when nothing more may be done; asked before each request that changes something. */
  readonly proceed?: () => void
  readonly signal: AbortSignal
}

export interface Looked extends Gathered {
  readonly state: KeepState
  readonly difference: Difference
}

/** What would be done now; nothing is. @throws what the clusters answer */
export async function lookForDifference(options: KeepOptions, how: DifferenceOptions = {}): Promise<Looked> {
  const state = (await options.store.load()) ?? EMPTY_KEEP
  const gathered = await gather({
    ...options,
    translate: options.translate ?? (async () => identity),
    now: options.now ?? Date.now,
  })
  const found = difference(gathered.source, gathered.target, state, gathered.scope, how)
  return { ...gathered, state, difference: found }
}

export interface Round extends Looked {
  readonly done: readonly CarriedOut[]
}

/** @throws what the clusters answer when a side or a part cannot be seen; what the store throws */
export async function keepOnce(options: KeepOptions, how: DifferenceOptions = {}): Promise<Round> {
  const looked = await lookForDifference(options, how)
  const done = await carryOut(options, looked.state, looked.difference)
  return { ...looked, done }
}

export interface Keeping extends AsyncDisposable {
  /** Undefined when this is not the one that keeps it, or nothing is to be kept. */
  status(): KeepStatus | undefined
  /** Resolves when no round is under way. */
  idle(): Promise<void>
}

export interface KeepingOptions {
  readonly link: string
  /** Asked before each round: what to keep in step; a text: why nothing is just now; undefined: it is not to be done here. */
  readonly next: () => KeepOptions | string | undefined
  /** Between two rounds. */
  readonly everyMs: () => number
  readonly log: Logger
  readonly now?: () => number
  /** Ends it. */
  readonly signal: AbortSignal
}

const LOOK_MS = 500

interface LastRound {
  readonly at: number
  readonly tookMs: number
  readonly round: Round
}

export function keepInStep({ link, next, everyMs, log, now = Date.now, signal }: KeepingOptions): Keeping {
  let groups: ReadonlyMap<string, GroupRound> = new Map()
  let last: LastRound | undefined
  let reason = ''
  let here = false
  let round: Promise<void> = Promise.resolve()
  const ending = new AbortController()
  const either = AbortSignal.any([signal, ending.signal])

  async function once(options: KeepOptions): Promise<void> {
    const at = now()
    const done = await keepOnce({ ...options, signal: AbortSignal.any([options.signal, either]) })
    groups = groupsAfter(groups, done.source, done.difference, done.done, now())
    last = { at, tookMs: now() - at, round: done }
    for (const { change, error } of done.done) {
      if (error === null) log.info({ change }, 'brought the target in step')
      else log.warn({ change, reason: describeError(error) }, 'the target could not be brought in step')
    }
  }

  async function look(): Promise<void> {
    try {
      const options = next()
      here = options !== undefined
      if (options !== undefined && typeof options !== 'string') await once(options)
      reason = typeof options === 'string' ? options : ''
    } catch (error) {
      if (either.aborted) return
      const what = describeError(error)
      if (what !== reason) log.warn({ reason: what }, 'nothing can be kept in step just now; trying on')
      reason = what
    }
  }

  /** What it is told may change while it waits. */
  async function pause(): Promise<void> {
    const from = now()
    do await sleep(Math.min(everyMs(), LOOK_MS), undefined, { signal: either }).catch(() => undefined)
    while (!either.aborted && here && now() - from < everyMs())
  }

  async function run(): Promise<void> {
    while (!either.aborted) {
      round = look()
      await round
      await pause()
    }
  }

  const running = run()
  return {
    idle: () => round,
    status: () => (here ? statusOf(link, now(), reason, last, groups) : undefined),
    async [Symbol.asyncDispose]() {
      ending.abort(new Error('keeping in step was stopped'))
      await running
    },
  }
}

function statusOf(
  link: string,
  observedAt: number,
  reason: string,
  last: LastRound | undefined,
  groups: ReadonlyMap<string, GroupRound>,
): KeepStatus {
  const done = last?.round.done ?? []
  return {
    link,
    observedAt,
    roundAt: last?.at ?? null,
    roundTookMs: last?.tookMs ?? null,
    reason,
    changed: done.filter(({ error }) => error === null).length,
    failed: done.filter(({ error }) => error !== null).length,
    left: [...(last?.round.difference.left ?? [])],
    groups: [...groups.values()].map(group => ({
      ...group,
      freshnessMs: group.asOf === null ? null : Math.max(0, observedAt - group.asOf),
    })),
  }
}
