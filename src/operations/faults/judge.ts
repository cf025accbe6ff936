import { isOver } from '../heal/contract.ts'
import { remediesDone } from './analysis/healing.ts'
import type { ProposedLoss } from './analysis/proposed.ts'
import type { ExpectedHealing } from './contract.ts'
import { inTurn, operationText, type PlannedOperation } from './planned/schema.ts'
import type { OperationOutcome, RunResult } from './run.ts'
import type { Scenario } from './scenario.ts'

/** One thing that a scenario expects, and what was found. */
export interface Expectation {
  readonly what: string
  readonly expected: string
  readonly found: string
  readonly met: boolean
}

/** Whether a run was what its scenario expects. A load that gave up, or proves nothing, meets nothing. */
export function judge({ expect, operations }: Scenario, result: RunResult): readonly Expectation[] {
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
    ...inTurn(operations).map((each, index) => carriedOut(each, result.operations[index])),
    ...(expect.longestGapWithin === undefined ? [] : [uninterrupted(expect.longestGapWithin, load)]),
    ...(expect.p99Within === undefined ? [] : [undisturbed(expect.p99Within, result)]),
    ...(faults.length > 0 && expect.availabilityRestoredWithin !== undefined
      ? [within('availability', expect.availabilityRestoredWithin, available)]
      : []),
    ...(faults.length > 0 && wantsRedundancy
      ? [within('redundancy', expect.redundancyRestoredWithin, redundant)]
      : []),
    ...healed(expect, result),
    {
      what: 'whole in the end',
      expected: 'yes',
      found: result.settled ? 'yes' : 'no',
      met: result.settled || !wantsRedundancy,
    },
  ]
}

/** A planned operation ends as it is to, and leaves every broker as it should be. */
function carriedOut(planned: PlannedOperation, found: OperationOutcome | undefined): Expectation {
  const state = found?.state ?? 'skipped'
  return {
    what: operationText(planned),
    expected: planned.ends,
    found: found?.reason == null ? state : `${state}: ${found.reason}`,
    met: state === planned.ends,
  }
}

function uninterrupted(limit: number, { partitions }: RunResult['load']): Expectation {
  const gaps = partitions.flatMap(each => each.gaps)
  const longest = Math.round(Math.max(0, ...gaps.map(({ from, to }) => to - from)))
  return {
    what: 'longest time without an acknowledgement',
    expected: `within ${limit} ms`,
    found: longest === 0 ? 'no gap' : `${longest} ms`,
    met: longest <= limit && !gaps.some(({ open }) => open),
  }
}

/** What clients wait when nothing is broken. */
function undisturbed(limit: number, { latency: { before } }: RunResult): Expectation {
  return {
    what: 'p99 before any fault',
    expected: `within ${limit} ms`,
    found: before === null ? 'nothing was acknowledged' : `${before.p99Ms} ms`,
    met: before !== null && before.p99Ms <= limit,
  }
}

/**
 * What a healer must have told and done. An alert that stays silent fails a run in which all else is well: nobody would have
 * been called, had it not been. Without a healer nothing of it is expected.
 */
function healed(
  { incident, remedy, proposed }: ExpectedHealing,
  { incidents, faults, proposed: told }: RunResult,
): readonly Expectation[] {
  if (incidents === null || (faults.length === 0 && incident === undefined)) return []
  const causes = [...new Set(incidents.map(({ cause }) => cause))]
  const done = remediesDone({ incident, proposed }, incidents)
  const named = (all: readonly string[], none: string): string => (all.length === 0 ? none : all.join(', '))
  const open = incidents.filter(each => !isOver(each))
  const failed = incidents.filter(({ state }) => state === 'failed')
  return [
    ...(incident === undefined
      ? []
      : [
          {
            what: 'incident',
            expected: incident,
            found: named(causes, incident === 'none' ? 'none' : 'none: the alert stayed silent'),
            met: incident === 'none' ? causes.length === 0 : causes.includes(incident),
          },
        ]),
    ...(remedy === undefined
      ? []
      : [
          {
            what: 'remedy',
            expected: remedy === 'none' ? remedy : remedy.join(' or '),
            found: named(done, 'none'),
            met: remedy === 'none' ? done.length === 0 : remedy.some(each => done.includes(each)),
          },
        ]),
    ...(proposed === true ? [asked(told)] : []),
    {
      what: 'incidents followed to their end',
      expected: 'all',
      found: open.length + failed.length === 0 ? 'all' : `${open.length} still open, ${failed.length} failed`,
      met: open.length + failed.length === 0,
    },
  ]
}

/** Whether a person was asked, and told what it would cost: what was acknowledged, and of what was under way some or all. */
function asked(proposed: ProposedLoss | null): Expectation {
  const { bound, acknowledged, underWay } = proposed ?? { bound: null, acknowledged: 0, underWay: 0 }
  return {
    what: 'loss that a person is asked to accept',
    expected:
      proposed === null ? 'counted' : `${acknowledged} records, and at most ${underWay} that were under way`,
    found: proposed === null ? 'nobody was asked' : bound === null ? 'not known' : `${bound} records`,
    met: bound !== null && acknowledged > 0 && bound >= acknowledged && bound <= acknowledged + underWay,
  }
}
