import { describeBroker } from '../disturb.ts'
import { ACKNOWLEDGED_SLOT_MS } from '../load/generator.ts'
import { SLOT_MS, summarize } from '../load/latency.ts'
import { incidentMarks, type Mark } from '../records/marks.ts'
import type { RunResult } from '../run.ts'

/** What a run's picture shows; times are seconds after the load's start. Pure. */
export interface RunTrace {
  readonly lastsS: number
  /** Acknowledged records a second, and when each slot begins. */
  readonly throughput: readonly { readonly at: number; readonly perSecond: number }[]
  /** Of the records that were due in a second. */
  readonly latency: readonly { readonly at: number; readonly p50Ms: number; readonly p99Ms: number }[]
  readonly gaps: readonly {
    readonly partition: number
    readonly from: number
    readonly to: number
    readonly open: boolean
  }[]
  readonly partitions: number
  /** How many partitions have a replica that is not in sync, from then on. */
  readonly underReplicated: readonly { readonly at: number; readonly count: number }[]
  readonly marks: readonly Mark[]
}

export function traceOf(result: RunResult): RunTrace {
  const { load, faults, operations, wholeness, incidents } = result
  const since = (at: number): number => (at - load.startAt) / 1_000
  // Acknowledgements come in for a while after the last record was due.
  const lastsS = Math.max(since(load.stopAt), (load.acknowledged.length * ACKNOWLEDGED_SLOT_MS) / 1_000)
  const slots = Array.from(load.latencies.slots.keys(), slot => load.startAt + slot * SLOT_MS)
  return {
    lastsS,
    throughput: load.acknowledged.map((records, slot) => ({
      at: (slot * ACKNOWLEDGED_SLOT_MS) / 1_000,
      perSecond: records / (ACKNOWLEDGED_SLOT_MS / 1_000),
    })),
    latency: slots.flatMap(from => {
      const found = summarize(load.latencies, from, from + SLOT_MS)
      return found === undefined ? [] : [{ at: since(from), p50Ms: found.p50Ms, p99Ms: found.p99Ms }]
    }),
    gaps: load.partitions.flatMap(({ partition, gaps }) =>
      gaps.map(({ from, to, open }) => ({ partition, from: since(from), to: since(to), open })),
    ),
    partitions: load.partitions.length,
    underReplicated: wholeness.changes.map(({ at, underReplicated, silent }) => ({
      at: Math.max(0, since(at)),
      // A broker that says nothing: what it has is not known to be in sync.
      count: silent > 0 ? Math.max(1, underReplicated) : underReplicated,
    })),
    marks: [
      ...faults.flatMap((fault): Mark[] => [
        {
          at: since(fault.at),
          kind: 'fault',
          text: `${fault.fault}: broker ${fault.brokers.map(describeBroker).join(', ')}`,
        },
        { at: since(fault.revertedAt), kind: 'over', text: `${fault.fault} is over` },
      ]),
      ...operations.flatMap(({ what, state, at, endedAt }): Mark[] => [
        { at: since(at), kind: 'planned', text: what },
        { at: since(endedAt), kind: 'over', text: `${what}: ${state}` },
      ]),
      ...(incidents ?? []).flatMap(incidentMarks).map(mark => ({ ...mark, at: since(mark.at) })),
    ].sort((a, b) => a.at - b.at),
  }
}
