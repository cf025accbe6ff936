import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AbortedTransactions } from '../../foundation/wire/aborted.ts'
import type { BatchHeader } from '../../foundation/wire/batch.ts'
import {
  type Begin,
  type BeginPolicy,
  copySettings,
  decideBegin,
  planBatch,
  type SourceFacts,
  settingsOfOriginal,
  settingsToChange,
  type TargetFacts,
} from './decide.ts'
import type { MaybeMapping } from './mapping.ts'

const halt: BeginPolicy = { onLoss: 'halt', maxGap: 1_000 }
const goOn: BeginPolicy = { onLoss: 'continue', maxGap: 1_000 }

function source(logStart: number, end: number): SourceFacts {
  return { logStart, end }
}

function target(logStart: number, end: number, tail: TargetFacts['tail']): TargetFacts {
  return { logStart, end, tail }
}

const begins: readonly (readonly [
  what: string,
  source: SourceFacts,
  target: TargetFacts,
  policy: BeginPolicy,
  begin: object,
])[] = [
  ['a new copy begins at 0', source(0, 50), target(0, 0, 'none'), halt, { kind: 'copy', from: 0 }],
  [
    'a copy goes on where its log ends',
    source(0, 50),
    target(0, 20, 'copy'),
    halt,
    { kind: 'copy', from: 20 },
  ],
  [
    'a gap at the end was filled: goes on after it',
    source(0, 50),
    target(0, 20, 'marker'),
    halt,
    { kind: 'copy', from: 20 },
  ],
  [
    'a complete copy has nothing to do',
    source(0, 50),
    target(0, 50, 'copy'),
    halt,
    { kind: 'copy', from: 50 },
  ],
  [
    'a source that has another record where the copy ends was cut and written on',
    { ...source(0, 90), rewrittenAt: 49 },
    target(0, 50, 'copy'),
    goOn,
    { kind: 'halt', halted: 'source-truncated' },
  ],
  [
    'a copy whose retention is shorter goes on',
    source(0, 50),
    target(20, 20, 'none'),
    halt,
    { kind: 'copy', from: 20 },
  ],
  [
    'offsets before the log of the source are claimed first',
    source(30, 50),
    target(0, 0, 'none'),
    halt,
    { kind: 'prefill', from: 0, to: 30, missing: undefined },
  ],
  [
    'claiming that was cut short goes on, also when the source moved on meanwhile',
    source(40, 50),
    target(0, 20, 'filler'),
    halt,
    { kind: 'prefill', from: 20, to: 40, missing: undefined },
  ],
  [
    'what claimed offsets is deleted',
    source(30, 50),
    target(0, 30, 'filler'),
    halt,
    { kind: 'sweep', before: 30 },
  ],
  [
    'after that, copying begins there',
    source(30, 50),
    target(30, 30, 'none'),
    halt,
    { kind: 'copy', from: 30 },
  ],
  [
    'retention overtook the link: halts by policy',
    source(30, 50),
    target(0, 20, 'copy'),
    halt,
    { kind: 'halt', halted: 'overtaken-by-retention' },
  ],
  [
    'retention overtook the link: or fills what was lost',
    source(30, 50),
    target(0, 20, 'copy'),
    goOn,
    { kind: 'fill', missing: { from: 20, to: 30 } },
  ],
  [
    'retention overtook the link, and the copy is empty: claims what was lost',
    source(30, 50),
    target(20, 20, 'none'),
    goOn,
    { kind: 'prefill', from: 20, to: 30, missing: { from: 20, to: 30 } },
  ],
  [
    'more was lost than may be filled',
    source(3_000, 5_000),
    target(0, 20, 'copy'),
    goOn,
    { kind: 'halt', halted: 'gap-too-large' },
  ],
  [
    'the source lost what was copied',
    source(0, 10),
    target(0, 20, 'copy'),
    goOn,
    { kind: 'halt', halted: 'target-ahead' },
  ],
  [
    'somebody else wrote to the copy',
    source(0, 50),
    target(0, 20, 'foreign'),
    goOn,
    { kind: 'halt', halted: 'offsets-displaced' },
  ],
  [
    'somebody else wrote to the copy while it was an original, and the source has it all',
    source(0, 50),
    { ...target(0, 20, 'foreign'), base: 20 },
    halt,
    { kind: 'copy', from: 20 },
  ],
  [
    'somebody else wrote to the copy after it was found equal',
    source(0, 50),
    { ...target(0, 21, 'foreign'), base: 20 },
    halt,
    { kind: 'halt', halted: 'offsets-displaced' },
  ],
  [
    'what was found equal is not in the source any more',
    source(0, 19),
    { ...target(0, 20, 'foreign'), base: 20 },
    halt,
    { kind: 'halt', halted: 'target-ahead' },
  ],
]
for (const [what, from, to, policy, expected] of begins) {
  test(what, () => {
    assert.partialDeepStrictEqual(decideBegin(from, to, policy), expected)
  })
}

const facts = fc
  .tuple(
    fc.nat(60),
    fc.nat(60),
    fc.nat(60),
    fc.nat(60),
    fc.constantFrom<TargetFacts['tail']>('copy', 'filler', 'marker'),
  )
  .map(([a, b, c, d, tail]) => {
    const target = { logStart: Math.min(c, d), end: Math.max(c, d) }
    return {
      source: { logStart: Math.min(a, b), end: Math.max(a, b) },
      target: { ...target, tail: target.logStart === target.end ? ('none' as const) : tail },
    }
  })

/** The target after a decision was carried out in full. */
function after(target: TargetFacts, begin: Begin): TargetFacts {
  switch (begin.kind) {
    case 'prefill':
      return { ...target, end: begin.to, tail: 'filler' }
    case 'sweep':
      return { ...target, logStart: begin.before, tail: target.end === begin.before ? 'none' : target.tail }
    case 'fill':
      return { ...target, end: begin.missing.to, tail: 'marker' }
    default:
      return target
  }
}

test('whatever the logs look like, a few decisions lead to copying at the end of the target or to a halt that says why', () => {
  fc.assert(
    fc.property(facts, fc.constantFrom(halt, goOn), ({ source, target }, policy) => {
      let now: TargetFacts = target
      for (let step = 0; step < 4; step++) {
        const begin = decideBegin(source, now, policy)
        if (begin.kind === 'halt') return assert.ok(begin.reason.length > 0)
        if (begin.kind === 'copy') {
          assert.equal(begin.from, now.end)
          return assert.ok(begin.from >= source.logStart && begin.from <= source.end)
        }
        // A sweep never deletes a copied record: only a log that fillers end is swept.
        if (begin.kind === 'sweep') assert.equal(now.tail, 'filler')
        now = after(now, begin)
      }
      assert.fail('no end of decisions')
    }),
  )
})

function header(fields: Partial<BatchHeader>): BatchHeader {
  const flags = { logAppendTime: false, transactional: false, control: false }
  const producer = { producerId: -1n, producerEpoch: -1, baseSequence: -1 }
  const shape = {
    at: 0,
    size: 100,
    leaderEpoch: 0,
    crc: 0,
    attributes: 0,
    codecId: 0,
    baseTimestamp: 0,
    maxTimestamp: 0,
  }
  return { ...shape, ...flags, ...producer, baseOffset: 10, lastOffset: 14, count: 5, ...fields }
}

const plans: readonly (readonly [
  what: string,
  header: Partial<BatchHeader>,
  next: number,
  aborted: boolean,
  kind: string,
])[] = [
  ['a whole batch', {}, 10, false, 'verbatim'],
  ['a whole batch after a gap', {}, 5, false, 'verbatim'],
  ['a batch that was copied', {}, 15, false, 'skip'],
  ['a batch copied in part', {}, 12, false, 'rebuild'],
  ['a compacted batch', { count: 3 }, 10, false, 'rebuild'],
  ['a batch compacted to nothing', { count: 0 }, 10, false, 'blank'],
  ["a batch with the broker's time", { logAppendTime: true }, 10, false, 'rebuild'],
  ['a marker', { control: true, transactional: true, lastOffset: 10, count: 1 }, 10, false, 'blank'],
  ["a committed transaction's batch", { transactional: true }, 10, false, 'verbatim'],
  ["an aborted transaction's batch", { transactional: true }, 10, true, 'blank'],
]
for (const [what, fields, next, aborted, kind] of plans) {
  test(`${what}: ${kind}`, () => assert.equal(planBatch(header(fields), next, aborted).kind, kind))
}

test('of two transactions of one producer only the aborted one is left out', () => {
  const transactions = new AbortedTransactions([{ producerId: 7n, firstOffset: 20 }])
  const data = (producerId: bigint, lastOffset: number) => ({ transactional: true, producerId, lastOffset })
  assert.equal(transactions.includes(data(7n, 10)), false)
  transactions.ended(7n)
  assert.equal(transactions.includes(data(7n, 20)), true)
  assert.equal(transactions.includes(data(8n, 21)), false)
  assert.equal(transactions.includes({ ...data(7n, 22), transactional: false }), false)
  assert.equal(transactions.includes(data(7n, 23)), true)
  transactions.ended(7n)
  assert.equal(transactions.includes(data(7n, 30)), false)
})

test('a copy takes times and bytes as they come, whatever its source is set to', () => {
  const own = {
    'retention.ms': '1000',
    'compression.type': 'zstd',
    'message.timestamp.type': 'LogAppendTime',
    'leader.replication.throttled.replicas': '*',
  }
  const copy = copySettings(own)
  assert.equal(copy['retention.ms'], '1000')
  assert.equal(copy['compression.type'], 'producer')
  assert.equal(copy['message.timestamp.type'], 'CreateTime')
  assert.equal(copy['leader.replication.throttled.replicas'], undefined)
  assert.deepEqual(settingsToChange(own, copy), {})
  assert.deepEqual(settingsToChange({}, { ...copy }), { 'retention.ms': null })
  assert.deepEqual(settingsToChange(own, { ...copy, 'retention.ms': '5' }), { 'retention.ms': '1000' })
})

test('who allows larger batches in a copy keeps that, who allows too small ones does not', () => {
  const limit = (source: string | undefined, target: string | undefined) => {
    const own = source === undefined ? {} : { 'max.message.bytes': source }
    const ours = { ...copySettings({}), ...(target === undefined ? {} : { 'max.message.bytes': target }) }
    return settingsToChange(own, ours)['max.message.bytes']
  }
  assert.equal(limit('2000000', undefined), '2000000')
  assert.equal(limit('2000000', '1000'), '2000000')
  assert.equal(limit('2000000', '3000000'), undefined)
  assert.equal(limit(undefined, '3000000'), undefined)
})

test('a copy that becomes an original gets back what only copies may not have', () => {
  const own = { 'compression.type': 'zstd', 'compression.zstd.level': '5', 'retention.ms': '1000' }
  assert.deepEqual(settingsOfOriginal(own), {
    'compression.type': 'zstd',
    'compression.zstd.level': '5',
    'message.timestamp.type': null,
    'message.timestamp.before.max.ms': null,
    'message.timestamp.after.max.ms': null,
  })
})

/* ---- where the copy's offsets may differ ---- */

const maps: BeginPolicy = { onLoss: 'halt', maxGap: 1_000, offsets: 'mapped' }
const own: MaybeMapping = {
  segments: [
    [0, 0],
    [12, 10],
  ],
  before: 'nothing',
  why: 'gaps',
}

const mappedBegins: readonly (readonly [string, SourceFacts, TargetFacts, object, BeginPolicy?, boolean?])[] =
  [
    ['identity as long as it can be', source(0, 50), target(0, 20, 'copy'), { kind: 'copy', from: 20 }],
    [
      'goes on by its mapping',
      source(0, 50),
      { ...target(0, 15, 'copy'), mapping: own },
      { kind: 'copy', from: 17 },
    ],
    [
      'killed between keeping a stretch and writing to it: goes on where that begins',
      source(0, 50),
      { ...target(0, 10, 'copy'), mapping: own },
      { kind: 'copy', from: 12 },
    ],
    [
      'a stretch that was to begin beyond the end is void',
      source(0, 50),
      { ...target(0, 9, 'copy'), mapping: own },
      { kind: 'map', change: { cut: 9, segments: [] } },
    ],
    [
      'a link that is to keep offsets does not go on with others',
      source(0, 50),
      { ...target(0, 15, 'copy'), mapping: own },
      { kind: 'halt', halted: 'offsets-displaced' },
      halt,
    ],
    [
      'a topic that had data: begins behind it with all that the source has',
      source(5, 50),
      { ...target(0, 30, 'foreign'), searchedFrom: 0 },
      { kind: 'map', change: { segments: [[5, 30]], before: 'nothing' } },
    ],
    [
      'the same once that is kept',
      source(5, 50),
      {
        ...target(0, 30, 'foreign'),
        searchedFrom: 0,
        mapping: { segments: [[5, 30]], before: 'nothing', why: 'others' },
      },
      { kind: 'copy', from: 5 },
    ],
    [
      'others wrote behind its own: goes on after its own last record',
      source(0, 50),
      { ...target(0, 30, 'foreign'), ownEnd: 20, searchedFrom: 10 },
      {
        kind: 'map',
        change: {
          segments: [
            [0, 0],
            [20, 30],
          ],
        },
      },
    ],
    [
      'others wrote again behind a mapped stretch',
      source(0, 50),
      { ...target(0, 30, 'foreign'), mapping: own, ownEnd: 16, searchedFrom: 10 },
      { kind: 'map', change: { segments: [[18, 30]] } },
    ],
    [
      'others wrote before anything was written to its stretch',
      source(0, 50),
      { ...target(0, 30, 'foreign'), mapping: own, searchedFrom: 10 },
      { kind: 'map', change: { segments: [[12, 30]] } },
    ],
    [
      'nobody guesses where its last record was',
      source(0, 50),
      { ...target(25, 30, 'foreign'), mapping: own, searchedFrom: 25 },
      { kind: 'halt', halted: 'offsets-displaced' },
    ],
    [
      'an emptied copy of which nothing is known, while the source holds what it may lack',
      source(0, 50),
      target(30, 30, 'none'),
      { kind: 'halt', halted: 'offsets-displaced' },
    ],
    [
      'the same of a copy that the link is known to have written to',
      source(0, 50),
      { ...target(30, 30, 'none'), remembered: true },
      { kind: 'copy', from: 30 },
    ],
    [
      'the source lost what its mapping says was copied',
      source(0, 13),
      { ...target(0, 15, 'copy'), mapping: own },
      { kind: 'halt', halted: 'target-ahead' },
    ],
    [
      'what retention took is mapped where it cannot be filled',
      source(40, 50),
      target(0, 20, 'copy'),
      {
        kind: 'map',
        missing: { from: 20, to: 40 },
        change: {
          segments: [
            [0, 0],
            [40, 20],
          ],
        },
      },
      { ...maps, onLoss: 'continue' },
      false,
    ],
  ]
for (const [what, theirs, ours, expected, policy = maps, fills = true] of mappedBegins)
  test(`mapped: ${what}`, () => {
    assert.partialDeepStrictEqual(decideBegin(theirs, ours, policy, fills), expected)
  })
