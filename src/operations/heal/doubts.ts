/** What agents say of brokers that answer: one that is wrong is found out before its word is needed. */
import { setTimeout as delay } from 'node:timers/promises'
import { oddsOf } from './causes/odds.ts'
import type { BrokerFacts, HealFacts } from './contract.ts'
import type { HealedBroker, HostAgent } from './ends.ts'
import type { Probes } from './probe.ts'

const ASK_EVERY_MS = 5_000
const WATCH_MS = 250
/** A claim older than that says nothing of now. */
const FRESH_MS = 2 * ASK_EVERY_MS + 1_000

export interface Doubts {
  /** Whether somebody contradicts somebody about it, or its agent calls it frozen though it answers. */
  has(broker: number): boolean
  /** Whether the agent has called this process of a broker frozen lately, though the broker answered. */
  saysFrozen(broker: number, pid: number | null): boolean
  /** The facts, with since when the sides have been at odds. */
  noted(facts: HealFacts): HealFacts
}

export interface DoubtsOptions {
  readonly brokers: readonly HealedBroker[]
  readonly agent: Pick<HostAgent, 'ran'>
  readonly probes: Pick<Probes, 'of'>
  readonly now: () => number
  readonly signal: AbortSignal
}

export function startDoubts({ brokers, agent, probes, now, signal }: DoubtsOptions): Doubts {
  const claims = new Map<number, { readonly pid: number; readonly at: number }>()
  const odds = new Map<number, { readonly mark: string; readonly since: number }>()

  async function ask({ id, process }: HealedBroker): Promise<void> {
    const answers = (): boolean => probes.of(id).kind === 'answers'
    const life = answers() ? await agent.ran(process, WATCH_MS, signal).catch(() => undefined) : undefined
    // One that is silent by now may have frozen meanwhile.
    if (life?.ran === false && answers()) claims.set(id, { pid: life.pid, at: now() })
    else claims.delete(id)
  }

  async function askAll(): Promise<void> {
    while (!signal.aborted) {
      await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await Promise.all(brokers.map(ask))
    }
  }
  void askAll()

  function since(broker: BrokerFacts, at: number): number | undefined {
    const mark = oddsOf(broker)?.mark
    const before = odds.get(broker.id)
    if (mark === undefined) odds.delete(broker.id)
    else if (before?.mark !== mark) odds.set(broker.id, { mark, since: at })
    return odds.get(broker.id)?.since
  }

  return {
    has: broker => odds.has(broker) || claims.has(broker),
    saysFrozen(broker, pid) {
      const claim = claims.get(broker)
      return claim !== undefined && claim.pid === pid && now() - claim.at < FRESH_MS
    },
    noted: facts => ({
      ...facts,
      brokers: facts.brokers.map(broker => {
        const atOddsSince = since(broker, facts.at)
        return atOddsSince === undefined ? broker : { ...broker, atOddsSince }
      }),
    }),
  }
}
