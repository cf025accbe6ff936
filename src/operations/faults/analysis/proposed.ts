import type { Incident } from '../../heal/contract.ts'
import type { LoadProgress } from '../load/generator.ts'

/** What a person was told that an election would cost, and what the load knows of that. */
export interface ProposedLoss {
  /** As told, over all partitions; null: of some it was not known. */
  readonly bound: number | null
  /** Of the records that had been acknowledged, those that would be lost, by reading back. */
  readonly acknowledged: number
  /** On their way when the last in-sync replica went: they may be in its log too. */
  readonly underWay: number
}

/** Where the logs of who is to be elected and of who was in sync last part, by partition. Of the first proposal; none: nobody was asked. */
export function partingsOf(
  incidents: readonly Incident[],
  topic: string,
): ReadonlyMap<number, number> | undefined {
  const recovery = asked(incidents)?.recovery
  if (recovery === undefined) return undefined
  return new Map(
    recovery.partitions
      .filter(each => each.topic === topic)
      .map(({ partition, leader, logs }) => [
        partition,
        logs.find(({ broker }) => broker === leader)?.agreesUpTo ?? 0,
      ]),
  )
}

/**
 * Undefined: nobody was asked about all of the load. Pure.
 *
 * @param faults oldest first: the last one before somebody was asked is what they are asked about
 * @param kept records found below where the logs part
 */
export function proposedLossOf(
  incidents: readonly Incident[],
  partitions: number,
  faults: readonly { readonly at: number; readonly progress: LoadProgress }[],
  kept: number,
): ProposedLoss | undefined {
  const incident = asked(incidents)
  const fault = faults.findLast(({ at }) => at <= (incident?.detectedAt ?? 0))
  if (incident?.recovery?.partitions.length !== partitions || fault === undefined) return undefined
  const { acknowledged, underWay } = fault.progress
  const losses = incident.recovery.partitions.map(({ loss }) => loss)
  const bound = losses.reduce((sum, each) => (sum === null || each === null ? null : sum + each), 0)
  return { bound, acknowledged: acknowledged - kept, underWay }
}

const asked = (incidents: readonly Incident[]): Incident | undefined =>
  incidents.find(({ proposal, subject }) => proposal !== undefined && subject.kind === 'partitions')
