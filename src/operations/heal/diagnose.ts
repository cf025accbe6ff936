/**
 * From facts to causes. Pure. A broker is called dead or frozen only if two sides that do not know of each other say so;
 * partitions that suffer from it are explained by it, and not healed by themselves.
 */
import type { Affected, BrokerFacts, Diagnosis, HealFacts, Signal } from './contract.ts'

/** So many unanswered probes in a row, and for so long, are a sign. */
const SILENT_TIMES = 2
const SILENT_MS = 600
/** A process that began so lately cannot have registered with the controller yet. */
const NOT_REGISTERED_YET_MS = 1_000
/** A broker that has run for so long, and is not registered, will not be. */
const OVERDUE_MS = 60_000
/** A sign of death that old explains nothing any more: by then the controller has found out by itself. */
const FRESH_MS = 30_000

/** One diagnosis for each broker that something is wrong with, as far as two sides agree. */
export function diagnose(facts: HealFacts): readonly Diagnosis[] {
  return facts.brokers.flatMap(broker => {
    const found = death(broker, facts.at) ?? freeze(broker, facts.at) ?? estrangement(broker, facts.at)
    if (found === undefined) return []
    const { id, rack } = broker
    const { cluster } = facts
    return [{ ...found, cluster, broker: id, rack, affected: affectedBy(facts, id) }]
  })
}

type Found = Pick<Diagnosis, 'cause' | 'signals' | 'pid'>

/**
 * Whether the process that the controller counts as up is gone. Its successor may run already: as long as that one is too
 * young to have registered, what the controller has is the dead one's.
 */
function death({ testimony, probe, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind === 'none') return undefined
  const { lastEnd } = testimony
  if (lastEnd === null || at - lastEnd.at > FRESH_MS) return undefined
  if (testimony.kind === 'running' && at - testimony.since >= NOT_REGISTERED_YET_MS) return undefined
  const signals: Signal[] = [{ source: 'agent', says: `process ${lastEnd.pid} ended (${lastEnd.how})` }]
  if (probe.kind === 'refused') signals.push({ source: 'probe', says: 'nobody listens at its address' })
  if (registration === 'fenced' || registration === 'absent')
    signals.push({ source: 'controller', says: `it is ${registration}` })
  return agreed(signals) ? { cause: 'broker-dead', signals, pid: lastEnd.pid } : undefined
}

function freeze({ testimony, probe, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind !== 'running' || testimony.ran !== false) return undefined
  const signals: Signal[] = [{ source: 'agent', says: `no thread of process ${testimony.pid} runs` }]
  if (probe.kind === 'silent' && probe.times >= SILENT_TIMES && at - probe.since >= SILENT_MS)
    signals.push({
      source: 'probe',
      says: `it takes connections and has answered none for ${at - probe.since} ms`,
    })
  if (registration === 'fenced')
    signals.push({ source: 'controller', says: 'it has not been heard of, and is fenced' })
  return agreed(signals) ? { cause: 'broker-frozen', signals, pid: testimony.pid } : undefined
}

function estrangement({ testimony, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind !== 'running' || registration !== 'absent') return undefined
  const ranMs = at - testimony.since
  if (ranMs < OVERDUE_MS) return undefined
  const { pid } = testimony
  const signals: Signal[] = [
    { source: 'agent', says: `process ${pid} has run for ${Math.round(ranMs / 1_000)} s` },
    { source: 'controller', says: 'it is not registered' },
  ]
  return { cause: 'broker-unregistered', signals, pid }
}

/** One source may be wrong, or lie. */
function agreed(signals: readonly Signal[]): boolean {
  return new Set(signals.map(({ source }) => source)).size >= 2
}

export function affectedBy({ partitions }: Pick<HealFacts, 'partitions'>, broker: number): Affected {
  const its = (partitions ?? []).filter(({ replicas }) => replicas.includes(broker))
  return {
    leaderless: its.filter(({ leader }) => leader === null || leader === broker).length,
    waitingForIt: its.filter(({ isr }) => isr.includes(broker)).length,
    lastInSync: its
      .filter(({ isr }) => isr.length === 1 && isr[0] === broker)
      .map(({ topic, partition }) => `${topic}-${partition}`),
  }
}

/** Whether acknowledged writes flow to every partition that has a replica on the broker, without it. */
export function flowsWithout({ partitions }: Pick<HealFacts, 'partitions'>, broker: number): boolean {
  if (partitions === null) return false
  return partitions
    .filter(({ replicas }) => replicas.includes(broker))
    .every(({ leader, isr }) => leader !== null && leader !== broker && !isr.includes(broker))
}

/** Whether every replica on the broker is in sync again. */
export function isRedundantWith({ partitions }: Pick<HealFacts, 'partitions'>, broker: number): boolean {
  if (partitions === null) return false
  return partitions
    .filter(({ replicas }) => replicas.includes(broker))
    .every(({ leader, isr }) => leader !== null && isr.includes(broker))
}
