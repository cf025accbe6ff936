/** Steps that wait for logs to come to the same end, and that stop links there and start them again. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { reversed } from './control.ts'
import { FAILOVER_STUCK } from './errors.ts'
import type { SideTopic } from './facts.ts'
import { caughtUp, reached, settled, untouched } from './judge.ts'
import { endsOf, topicsAt } from './look.ts'
import type { FailoverState, LogEnd } from './state.ts'
import {
  type Evidence,
  nameAt,
  namesAt,
  otherThan,
  type Switching,
  sideOf,
  type Which,
  waitOf,
} from './switching.ts'
import { waitUntil } from './wait.ts'

const topicsOf = (at: Switching, which: Which): Promise<ReadonlyMap<string, SideTopic>> =>
  topicsAt(sideOf(at, which).admin, namesAt(at, which), at.signal)

const endsAt = async (at: Switching, which: Which): Promise<LogEnd[]> =>
  endsOf(at.topics, await topicsOf(at, which), nameAt(which))

const endsText = (ends: readonly LogEnd[]): Record<string, number> =>
  Object.fromEntries(ends.map(({ topic, partition, end }) => [`${topic}-${partition}`, end]))

export async function settle(at: Switching, which: Which): Promise<Evidence> {
  const seen = await waitUntil(() => topicsOf(at, which), settled, waitOf(at))
  return { ends: endsText(endsOf(at.topics, seen, nameAt(which))) }
}

/** The original first: its copy may only have come further since. */
async function bothSides(at: Switching, original: Which) {
  const first = await topicsOf(at, original)
  return { first, second: await topicsOf(at, otherThan(original)) }
}

export async function catchUp(at: Switching, original: Which): Promise<Evidence> {
  const from = at.context.now()
  const { first } = await waitUntil(
    () => bothSides(at, original),
    ({ first, second }) => caughtUp(at.topics, first, nameAt(original), second),
    waitOf(at),
  )
  return {
    ends: endsText(endsOf(at.topics, first, nameAt(original))),
    tookMs: at.context.now() - from,
  }
}

async function sameEnds(at: Switching, original: Which): Promise<LogEnd[]> {
  const { first, second } = await bothSides(at, original)
  const judged = caughtUp(at.topics, first, nameAt(original), second)
  if (!judged.done) throw new AjnaError(FAILOVER_STUCK, `the sides do not end alike: ${judged.waitsFor}`)
  return endsOf(at.topics, first, nameAt(original))
}

/** The side that is the original until now. */
const originalOf = ({ phase }: FailoverState): Which => (phase === 'promoting' ? 'source' : 'target')

export async function equalEnds(at: Switching): Promise<Evidence> {
  const ends = await sameEnds(at, originalOf(at.state()))
  await at.change(state => ({ ...state, fork: ends }))
  return { ends: endsText(ends) }
}

export async function noteEnds(at: Switching): Promise<Evidence> {
  const ends = await endsAt(at, 'target')
  await at.change(state => ({ ...state, fork: ends }))
  return { ends: endsText(ends) }
}

export async function untouchedTarget(at: Switching): Promise<Evidence> {
  const ends = await endsAt(at, 'target')
  const judged = untouched(at.state().fork, ends)
  if (!judged.done)
    throw new AjnaError(
      FAILOVER_STUCK,
      `the target was written to: ${judged.waitsFor}; fail back instead of demoting`,
    )
  return { ends: endsText(ends) }
}

/** What the target had at one moment is at the source so little later that the rest is quickly copied. */
const CLOSE_MS = 3_000
const MAX_APPROACHES = 100

export async function approach(at: Switching): Promise<Evidence> {
  const { now } = at.context
  for (let rounds = 1; ; rounds++) {
    const from = now()
    const then = await endsAt(at, 'target')
    await waitUntil(
      () => topicsOf(at, 'source'),
      seen => reached(then, at.topics, seen, 'source'),
      waitOf(at),
    )
    const behindMs = now() - from
    if (behindMs <= CLOSE_MS || rounds >= MAX_APPROACHES) return { behindMs, rounds }
  }
}

export async function stop(at: Switching, which: 'link' | 'reverse'): Promise<Evidence> {
  await at.change(state => ({ ...state, runs: { ...state.runs, [which]: false } }))
  return { ...(await at.context[which].stop(at.signal)) }
}

export async function start(at: Switching, which: 'link' | 'reverse'): Promise<Evidence> {
  await at.change(state => ({ ...state, runs: { ...state.runs, [which]: true } }))
  await at.context[which].start(at.signal)
  return {}
}

/** The source's logs are the reverse link's to write from where they end: up to there they are the target's. */
export async function adoptSource(at: Switching): Promise<Evidence> {
  const { context, signal } = at
  const names = namesAt(at, 'target')
  await context.makeReverse(reversed(context.definition, names), signal)
  const ends = await endsAt(at, 'source')
  await context.reverse.rebase(ends, names, signal)
  return { from: endsText(ends) }
}

export async function adoptEnds(at: Switching): Promise<Evidence> {
  const { link } = at.context
  const ends = await sameEnds(at, 'target')
  const [copied, there] = [await link.copiedIds(at.signal), await topicsOf(at, 'source')]
  const others = namesAt(at, 'source').filter(name => copied.get(name) !== there.get(name)?.id)
  await link.rebase(ends, others, at.signal)
  return { ends: endsText(ends), others }
}
