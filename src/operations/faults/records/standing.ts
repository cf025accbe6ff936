import type { Incident } from '../../heal/contract.ts'
import { remediesDone } from '../analysis/healing.ts'
import { inTurn, operationText, type PlannedOperation } from '../planned/schema.ts'
import type { Scenario } from '../scenario.ts'
import type { TestEvent } from './model.ts'

/** An expectation while a test still runs. */
export interface Standing {
  readonly what: string
  readonly expected: string
  readonly soFar: string
  /** `open`: it can still become either. */
  readonly state: 'met' | 'missed' | 'open'
}

/** A record that waits longer has found its partition not writable. */
const FLOWING_MS = 1_000

/** How a scenario's expectations stand by what has happened. What is read back at the end is open until then. Pure. */
export function standingOf(
  { expect, faults, operations }: Pick<Scenario, 'expect' | 'faults' | 'operations'>,
  healer: boolean,
  events: readonly TestEvent[],
): readonly Standing[] {
  const sample = events.findLast(event => event.kind === 'sample')
  const begun = events.some(event => event.kind === 'mark' && event.mark === 'fault')
  const flowing = sample !== undefined && sample.waitMs < FLOWING_MS
  const { underReplicated = 0, leaderless = 0, silent = 0 } = sample ?? {}
  const acknowledged = events.some(event => event.kind === 'sample' && event.perSecond > 0)
  const atTheEnd = (what: string, limit: number): Standing => ({
    what,
    expected: limit === 0 ? '0' : `at most ${limit}`,
    soFar: 'read back at the end',
    state: 'open',
  })
  const wantsRedundancy = expect.redundancyRestored || expect.redundancyRestoredWithin !== undefined
  const inTime = (limit: number | undefined): string =>
    limit === undefined ? 'restored' : `within ${limit} ms`
  return [
    {
      what: 'records acknowledged',
      expected: 'some, the load unbroken',
      soFar: acknowledged ? 'yes' : 'none yet',
      state: acknowledged ? 'met' : 'open',
    },
    atTheEnd('lost', expect.lost),
    atTheEnd('duplicated', expect.duplicated),
    atTheEnd('reordered', expect.reordered),
    ...inTurn(operations).map(each => operationStanding(each, events)),
    ...(expect.longestGapWithin === undefined
      ? []
      : [
          {
            what: 'longest time without an acknowledgement',
            expected: `within ${expect.longestGapWithin} ms`,
            soFar: flowing ? 'writes flow' : `a record waits, for ${Math.round(sample?.waitMs ?? 0)} ms`,
            state: 'open' as const,
          },
        ]),
    ...(expect.p99Within === undefined
      ? []
      : [
          {
            what: 'p99 before any fault',
            expected: `within ${expect.p99Within} ms`,
            soFar: 'counted at the end',
            state: 'open' as const,
          },
        ]),
    ...(faults.length > 0 && expect.availabilityRestoredWithin !== undefined
      ? [
          {
            what: 'availability',
            expected: inTime(expect.availabilityRestoredWithin),
            soFar: !begun
              ? 'no fault yet'
              : flowing
                ? 'writes flow'
                : `a record waits, for ${Math.round(sample?.waitMs ?? 0)} ms`,
            state: 'open' as const,
          },
        ]
      : []),
    ...(faults.length > 0 && wantsRedundancy
      ? [
          {
            what: 'redundancy',
            expected: inTime(expect.redundancyRestoredWithin),
            soFar: !begun
              ? 'no fault yet'
              : underReplicated + leaderless + silent === 0
                ? 'every replica in sync'
                : `${underReplicated} under-replicated, ${leaderless} without a leader, ${silent} brokers silent`,
            state: 'open' as const,
          },
        ]
      : []),
    ...(healer && (faults.length > 0 || expect.incident !== undefined)
      ? healed(expect, latestIncidents(events))
      : []),
  ]
}

function operationStanding(planned: PlannedOperation, events: readonly TestEvent[]): Standing {
  const what = operationText(planned)
  const marks = events.flatMap(event => (event.kind === 'mark' && event.text.startsWith(what) ? [event] : []))
  const ended = marks.find(({ mark }) => mark === 'over')?.text.slice(`${what}: `.length)
  return {
    what,
    expected: planned.ends,
    soFar: ended ?? (marks.length > 0 ? 'under way' : 'not yet'),
    state: ended === undefined ? 'open' : ended === planned.ends ? 'met' : 'missed',
  }
}

/** Each as it was told last, oldest first. */
export function latestIncidents(events: readonly TestEvent[]): readonly Incident[] {
  const latest = new Map<string, Incident>()
  for (const event of events) if (event.kind === 'incident') latest.set(event.incident.id, event.incident)
  return [...latest.values()]
}

function healed(
  { incident, remedy, proposed }: Scenario['expect'],
  incidents: readonly Incident[],
): Standing[] {
  const causes = [...new Set(incidents.map(({ cause }) => cause))]
  const done = remediesDone({ incident, proposed }, incidents)
  const standing = (
    what: string,
    expected: string | readonly string[],
    found: readonly string[],
  ): Standing => ({
    what,
    expected: typeof expected === 'string' ? expected : expected.join(' or '),
    soFar: found.length === 0 ? 'none' : found.join(', '),
    state:
      expected === 'none'
        ? found.length > 0
          ? 'missed'
          : 'open'
        : found.some(each => expected.includes(each))
          ? 'met'
          : 'open',
  })
  return [
    ...(incident === undefined
      ? []
      : [standing('incident', incident === 'none' ? incident : [incident], causes)].map(each => ({
          ...each,
          expected: incident,
        }))),
    ...(remedy === undefined ? [] : [standing('remedy', remedy, done)]),
    ...(proposed === true ? [asked(incidents)] : []),
  ]
}

const asked = (incidents: readonly Incident[]): Standing => ({
  what: 'loss that a person is asked to accept',
  expected: 'counted',
  soFar: incidents.some(({ proposal }) => proposal !== undefined)
    ? 'somebody is asked; read back at the end'
    : 'nobody is asked yet',
  state: 'open',
})
