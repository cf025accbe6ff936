import type { RunResult } from './run.ts'
import type { Scenario } from './scenario.ts'

/** One thing that a scenario expects, and what was found. */
export interface Expectation {
  readonly what: string
  readonly expected: string
  readonly found: string
  readonly met: boolean
}

/** Whether a run was what its scenario expects. A load that gave up, or proves nothing, meets nothing. */
export function judge({ expect }: Scenario, result: RunResult): readonly Expectation[] {
  const { records, load, faults } = result
  const atMost = (what: string, limit: number, found: number): Expectation => ({
    what,
    expected: limit === 0 ? '0' : `at most ${limit}`,
    found: String(found),
    met: found <= limit,
  })
  const within = (
    what: string,
    limit: number | undefined,
    found: readonly (number | null)[],
  ): Expectation => {
    const worst = found.includes(null) ? null : Math.max(0, ...found.map(each => each ?? 0))
    return {
      what,
      expected: limit === undefined ? 'restored' : `within ${limit} ms`,
      found: worst === null ? 'never' : `${worst} ms`,
      met: worst !== null && worst <= (limit ?? Number.POSITIVE_INFINITY),
    }
  }
  const available = faults.map(each => each.availability.restoredMs)
  const redundant = faults.map(each => each.redundancyRestoredMs)
  const wantsRedundancy = expect.redundancyRestored || expect.redundancyRestoredWithin !== undefined
  return [
    {
      what: 'records acknowledged',
      expected: 'some, the load unbroken',
      found: load.failure === null ? String(records.acknowledged) : `load broken: ${load.failure}`,
      met: records.acknowledged > 0 && load.failure === null,
    },
    atMost('lost', expect.lost, records.lost),
    atMost('duplicated', expect.duplicated, records.duplicated),
    atMost('reordered', expect.reordered, records.reordered),
    atMost('foreign or damaged', 0, records.foreign),
    atMost('brokers that ended by themselves', 0, result.unplannedEnds.length),
    ...(faults.length > 0 && expect.availabilityRestoredWithin !== undefined
      ? [within('availability', expect.availabilityRestoredWithin, available)]
      : []),
    ...(faults.length > 0 && wantsRedundancy
      ? [within('redundancy', expect.redundancyRestoredWithin, redundant)]
      : []),
    {
      what: 'whole in the end',
      expected: 'yes',
      found: result.settled ? 'yes' : 'no',
      met: result.settled || !wantsRedundancy,
    },
  ]
}
