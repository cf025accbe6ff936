import { ACTIVITY_TOPIC, type Activity, byBeginning, type JournalStanding } from './contract.ts'
import { readCopy } from './copy.ts'
import { decideCarrying, merged } from './decide.ts'
import type { Outbox } from './outbox.ts'

/** What a person must know of the list beside the list; undefined when it is whole. Pure. */
export function describeStanding(standing: JournalStanding): string | undefined {
  const { state, cluster, asOf, awaySince, problem, waiting } = standing
  const entries = `${waiting} ${waiting === 1 ? 'entry' : 'entries'}`
  const why = problem === null ? '' : ` (${problem})`
  switch (state) {
    case 'following':
      return problem === null || waiting === 0
        ? undefined
        : `${entries} of this machine not taken into the journal on ${cluster} yet${why}`
    case 'away':
      return [
        `the journal on ${cluster} cannot be read since ${timeOf(awaySince)}${why}:`,
        `shown is what it held ${asOf === null ? 'when it was last read' : `at ${timeOf(asOf)}`}, and all that this machine has told`,
        ...(waiting === 0 ? [] : [`(${entries} to be carried)`]),
      ].join(' ')
    case 'none':
      return `the fleet declares no topic ${ACTIVITY_TOPIC}: shown is what this machine has told lately`
    default:
      return state satisfies never
  }
}

const timeOf = (at: number | null): string =>
  at === null ? 'it was last looked at' : `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`

/** What a machine's disk has of the activity, for when the process that follows the journal does not answer. */
export async function activityOnDisk(
  place: { readonly outbox: Outbox; readonly copy: string; readonly cluster: string | null },
  problem: string,
): Promise<{ readonly entries: readonly Activity[]; readonly journal: JournalStanding }> {
  const [copy, waiting] = await Promise.all([readCopy(place.copy), place.outbox.look()])
  const held = new Map(copy.entries.map(entry => [entry.id, entry]))
  return {
    entries: merged(copy.entries.toSorted(byBeginning), waiting),
    journal: {
      state: place.cluster === null ? 'none' : 'away',
      cluster: place.cluster,
      asOf: copy.asOf,
      awaySince: copy.asOf,
      problem,
      waiting: decideCarrying(waiting, held, new Set()).send.length,
    },
  }
}
