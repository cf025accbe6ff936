import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { partitionStatus } from '../../../../test/mirror/memory-registry.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import type { LinkPartitionStatus, LinkStatus } from '../contract.ts'
import { EMPTY_KEEP } from '../keep/state.ts'
import type { Compared, FailoverFacts, PartitionLog, SeenSide } from './facts.ts'
import type { RehearsalOptions } from './rehearsal.ts'
import { rehearse } from './rehearse.ts'
import { fenceOf, sealOf } from './rules.ts'
import { COPYING, type FailoverState, type Operation, type StepName } from './state.ts'

const NOW = 1_000_000
const promote: RehearsalOptions = { action: 'promote', planned: true, consents: [], stay: false }
const unplanned: RehearsalOptions = { ...promote, planned: false }
const demote: RehearsalOptions = { ...promote, action: 'demote' }
const failback: RehearsalOptions = { ...promote, action: 'failback' }

const write = (principal: string): AclBinding => ({
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal,
  host: '*',
  operation: 'write',
  permission: 'allow',
})

const log = (partition: number, end: number, stable = end): PartitionLog => ({
  partition,
  start: 0,
  end,
  stable,
})

interface GroupSpec {
  readonly id: string
  readonly state?: string
  readonly at: readonly number[]
}

function side(
  ends: readonly number[],
  fields: Partial<SeenSide> = {},
  groups: readonly GroupSpec[] = [],
): SeenSide {
  const logs = ends.map((end, partition) => log(partition, end))
  return {
    reachable: true,
    authorizer: 'acls',
    acls: [write('User:app')],
    topics: new Map([['orders', { name: 'orders', id: 'A', logs, unknown: [] }]]),
    groups: groups.map(({ id, state = 'Empty', at }) => ({
      id,
      state,
      positions: at.map((offset, partition) => ({ topic: 'orders', partition, offset, metadata: '' })),
    })),
    ...fields,
  }
}

const status = (
  partitions: readonly LinkPartitionStatus[],
  fields: Partial<LinkStatus> = {},
): LinkStatus => ({
  link: 'edge-hub',
  state: 'running',
  reason: '',
  startedAt: 0,
  observedAt: NOW,
  partitions,
  ...fields,
})

function facts(fields: Partial<FailoverFacts> = {}): FailoverFacts {
  return {
    at: NOW,
    link: 'edge-hub',
    topics: [{ source: 'orders', copy: 'orders' }],
    mapped: [],
    principal: 'User:link',
    keepsGroup: group => !group.startsWith('not-'),
    foreignPositions: 'leave',
    status: status([]),
    source: side([100]),
    target: side([100], { acls: [] }),
    kept: EMPTY_KEEP,
    copiedIds: new Map([['orders', 'A']]),
    compared: [],
    state: COPYING,
    ...fields,
  }
}

const unreachable = { reachable: false, reason: 'edge:1 does not answer' } as const
const codes = (found: FailoverFacts, options: RehearsalOptions) =>
  rehearse(found, options).forbids.map(({ code, unless }) => (unless === null ? code : `${code}?${unless}`))

const operation = (action: Operation['action'], steps: readonly StepName[]): Operation => ({
  id: 'op',
  action,
  from: 'copying',
  planned: true,
  consents: [],
  stay: false,
  plan: [...steps],
  startedAt: 0,
  steps: steps.map(name => ({ name, startedAt: 0, endedAt: null, evidence: {} })),
  stuck: null,
  retries: 0,
})
const inPhase = (phase: FailoverState['phase'], fields: Partial<FailoverState> = {}): FailoverState => ({
  ...COPYING,
  phase,
  fork: [{ topic: 'orders', partition: 0, end: 100 }],
  ...fields,
})

/* ---- what stands in the way ---- */

test('a planned promotion: each thing that stands in its way is named, and what has to be said yes to', () => {
  const cases: readonly [what: string, facts: FailoverFacts, codes: string[]][] = [
    ['nothing', facts(), []],
    ['behind, and copied', facts({ target: side([90]) }), []],
    ['behind, and nobody copies', facts({ target: side([90]), status: undefined }), ['link-idle']],
    [
      'behind, and the worker is silent',
      facts({ target: side([90]), status: status([], { observedAt: NOW - 60_000 }) }),
      ['link-idle'],
    ],
    [
      'behind, and the link is stopped',
      facts({ target: side([90]), status: status([], { state: 'stopped' }) }),
      ['link-idle'],
    ],
    ['all copied, and nobody copies', facts({ status: undefined }), []],
    [
      'a partition is halted before the end',
      facts({
        target: side([90]),
        status: status([partitionStatus('orders', 0, { state: 'halted', reason: 'displaced' })]),
      }),
      ['partition-halted'],
    ],
    [
      'a partition is halted at the end',
      facts({ status: status([partitionStatus('orders', 0, { state: 'halted', reason: 'displaced' })]) }),
      [],
    ],
    ['a partition has no copy', facts({ source: side([100, 5]) }), ['copy-missing']],
    ['the copy is ahead', facts({ target: side([101]) }), ['copy-ahead']],
    ['the source is away', facts({ source: unreachable }), ['source-unreachable']],
    ['the target is away', facts({ target: unreachable }), ['target-unreachable']],
    [
      'a partition does not answer',
      facts({
        source: side([100], {
          topics: new Map([
            [
              'orders',
              { name: 'orders', id: 'A', logs: [log(0, 100)], unknown: [{ partition: 1, reason: 'x' }] },
            ],
          ]),
        }),
      }),
      ['partition-unknown'],
    ],
    [
      'nothing can close the source',
      facts({ source: side([100], { authorizer: 'none', acls: [] }) }),
      ['no-authorizer?writers-stopped'],
    ],
    [
      'nothing can fence the link',
      facts({ target: side([100], { authorizer: 'none', acls: [] }) }),
      ['no-authorizer?unfenced'],
    ],
    ['the link is nobody in particular', facts({ principal: null }), ['no-authorizer?unfenced']],
    ['no topics', facts({ topics: [] }), ['no-topics']],
    ['promoted already', facts({ state: inPhase('promoted') }), ['wrong-phase']],
    [
      'under way already',
      facts({ state: inPhase('promoting', { operation: operation('promote', ['seal-source']) }) }),
      ['under-way'],
    ],
  ]
  for (const [what, found, expected] of cases) assert.deepEqual(codes(found, promote), expected, what)
})

test('reasons are said as they are, with what is known', () => {
  const [halted] = rehearse(
    facts({
      target: side([90]),
      status: status([
        partitionStatus('orders', 0, { state: 'halted', reason: 'something else writes to the copy' }),
      ]),
    }),
    promote,
  ).forbids
  assert.equal(halted!.text, 'orders-0 is halted: something else writes to the copy')
  const stuck = { ...operation('promote', ['seal-source', 'settle-source']), stuck: 'no leader' }
  const [underWay] = rehearse(facts({ state: inPhase('promoting', { operation: stuck }) }), promote).forbids
  assert.equal(underWay!.text, 'promote is under way, at settle-source: no leader')
})

test('with the yes it asks for it is allowed; with another it is not', () => {
  const found = facts({ source: side([100], { authorizer: 'none', acls: [] }) })
  assert.equal(rehearse(found, promote).allowed, false)
  assert.equal(rehearse(found, { ...promote, consents: ['accept-loss', 'unfenced'] }).allowed, false)
  assert.equal(rehearse(found, { ...promote, consents: ['writers-stopped'] }).allowed, true)
})

/* ---- what would be lost ---- */

test('planned, nothing is lost: what is behind has to be copied first', () => {
  const { lost, partitions } = rehearse(facts({ target: side([60]) }), promote)
  assert.deepEqual(lost, { atLeast: 0, atMost: 0 })
  assert.deepEqual(partitions[0], {
    topic: 'orders',
    partition: 0,
    sourceEnd: 100,
    targetEnd: 60,
    toCopy: 40,
    lost: { atLeast: 0, atMost: 0 },
    lostOffsets: null,
    note: '',
  })
})

test('without the source, the loss is what was seen and not copied, and nobody can say what came after', () => {
  const seen = status([
    partitionStatus('orders', 0, { sourceEnd: 137 }),
    partitionStatus('orders', 1, { sourceEnd: 50 }),
  ])
  const found = facts({ source: unreachable, target: side([100, 50]), status: seen })
  const rehearsal = rehearse(found, unplanned)
  assert.deepEqual(rehearsal.lost, { atLeast: 37, atMost: null })
  assert.deepEqual(
    rehearsal.partitions.map(({ lost, lostOffsets }) => [lost.atLeast, lostOffsets]),
    [
      [37, { from: 100, to: 137 }],
      [0, null],
    ],
  )
  assert.deepEqual(codes(found, unplanned), ['would-lose?accept-loss'])
  assert.match(
    rehearsal.forbids[0]!.text,
    /at least 37 records would be lost, and whatever the source took after 1970/,
  )
  assert.equal(rehearse(found, { ...unplanned, consents: ['accept-loss'] }).allowed, true)
})

test('without the source and without a word of the link, it is said that nothing is known', () => {
  const { lost, forbids } = rehearse(facts({ source: unreachable, status: undefined }), unplanned)
  assert.deepEqual(lost, { atLeast: 0, atMost: null })
  assert.match(forbids[0]!.text, /whatever the source took at all: nothing is known of it/)
})

test('unplanned with a source that answers, the loss is exact, in records that were counted', () => {
  const counted: Compared = {
    topic: 'orders',
    partition: 0,
    differsAt: null,
    sourceRecords: 31,
    targetRecords: 0,
  }
  const found = facts({ target: side([60]), compared: [counted] })
  assert.deepEqual(rehearse(found, unplanned).lost, { atLeast: 31, atMost: 31 })
  assert.match(rehearse(found, unplanned).forbids[0]!.text, /^31 records would be lost/)
  assert.deepEqual(codes(facts(), unplanned), [])
})

test('back at once: what the promotion had given up is copied after all', () => {
  const counted: Compared = {
    topic: 'orders',
    partition: 0,
    differsAt: null,
    sourceRecords: 37,
    targetRecords: 0,
  }
  const found = facts({ state: inPhase('promoted'), source: side([137]), compared: [counted] })
  const rehearsal = rehearse(found, demote)
  assert.deepEqual(rehearsal.forbids, [])
  assert.deepEqual(rehearsal.lost, { atLeast: 0, atMost: 0 })
  assert.equal(
    rehearsal.partitions[0]!.note,
    '37 records that the promotion had given up are copied after all',
  )
})

test('back at once is refused once the target has records of its own, with their number', () => {
  const at = (ends: [number, number], fields: Partial<Compared> = {}) =>
    facts({
      state: inPhase('promoted'),
      source: side([ends[0]]),
      target: side([ends[1]]),
      compared: [
        {
          topic: 'orders',
          partition: 0,
          differsAt: null,
          sourceRecords: null,
          targetRecords: null,
          ...fields,
        },
      ],
    })
  const behind = rehearse(at([100, 120], { targetRecords: 20 }), demote)
  assert.equal(behind.allowed, false)
  assert.equal(
    behind.forbids[0]!.text,
    'the target holds 20 records of orders-0 that the source lacks: fail back',
  )
  const diverged = rehearse(at([130, 120], { differsAt: 100, sourceRecords: 30, targetRecords: 20 }), demote)
  assert.equal(
    diverged.forbids[0]!.text,
    'the target holds 20 records of orders-0 that the source lacks, from offset 100: fail back',
  )
})

test('a failback: nothing is lost unless the source has records that were never copied; then all are named', () => {
  const found = (ends: [number, number], fields: Partial<Compared>) =>
    facts({
      state: inPhase('promoted'),
      source: side([ends[0]]),
      target: side([ends[1]]),
      compared: [
        { topic: 'orders', partition: 0, differsAt: null, sourceRecords: 0, targetRecords: 0, ...fields },
      ],
    })
  assert.deepEqual(codes(found([100, 150], { targetRecords: 50 }), failback), [])
  assert.deepEqual(codes(found([100, 100], {}), failback), [])
  const diverged = found([137, 150], { differsAt: 100, sourceRecords: 37, targetRecords: 50 })
  assert.deepEqual(codes(diverged, failback), ['diverged?recreate'])
  const rehearsal = rehearse(diverged, failback)
  assert.deepEqual(rehearsal.lost, { atLeast: 37, atMost: 37 })
  assert.deepEqual(rehearsal.partitions[0]!.lostOffsets, { from: 100, to: 137 })
  assert.match(
    rehearsal.forbids[0]!.text,
    /37 records of orders-0 that were never copied, offsets 100 to 136/,
  )
  assert.deepEqual(rehearsal.steps.slice(0, 4), ['seal-source', 'compare', 'salvage', 'drop-diverged'])
  // A log cannot be cut, so it is the same with a source that is merely longer.
  assert.deepEqual(codes(found([137, 100], { sourceRecords: 37 }), failback), ['diverged?recreate'])
})

test('a failback of what cannot be copied back in place is refused', () => {
  const state = inPhase('promoted')
  const mapped = [{ at: { topic: 'orders', partition: 0 }, why: 'offset 3 holds no data' }]
  const back = facts({ state, mapped })
  assert.deepEqual(codes(back, failback), ['offsets-mapped'])
  assert.match(
    rehearse(back, failback).forbids[0]!.text,
    /in 1 partition: orders-0 \(offset 3 holds no data\)/,
  )
  assert.deepEqual(codes(facts({ mapped }), { ...failback, action: 'promote' }), ['offsets-mapped'])
  const renamed = facts({
    state,
    topics: [{ source: 'orders', copy: 'edge.orders' }],
    target: side([100], {
      topics: new Map([['edge.orders', { name: 'edge.orders', id: 'B', logs: [log(0, 100)], unknown: [] }]]),
    }),
  })
  assert.deepEqual(codes(renamed, failback), ['renamed'])
  assert.deepEqual(codes(facts({ state, copiedIds: new Map([['orders', 'older']]) }), failback), [
    'source-recreated?recreate',
  ])
  assert.deepEqual(codes(facts({ state, source: side([100], { acls: [write('User:*')] }) }), failback), [
    'open-to-everybody',
  ])
})

/* ---- groups ---- */

const groupsOf = (found: FailoverFacts, options: RehearsalOptions) =>
  rehearse(found, options).groups.map(({ group, after, again, skipped }) => [
    group,
    after,
    [again.atLeast, again.atMost],
    [skipped.atLeast, skipped.atMost],
  ])

test('planned, groups that are kept in step lose and repeat nothing; what becomes of the others is said', () => {
  const source = side([100], {}, [
    { id: 'kept', at: [40] },
    { id: 'reading', state: 'Stable', at: [70] },
    { id: 'not-kept', at: [60] },
    { id: 'not-kept-ahead', at: [60] },
    { id: 'not-there', at: [60] },
    { id: 'local', at: [50] },
    { id: 'own-way', at: [70] },
  ])
  const target = side([100], { acls: [] }, [
    { id: 'kept', at: [35] },
    { id: 'own-way', at: [30] },
    { id: 'not-kept', at: [45] },
    { id: 'not-kept-ahead', at: [80] },
    { id: 'local', state: 'Stable', at: [90] },
  ])
  const moved = [{ topic: 'orders', partition: 0, before: null, target: 35, source: 35 }]
  const found = facts({ source, target, kept: { ...EMPTY_KEEP, groups: { kept: moved } } })
  assert.deepEqual(groupsOf(found, promote), [
    ['kept', 40, [0, 0], [0, 0]],
    ['local', 90, [0, 0], [40, 40]],
    ['not-kept', 45, [15, 15], [0, 0]],
    ['not-kept-ahead', 80, [0, 0], [20, 20]],
    ['not-there', null, [0, 60], [0, 40]],
    ['own-way', 30, [40, 40], [0, 0]],
    ['reading', 70, [0, 0], [0, 0]],
  ])
  const notes = new Map(rehearse(found, promote).groups.map(({ group, note }) => [group, note]))
  assert.match(notes.get('reading')!, /it still reads at the source: 30 to go, or to be stopped/)
  assert.match(notes.get('local')!, /it has members at the target/)
  // Moved while it reads, it may read again what it had still to read.
  const asTheyStand = groupsOf(found, { ...promote, consents: ['allow-repeats'] })
  assert.deepEqual(asTheyStand.at(-1), ['reading', 70, [0, 30], [0, 0]])
})

test('unplanned, a group goes on where it was moved last: what it read since it reads again, within bounds', () => {
  const target = side([100], { acls: [] }, [{ id: 'kept', at: [40] }])
  const kept = {
    ...EMPTY_KEEP,
    groups: {
      kept: [{ topic: 'orders', partition: 0, before: null, target: 40, source: 55 }],
      nowhere: [{ topic: 'orders', partition: 0, before: null, target: 10, source: 10 }],
    },
  }
  assert.deepEqual(groupsOf(facts({ source: unreachable, target, kept }), unplanned), [
    ['kept', 40, [15, 60], [0, 0]],
    ['nowhere', null, [0, 10], [0, 90]],
  ])
})

test('unplanned: whatever a group has done at the source, what it reads again and skips lies within the bounds', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(100), fc.nat(100), fc.nat(60), (a, b, c, ahead) => {
      // Moved to `target` when it was at `seen`; it has come to `now` since; the copy ends at 100.
      const [target, seen, now] = [a, b, c].sort((x, y) => x - y) as [number, number, number]
      const kept = {
        ...EMPTY_KEEP,
        groups: { kept: [{ topic: 'orders', partition: 0, before: null, target, source: seen }] },
      }
      const found = facts({
        source: unreachable,
        target: side([100], { acls: [] }, [{ id: 'kept', at: [target] }]),
        kept,
      })
      const [outcome] = rehearse(found, unplanned).groups
      const again = Math.min(100, now + ahead) - target
      assert.ok(outcome!.again.atLeast <= again && again <= outcome!.again.atMost!)
    }),
  )
})

test('back to the source, what counts is where a group stands at the target', () => {
  const state = inPhase('promoted', { fork: [{ topic: 'orders', partition: 0, end: 100 }] })
  const compared = [{ topic: 'orders', partition: 0, differsAt: null, sourceRecords: 0, targetRecords: 50 }]
  const source = side([100], {}, [
    { id: 'kept', at: [100] },
    { id: 'idle', at: [100] },
  ])
  const target = side([150], {}, [
    { id: 'kept', at: [130] },
    { id: 'idle', at: [20] },
    { id: 'new', at: [140] },
  ])
  assert.deepEqual(groupsOf(facts({ state, source, target, compared }), failback), [
    ['idle', 20, [0, 0], [0, 0]],
    ['kept', 130, [0, 0], [0, 0]],
    ['new', 140, [0, 0], [0, 0]],
  ])
  // At once, nothing was written to the target: what it has read at the source it has read.
  const untouched = facts({ state, source, target: side([100], {}, [{ id: 'idle', at: [20] }]) })
  assert.deepEqual(groupsOf(untouched, demote), [['idle', 100, [0, 0], [0, 0]]])
})

/* ---- who writes, and which steps ---- */

test('who will not write any more and who will is told by name, the link aside', () => {
  const source = side([100], { acls: [write('User:app'), write('User:link')] })
  assert.deepEqual(rehearse(facts({ source }), promote).writers, {
    closed: ['User:app'],
    opened: ['User:app'],
  })
  const kept = { ...EMPTY_KEEP, writers: { seenAt: 5, acls: [write('User:batch')] } }
  const away = rehearse(facts({ source: unreachable, kept }), unplanned)
  assert.deepEqual(away.writers, { closed: [], opened: ['User:batch'] })
  assert.match(away.notes.join(' '), /last seen 1970-01-01T00:00:00.005Z/)
  const sealed = side([100], {
    acls: [write('User:app'), ...sealOf(['orders']), ...fenceOf('User:link', ['orders'])],
  })
  const back = facts({
    state: inPhase('promoted'),
    source: sealed,
    target: side([100], { acls: [write('User:new')] }),
  })
  assert.deepEqual(rehearse(back, demote).writers, { closed: ['User:new'], opened: ['User:app'] })
})

test('a promotion that cannot go on is taken back: without the target as long as nobody was let write there', () => {
  const begun = (steps: readonly StepName[]) =>
    inPhase('promoting', { operation: operation('promote', steps) })
  const closed = facts({ target: unreachable, state: begun(['seal-source', 'catch-up-target']) })
  assert.deepEqual(codes(closed, demote), [])
  assert.deepEqual(rehearse(closed, demote).steps, ['open-source', 'start-link'])
  const fenced = facts({ state: begun(['seal-source', 'stop-link', 'fence-link']) })
  assert.deepEqual(rehearse(fenced, demote).steps, ['open-source', 'admit-link', 'start-link'])
  const opened = begun(['seal-source', 'fence-link', 'equal-ends', 'open-target'])
  assert.deepEqual(codes(facts({ target: unreachable, state: opened }), demote), ['target-unreachable'])
  assert.deepEqual(rehearse(facts({ state: opened }), demote).steps.slice(0, 2), [
    'seal-target',
    'untouched-target',
  ])
})

test('a switch back can be given up until the target’s writers are sent away', () => {
  const back = (steps: readonly StepName[]) =>
    inPhase('demoting', {
      operation: { ...operation('demote', steps), from: 'returning' },
      runs: { link: false, reverse: true },
    })
  const early = facts({ state: back(['seal-target', 'catch-up-source']) })
  assert.deepEqual(codes(early, promote), [])
  assert.deepEqual(rehearse(early, promote).steps, [
    'stop-reverse',
    'admit-reverse',
    'adopt-source',
    'start-reverse',
    'reopen-target',
  ])
  const late = facts({ state: back(['seal-target', 'reserve-target']) })
  assert.deepEqual(codes(late, promote), ['under-way'])
})

test('never does a plan open a side to writers while the other may still be written to', () => {
  const plans = [
    rehearse(facts(), promote),
    rehearse(facts({ state: inPhase('promoted') }), demote),
    rehearse(facts({ state: inPhase('returning') }), demote),
    rehearse(facts({ state: inPhase('promoted') }), failback),
  ].map(({ steps }) => steps)
  for (const steps of plans) {
    const before = (first: StepName, then: StepName) => {
      if (!steps.includes(then)) return
      assert.ok(
        steps.includes(first) && steps.indexOf(first) < steps.indexOf(then),
        `${first} before ${then}`,
      )
    }
    before('seal-target', 'open-source')
    before('reserve-target', 'admit-link')
    before('reserve-target', 'open-source')
    before('admit-reverse', 'start-reverse')
    before('adopt-source', 'start-reverse')
    if (steps.includes('open-target'))
      for (const first of ['seal-source', 'fence-link', 'equal-ends', 'move-groups-to-target'] as const)
        before(first, 'open-target')
    if (steps.includes('fence-reverse')) before('fence-reverse', 'open-source')
  }
})
