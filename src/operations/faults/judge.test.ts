import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident } from '../heal/contract.ts'
import { healingOf } from './analysis/healing.ts'
import { partingsOf, proposedLossOf } from './analysis/proposed.ts'
import { judge } from './judge.ts'
import { latencies } from './load/latency.ts'
import { timelineOf } from './report.ts'
import type { FaultOutcome, OperationOutcome, RunResult } from './run.ts'
import { type FaultInput, scenarioOf } from './scenario.ts'

const START = 1_000_000
const fault: FaultOutcome = {
  fault: 'kill',
  brokers: [{ id: 2, leads: 3, controller: false }],
  at: START + 5_000,
  harmedUntil: START + 17_000,
  revertedAt: START + 17_000,
  progress: { acknowledged: 400, underWay: 3 },
  availability: { restoredMs: 4_200, longestGapMs: 4_150, partitionsStopped: 3, afterRevertMs: 0 },
  redundancyRestoredMs: 15_000,
  healing: null,
}
const good: RunResult = {
  topic: 't',
  load: {
    startAt: START,
    stopAt: START + 30_000,
    streams: [],
    partitions: [
      {
        partition: 0,
        lastAckAt: START + 30_000,
        acknowledged: 900,
        gaps: [{ from: START + 5_050, to: START + 9_200, open: false }],
        gapsDropped: 0,
      },
    ],
    latencies: latencies(START),
    acknowledged: [70, 75, 80],
    worstLateMs: 3,
    failure: null,
  },
  records: {
    acknowledged: 900,
    unknown: 0,
    found: 900,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    foreign: 0,
    examples: [],
  },
  faults: [fault],
  operations: [],
  wholeness: {
    changes: [
      { at: START - 100, underReplicated: 0, leaderless: 0, silent: 0 },
      { at: START + 8_000, underReplicated: 6, leaderless: 1, silent: 1 },
      { at: START + 20_000, underReplicated: 0, leaderless: 0, silent: 0 },
    ],
    worstSpacingMs: 210,
  },
  latency: { before: null, during: null, after: null },
  unplannedEnds: [],
  incidents: null,
  proposed: null,
  settled: true,
}
const faults: FaultInput[] = [{ at: '5s', fault: 'kill', broker: 'leader' }]
const scenario = scenarioOf({
  name: 'judged',
  faults,
  expect: { availabilityRestoredWithin: '5s' },
})

const missedBy = (result: RunResult): readonly string[] =>
  judge(scenario, result).flatMap(({ met, what }) => (met ? [] : [what]))

test('a run is as expected only when nothing is amiss', () => {
  assert.deepEqual(missedBy(good), [])
  const cases: readonly (readonly [Partial<RunResult>, string])[] = [
    [{ records: { ...good.records, lost: 1 } }, 'lost'],
    [{ records: { ...good.records, duplicated: 1 } }, 'duplicated'],
    [{ records: { ...good.records, reordered: 1 } }, 'reordered'],
    [{ records: { ...good.records, foreign: 1 } }, 'foreign or damaged'],
    [{ records: { ...good.records, acknowledged: 0 } }, 'records acknowledged'],
    [{ load: { ...good.load, failure: 'a producer gave up' } }, 'records acknowledged'],
    [{ faults: [{ ...fault, availability: { ...fault.availability, restoredMs: 5_001 } }] }, 'availability'],
    [{ faults: [{ ...fault, availability: { ...fault.availability, restoredMs: null } }] }, 'availability'],
    [{ faults: [fault, { ...fault, redundancyRestoredMs: null }] }, 'redundancy'],
    [{ settled: false }, 'whole in the end'],
    [
      { unplannedEnds: [{ broker: 1, at: START, reason: 'out of memory' }] },
      'brokers that ended by themselves',
    ],
  ]
  for (const [change, what] of cases) assert.deepEqual(missedBy({ ...good, ...change }), [what])
})

const incident: Incident = {
  id: 'test-1-2-4711',
  revision: 4,
  cluster: 'test-1',
  subject: { kind: 'broker', broker: 2 },
  cause: 'broker-dead',
  state: 'healed',
  beganAt: START + 5_000,
  detectedAt: START + 5_300,
  actedAt: START + 5_400,
  availableAt: START + 6_000,
  healedAt: START + 15_000,
  signals: [],
  decision: { kind: 'act', remedy: 'unregister', reasons: [], refused: [] },
  evidence: [],
  timeline: [{ at: START + 5_300, text: 'broker-dead: broker 2; remedy: unregister' }],
}

type Expect = { incident?: 'broker-dead' | 'none'; remedy?: 'unregister' | 'none' }
const missedWith = (expect: Expect, incidents: readonly Incident[] | null): readonly string[] =>
  judge(scenarioOf({ name: 'judged', faults, expect }), { ...good, incidents })
    .filter(({ met }) => !met)
    .map(({ what, found }) => `${what}: ${found}`)

test('a run in which all is well fails when the alert stayed silent, or something else was done', () => {
  const expected = { incident: 'broker-dead', remedy: 'unregister' } as const
  const frozen: Incident = {
    ...incident,
    cause: 'broker-frozen',
    decision: { ...incident.decision, remedy: 'kill-and-unregister' },
  }
  assert.deepEqual(missedWith(expected, [incident]), [])
  assert.deepEqual(missedWith(expected, null), [], 'without a healer nobody is to tell')
  assert.deepEqual(missedWith(expected, []), ['incident: none: the alert stayed silent', 'remedy: none'])
  assert.deepEqual(missedWith(expected, [frozen]), ['incident: broker-frozen', 'remedy: kill-and-unregister'])
  assert.deepEqual(missedWith(expected, [{ ...incident, actedAt: null }]), ['remedy: none'])
  assert.deepEqual(missedWith(expected, [{ ...incident, state: 'available' }]), [
    'incidents followed to their end: 1 still open, 0 failed',
  ])
})

test('where a person must be asked, silence fails, and an act, and a loss that is not what the load counts', () => {
  const expect = { incident: 'partition-leaderless', remedy: 'none', proposed: true } as const
  const log = { start: 0, epoch: 4, highWatermark: null, readFrom: [], problem: null }
  const asked = (loss: number | null): Incident => ({
    ...incident,
    id: 'asked',
    cause: 'partition-leaderless',
    subject: { kind: 'partitions', partitions: [{ topic: 't', partition: 0 }] },
    actedAt: null,
    decision: { kind: 'wait', remedy: 'elect-most-advanced', reasons: [], refused: [] },
    proposal: { number: 1, at: START + 9_000, answer: null },
    recovery: {
      partitions: [
        {
          ...{
            topic: 't',
            partition: 0,
            leaderEpoch: 4,
            replicas: [1, 2],
            leader: 1,
            loss,
            committedLoss: 0,
          },
          logs: [{ ...log, broker: 1, role: 'survivor', end: 120, agreesUpTo: 100 }],
        },
      ],
      doneAt: null,
    },
  })
  const missed = (...incidents: readonly Incident[]): readonly string[] => {
    const kept = partingsOf(incidents, 't')?.get(0)
    const proposed = proposedLossOf(incidents, 1, good.faults, kept ?? 0) ?? null
    return judge(scenarioOf({ name: 'judged', faults, expect }), { ...good, incidents, proposed })
      .filter(({ met }) => !met)
      .map(({ what, expected, found }) => `${what}: ${expected}, found ${found}`)
  }
  // 400 had been acknowledged, and the one to be elected has the first hundred.
  assert.deepEqual(missed(incident, asked(300)), [], 'what is done about another one is not meant')
  assert.deepEqual(missed(asked(303)), [], 'some that were under way had come through')
  const [what, counted] = [
    'loss that a person is asked to accept',
    '300 records, and at most 3 that were under way',
  ]
  assert.deepEqual(missed(asked(299)), [`${what}: ${counted}, found 299 records`])
  assert.deepEqual(missed(asked(304)), [`${what}: ${counted}, found 304 records`])
  assert.deepEqual(missed(asked(null)), [`${what}: ${counted}, found not known`])
  const { proposal: _, ...silent } = asked(300)
  assert.deepEqual(missed(silent), [`${what}: counted, found nobody was asked`])
  assert.deepEqual(missed({ ...asked(300), actedAt: START + 9_500 }), [
    'remedy: none, found elect-most-advanced',
  ])
})

test('what must be left alone fails when the healer acts', () => {
  const nothing = { incident: 'none', remedy: 'none' } as const
  assert.deepEqual(missedWith(nothing, []), [])
  assert.deepEqual(missedWith(nothing, [incident]), ['incident: broker-dead', 'remedy: unregister'])
})

test('a fault has the incidents that were told of from then until the next', () => {
  const { at } = fault
  const figures = healingOf([incident], 'broker-dead', { at, to: at + 20_000 })
  assert.deepEqual([figures.detectionMs, figures.actedMs, figures.incidents[0]!.healedMs], [300, 400, 10_000])
  assert.equal(healingOf([incident], 'broker-frozen', { at, to: at + 20_000 }).detectionMs, null)
  assert.deepEqual(healingOf([incident], undefined, { at: at + 10_000, to: at + 20_000 }).incidents, [])
})

test('a timeline tells faults, clients and replicas in one order', () => {
  assert.deepEqual(timelineOf(good), [
    '   -0.10  every replica in sync, says every broker',
    '    5.00  kill: broker 2 (leads 3)',
    '    8.00  6 partitions under-replicated, 1 without a leader, 1 broker silent',
    '    9.20  partition 0 acknowledges again, after 4,150 ms',
    '   17.00  kill of 2 is over',
    '   20.00  every replica in sync, says every broker',
  ])
})

test('a latency that is promised counts until the first fault; that nothing is told is promised without one too', () => {
  const steady = scenarioOf({ name: 'steady', expect: { p99Within: '100ms', incident: 'none' } })
  const summary = { records: 9_000, p50Ms: 5, p99Ms: 90, maxMs: 300 }
  const quiet: RunResult = {
    ...good,
    faults: [],
    incidents: [],
    latency: { ...good.latency, before: summary },
  }
  const missed = (result: RunResult): readonly string[] =>
    judge(steady, result).flatMap(({ met, what }) => (met ? [] : [what]))
  assert.deepEqual(missed(quiet), [])
  assert.deepEqual(missed({ ...quiet, latency: good.latency }), ['p99 before any fault'])
  const slow = { ...good.latency, before: { ...summary, p99Ms: 101 } }
  assert.deepEqual(missed({ ...quiet, latency: slow }), ['p99 before any fault'])
  const told = [
    { cause: 'broker-dead', state: 'healed', actedAt: null, decision: { remedy: null } } as Incident,
  ]
  assert.deepEqual(missed({ ...quiet, incidents: told }), ['incident'])
})

const OPERATION: OperationOutcome = {
  operation: 'restart',
  what: 'rolling restart',
  state: 'done',
  reason: null,
  at: START + 5_000,
  endedAt: START + 20_000,
  brokers: [{ broker: 2, at: START + 5_000, backAt: START + 9_000, wholeAt: START + 10_000 }],
  metadataVersion: { before: 29, after: 29 },
  longestGapMs: 4_150,
  partitionsStopped: 1,
}

test('a planned operation is as expected when it ends as it is to, and stops nobody for longer than it may', () => {
  const quiet: RunResult = { ...good, faults: [], operations: [OPERATION] }
  const missed = (ends: 'done' | 'taken-back', longestGapWithin: string, result = quiet) =>
    judge(
      scenarioOf({
        name: 'planned',
        operations: [{ at: '5s', operation: 'restart', ends }],
        expect: { longestGapWithin },
      }),
      result,
    ).flatMap(({ met, what, found }) => (met ? [] : [`${what}: ${found}`]))
  assert.deepEqual(missed('done', '5s'), [])
  assert.deepEqual(missed('done', '2s'), ['longest time without an acknowledgement: 4150 ms'])
  assert.deepEqual(missed('taken-back', '5s'), ['rolling restart: done'])
  const taken = { ...OPERATION, state: 'taken-back', reason: 'broker 2 does not come up' } as const
  assert.deepEqual(missed('done', '5s', { ...quiet, operations: [taken] }), [
    'rolling restart: taken-back: broker 2 does not come up',
  ])
  assert.deepEqual(missed('taken-back', '5s', { ...quiet, operations: [taken] }), [])
  assert.deepEqual(missed('done', '5s', { ...quiet, operations: [] }), ['rolling restart: skipped'])
  assert.ok(timelineOf(quiet).some(line => line.includes('broker 2 is asked to stop')))
})
