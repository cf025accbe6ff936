/** A switch at work: what its steps share. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { FailoverContext, FailoverSide } from './control.ts'
import { FAILOVER_STUCK } from './errors.ts'
import type { TopicPair } from './facts.ts'
import type { Consent, FailoverState } from './state.ts'
import type { WaitOptions } from './wait.ts'

export interface Switching {
  readonly context: FailoverContext
  readonly topics: readonly TopicPair[]
  state(): FailoverState
  /** Saved when it resolves. */
  change(make: (state: FailoverState) => FailoverState): Promise<void>
  consents(consent: Consent): boolean
  readonly signal: AbortSignal
}

/** What a step has to show for itself. JSON-safe. */
export type Evidence = Readonly<Record<string, unknown>>

export type Which = 'source' | 'target'

export const otherThan = (which: Which): Which => (which === 'source' ? 'target' : 'source')

/** Which of a topic's two names is its name at a side. */
export const nameAt = (which: Which): keyof TopicPair => (which === 'source' ? 'source' : 'copy')

export const namesAt = ({ topics }: Switching, which: Which): string[] =>
  topics.map(pair => pair[nameAt(which)])

export const sideOf = ({ context }: Switching, which: Which): FailoverSide => context[which]

export const waitOf = ({ context, signal }: Switching): WaitOptions => ({
  ...context.waits,
  now: context.now,
  signal,
})

/** @throws AjnaError FAILOVER_STUCK unless somebody has said yes to it */
export function need(at: Switching, consent: Consent, what: string): void {
  if (!at.consents(consent)) throw new AjnaError(FAILOVER_STUCK, `${what}; say --${consent} to go on`)
}
