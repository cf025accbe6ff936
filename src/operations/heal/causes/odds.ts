/**
 * Sides that contradict each other about a broker's process: an agent's word is what a process is killed for, so one that is
 * wrong is told of, and nothing is done on it. Pure.
 */
import type { BrokerFacts, Signal } from '../contract.ts'

/** So long no change explains it: a broker's end and its start are known to all sides long before. */
export const AT_ODDS_MS = 5_000

export interface Odds {
  readonly signals: readonly Signal[]
  /** Tells this contradiction from others, the same for every healer. */
  readonly mark: string
}

/** Undefined: nobody contradicts anybody. */
export function oddsOf({ testimony, probe, registration }: BrokerFacts): Odds | undefined {
  const answers: Signal[] = [
    ...(probe.kind === 'answers' ? [{ source: 'probe', says: 'it answers' } as const] : []),
    ...(registration === 'up' ? [{ source: 'controller', says: 'it is up' } as const] : []),
  ]
  const agent = (says: string): Signal => ({ source: 'agent', says })
  switch (testimony.kind) {
    case 'disputed':
      return { signals: [...testimony.says.map(agent), ...answers], mark: 'agents' }
    case 'dead': {
      if (probe.kind !== 'answers') return undefined
      const { lastEnd } = testimony
      const says = lastEnd === null ? 'it does not run' : `process ${lastEnd.pid} ended (${lastEnd.how})`
      return { signals: [agent(says), ...answers], mark: `dead-${(lastEnd?.at ?? 0).toString(36)}` }
    }
    case 'running': {
      if (testimony.ran !== false || probe.kind !== 'answers') return undefined
      const { pid, since } = testimony
      return {
        signals: [agent(`no thread of process ${pid} runs`), ...answers],
        mark: `frozen-${pid}-${since.toString(36)}`,
      }
    }
    case 'none':
      return undefined
    default:
      return testimony satisfies never
  }
}
