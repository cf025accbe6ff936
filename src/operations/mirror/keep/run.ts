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
  /** Default: identity. */
  readonly translate?: Translate
  readonly log: Logger
  readonly now?: () => number
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
    translate: options.translate ?? identity,
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
  const done = await carryOut(options.target, options.store, looked.state, looked.difference, options.signal)
  return { ...looked, done }
}

export interface Keeping extends AsyncDisposable {
  status(): KeepStatus
  /** Resolves when it was stopped. */
  readonly done: Promise<void>
}

export interface KeepingOptions extends KeepOptions {
  /**
   * Whether the source is the original now: while the sides of the link are switched nothing follows it (a switch's own rules
   * least of all). Default: always.
   */
  readonly follows?: () => Promise<boolean>
}

export function keepInStep(options: KeepingOptions): Keeping {
  const { definition, log, now = Date.now, follows = async () => true } = options
  const ending = new AbortController()
  const signal = AbortSignal.any([options.signal, ending.signal])
  let groups: ReadonlyMap<string, GroupRound> = new Map()
  let last: { readonly at: number; readonly tookMs: number; readonly round: Round } | undefined
  let reason = ''

  async function round(): Promise<void> {
    const at = now()
    const done = await keepOnce({ ...options, signal })
    groups = groupsAfter(groups, done.source, done.difference, done.done, now())
    last = { at, tookMs: now() - at, round: done }
    for (const { change, error } of done.done) {
      if (error === null) log.info({ change }, 'brought the target in step')
      else log.warn({ change, reason: describeError(error) }, 'the target could not be brought in step')
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        const original = await follows()
        if (original) await round()
        reason = original ? '' : 'the sides of the link are switched: nothing follows the source'
      } catch (error) {
        if (signal.aborted) return
        const what = describeError(error)
        if (what !== reason) log.warn({ reason: what }, 'nothing can be kept in step just now; trying on')
        reason = what
      }
      await sleep(definition.keep.everyMs, undefined, { signal }).catch(() => undefined)
    }
  }

  const done = run()
  return {
    done,
    status() {
      const observedAt = now()
      return {
        link: definition.name,
        observedAt,
        roundAt: last?.at ?? null,
        roundTookMs: last?.tookMs ?? null,
        reason,
        changed: last?.round.done.filter(({ error }) => error === null).length ?? 0,
        failed: last?.round.done.filter(({ error }) => error !== null).length ?? 0,
        left: [...(last?.round.difference.left ?? [])],
        groups: [...groups.values()].map(group => ({
          ...group,
          freshnessMs: group.asOf === null ? null : Math.max(0, observedAt - group.asOf),
        })),
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort(new Error('keeping in step was stopped'))
      await done
    },
  }
}
