import type { BrokerFacts } from './contract.ts'

/** A process so young may be the successor of one that died. */
const YOUNG_MS = 1_000

/** Whether it is worth asking everybody about a broker: its probe or its agent says something unusual. Pure. */
export function isSuspect(
  { testimony, probe }: Pick<BrokerFacts, 'testimony' | 'probe'>,
  at: number,
): boolean {
  if (probe.kind === 'silent' || probe.kind === 'refused') return true
  if (testimony.kind === 'dead' || testimony.kind === 'disputed') return true
  return testimony.kind === 'running' && at - testimony.since < YOUNG_MS
}
