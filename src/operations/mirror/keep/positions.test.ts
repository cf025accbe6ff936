import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type GroupFacts, identity, type KeepScope } from './facts.ts'
import { decidePosition, groupDifference, type PositionFacts } from './positions.ts'
import type { Moved } from './state.ts'

const ends = { start: 10, end: 100 }
const last = (target: number, source = target, before: number | null = null): PositionFacts['moved'] => ({
  before,
  target,
  source,
})

test('a group’s position at the target, case by case', () => {
  const move = (to: number, why: string) => ({ kind: 'move', to, why })
  const same = { kind: 'in-step' }
  const left = 'leave'
  const cases: readonly [
    what: string,
    facts: Partial<PositionFacts> & Pick<PositionFacts, 'source' | 'target'>,
    expected: object | 'leave',
  ][] = [
    ['had none', { source: 50, target: null }, move(50, 'new')],
    ['had none, ahead of the copy', { source: 150, target: null }, move(100, 'new')],
    ['had none, before the copy’s start', { source: 3, target: null }, move(10, 'new')],
    ['the same by chance', { source: 50, target: 50 }, same],
    ['ours, read on', { source: 60, target: 50, moved: last(50) }, move(60, 'advanced')],
    ['ours, still ahead of the copy', { source: 150, target: 100, moved: last(100, 150) }, same],
    ['ours, the copy came after it', { source: 90, target: 80, moved: last(80, 90) }, move(90, 'advanced')],
    [
      'noted, not done before a crash',
      { source: 60, target: 50, moved: last(55, 55, 50) },
      move(60, 'advanced'),
    ],
    [
      'a reset noted, not done before a crash',
      { source: 20, target: 50, moved: last(20, 20, 50) },
      move(20, 'rewound'),
    ],
    ['ours, reset at the source', { source: 20, target: 50, moved: last(50) }, move(20, 'rewound')],
    ['ours, reset before the start', { source: 0, target: 50, moved: last(50) }, move(10, 'rewound')],
    ['ours, the copy was cut', { source: 120, target: 110, moved: last(110, 110) }, move(100, 'cut')],
    ['somebody’s, behind', { source: 60, target: 50 }, left],
    ['somebody’s, behind, after ours', { source: 60, target: 50, moved: last(40) }, left],
    [
      'somebody’s, behind, to be advanced',
      { source: 60, target: 50, foreign: 'advance' },
      move(60, 'advanced'),
    ],
    ['somebody’s, ahead', { source: 60, target: 70 }, left],
    ['somebody’s, ahead, to be advanced', { source: 60, target: 70, foreign: 'advance' }, left],
    ['somebody’s, ahead, after ours', { source: 60, target: 70, moved: last(55) }, left],
    [
      'somebody’s, to be overwritten',
      { source: 60, target: 70, foreign: 'overwrite' },
      move(60, 'overwritten'),
    ],
  ]
  for (const [what, facts, expected] of cases) {
    const decided = decidePosition({ ends, moved: undefined, foreign: 'leave', ...facts })
    if (expected === 'leave') assert.equal(decided.kind, 'leave', what)
    else assert.deepEqual(decided, expected, what)
  }
})

/** What may happen between two rounds, to one partition of one group. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('reads' as const), by: fc.nat(30) }),
  fc.record({ kind: fc.constant('resets' as const), to: fc.nat(200) }),
  fc.record({ kind: fc.constant('copied' as const), by: fc.nat(40) }),
  fc.record({ kind: fc.constant('retention' as const), by: fc.nat(10) }),
  fc.record({ kind: fc.constant('reader-at-target' as const), by: fc.nat(20) }),
  fc.record({ kind: fc.constant('crash' as const), done: fc.boolean() }),
)

test('never beyond the copy, never backwards but after the source, never over somebody’s own; and it converges', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), events => {
      let source = 0
      let log = { start: 0, end: 50 }
      let target: number | null = null
      let moved: Moved | undefined
      /** Somebody read at the target, and nothing of ours stands there since. */
      let foreign = false
      const round = (carriedOut = true): void => {
        const decided = decidePosition({ source, target, ends: log, moved, foreign: 'leave' })
        if (decided.kind === 'leave' && decided.foreign) moved = undefined
        if (decided.kind !== 'move') return
        assert.ok(decided.to >= log.start && decided.to <= log.end)
        assert.ok(!foreign, 'somebody’s own position was overwritten')
        const reset = moved !== undefined && (source < moved.source || moved.target < moved.before!)
        if (target !== null && decided.to < target) assert.ok(reset, `${target} → ${decided.to}`)
        moved = { topic: 't', partition: 0, before: target, target: decided.to, source }
        if (carriedOut) target = decided.to
      }
      for (const each of events) {
        switch (each.kind) {
          case 'reads':
            source += each.by
            break
          case 'resets':
            source = each.to
            break
          case 'copied':
            log = { ...log, end: log.end + each.by }
            break
          case 'retention':
            log = { ...log, start: Math.min(log.end, log.start + each.by) }
            break
          case 'reader-at-target':
            if (each.by > 0) {
              target = Math.min(log.end, (target ?? log.start) + each.by)
              const known: Moved | undefined = moved
              foreign = known === undefined || (target !== known.target && target !== known.before)
            }
            break
          case 'crash':
            round(each.done)
            break
          default:
            each satisfies never
        }
        round()
        if (!foreign)
          assert.equal(decidePosition({ source, target, ends: log, moved, foreign: 'leave' }).kind, 'in-step')
      }
    }),
    { numRuns: 2_000 },
  )
})

const scope: KeepScope = {
  keep: {
    acls: { include: [], exclude: [] },
    quotas: { include: [], exclude: [] },
    groups: { include: ['*'], exclude: [] },
    foreignPositions: 'leave',
    everyMs: 5_000,
  },
  topics: [{ source: 'orders', copy: 'edge.orders' }],
  linkPrincipals: [],
  translate: identity,
}
const copy = [{ topic: 'edge.orders', partition: 0, start: 0, end: 100 }]
const context = { scope, ends: copy, foreign: 'leave' as const }

const group = (
  state: string | null,
  positions: readonly [topic: string, partition: number, offset: number][],
): GroupFacts => ({
  id: 'readers',
  state,
  positions: positions.map(([topic, partition, offset]) => ({ topic, partition, offset, metadata: 'm' })),
})

test('only positions on copied topics, under the copies’ names, with the consumer’s own note', () => {
  const there = group(null, [])
  const { changes, left } = groupDifference(
    group('Stable', [
      ['orders', 0, 42],
      ['else', 0, 7],
      ['orders', 5, 1],
    ]),
    there,
    [],
    context,
  )
  assert.deepEqual(changes, [
    {
      kind: 'move-group',
      group: 'readers',
      topic: 'edge.orders',
      partition: 0,
      from: null,
      to: 42,
      source: 42,
      metadata: 'm',
      why: 'new',
    },
  ])
  assert.deepEqual(left, [
    { what: 'group', subject: 'readers', reason: 'orders-5: the target does not have the partition yet' },
  ])
})

test('a group with members at the target is never moved, and that is said', () => {
  for (const state of ['Stable', 'PreparingRebalance', 'CompletingRebalance', 'Assigning', 'Reconciling']) {
    const { changes, left } = groupDifference(
      group('Empty', [['orders', 0, 42]]),
      group(state, [['edge.orders', 0, 40]]),
      [{ topic: 'edge.orders', partition: 0, before: null, target: 40, source: 40 }],
      context,
    )
    assert.deepEqual(changes, [])
    assert.match(left[0]!.reason, new RegExp(`members at the target \\(${state}\\)`))
  }
})

test('a position that somebody else has moved is the link’s no more, even if it comes to stand where the link had put it', () => {
  const moved = [{ topic: 'edge.orders', partition: 0, before: 30, target: 40, source: 40 }]
  const source = group('Empty', [['orders', 0, 40]])
  const { changes, lost } = groupDifference(source, group('Empty', [['edge.orders', 0, 45]]), moved, context)
  assert.deepEqual([changes, lost], [[], [{ topic: 'edge.orders', partition: 0 }]])
  const same = groupDifference(source, group('Empty', [['edge.orders', 0, 40]]), moved, context)
  assert.deepEqual([same.changes, same.lost], [[], []])
})

test('what the copy lacks is counted: a group beyond it is held at its end', () => {
  const decided = groupDifference(group('Stable', [['orders', 0, 130]]), group(null, []), [], context)
  assert.equal(decided.changes[0]!.to, 100)
  assert.equal(decided.held, 30)
})

test('an offset whose place in the copy is not known is left, not guessed', () => {
  const mapped = { ...context, scope: { ...scope, translate: () => null } }
  const { changes, left } = groupDifference(group('Stable', [['orders', 0, 9]]), group(null, []), [], mapped)
  assert.deepEqual(changes, [])
  assert.match(left[0]!.reason, /where 9 lies in the copy is not known yet/)
})
