import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from './judge.ts'
import { latencies } from './load/latency.ts'
import { timelineOf } from './report.ts'
import type { FaultOutcome, RunResult } from './run.ts'
import { scenarioOf } from './scenario.ts'

const START = 1_000_000
const fault: FaultOutcome = {
  fault: 'kill',
  brokers: [{ id: 2, leads: 3, controller: false }],
  at: START + 5_000,
  revertedAt: START + 17_000,
  availability: { restoredMs: 4_200, longestGapMs: 4_150, partitionsStopped: 3, afterRevertMs: 0 },
  redundancyRestoredMs: 15_000,
  detectionMs: null,
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
  settled: true,
}
const scenario = scenarioOf({
  name: 'judged',
  faults: [{ at: '5s', fault: 'kill', broker: 'leader' }],
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

test('a timeline tells faults, clients and replicas in one order', () => {
  assert.deepEqual(timelineOf(good), [
    '   -0.10  every replica in sync, says every broker',
    '    5.00  kill: broker 2 (leads 3)',
    '    8.00  6 partitions under-replicated, 1 without a leader, 1 broker silent',
    '    9.20  partition 0 acknowledges again, after 4,150 ms',
    '   17.00  kill of 2 taken back',
    '   20.00  every replica in sync, says every broker',
  ])
})
