import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { partitionStatus } from '../../../../test/mirror/memory-registry.ts'
import type { LinkStatus } from '../contract.ts'
import { linkDefinitionSchema } from '../definition.ts'
import type { LinkEntry } from '../registry.ts'
import { connectorState, restarting, tasksOf } from './tasks.ts'

test('partitions are dealt out in order, the same on every server, and none is lost', () => {
  const partition = fc.record({ topic: fc.constantFrom('a', 'b', 'a.b'), partition: fc.nat(20) })
  const partitions = fc.uniqueArray(partition, { selector: each => `${each.topic}-${each.partition}` })
  fc.assert(
    fc.property(partitions, fc.integer({ min: 1, max: 8 }), (given, max) => {
      const tasks = tasksOf(given, max)
      assert.deepEqual(tasksOf(given.toReversed(), max), tasks)
      assert.equal(tasks.length, Math.min(max, given.length))
      const sizes = tasks.map(task => task.length)
      assert.ok(sizes.length === 0 || Math.max(...sizes) - Math.min(...sizes) <= 1)
      assert.deepEqual(new Set(tasks.flat()), new Set(given))
    }),
  )
})

const context = { workerId: '127.0.0.1:8083', version: '0.1.0', now: 100_000 }

function entry(desired: LinkEntry['definition']['desired']): LinkEntry {
  const definition = linkDefinitionSchema.parse({
    name: 'l',
    source: { cluster: 'a' },
    target: { cluster: 'b' },
    topics: { include: ['*'] },
    desired,
  })
  return { definition, version: 1, owner: 'api', annotations: {}, reverseOf: null, sides: null }
}

const status = (more: Partial<LinkStatus> = {}): LinkStatus => ({
  link: 'l',
  state: 'running',
  reason: '',
  startedAt: 0,
  observedAt: context.now,
  partitions: [
    partitionStatus('t', 0),
    partitionStatus('t', 1, {
      state: 'halted',
      halted: 'source-truncated',
      reason: 'offsets 5 to 9 are gone',
    }),
    partitionStatus('t', 2, { state: 'waiting', reason: 'no leader' }),
    partitionStatus('t', 3, { state: 'blocked', reason: 'Write is not granted' }),
  ],
  ...more,
})

type Said = readonly [connector: string, tasks: readonly string[]]

describe('a link’s state in Connect’s words', () => {
  const cases: readonly (readonly [
    what: string,
    desired: LinkEntry['definition']['desired'],
    status: LinkStatus | undefined,
    says: Said,
  ])[] = [
    ['running', 'running', status(), ['RUNNING', ['RUNNING', 'FAILED', 'RUNNING', 'FAILED']]],
    ['starting', 'running', status({ state: 'starting', partitions: [] }), ['RUNNING', []]],
    [
      'waiting for a copy',
      'running',
      status({ reason: 'waits for test.mirror', partitions: [partitionStatus('t', 0)] }),
      ['RUNNING waits for test.mirror', ['RUNNING']],
    ],
    [
      'that cannot begin',
      'running',
      status({ state: 'starting', reason: 'no connection', partitions: [] }),
      ['FAILED no connection', []],
    ],
    ['paused', 'paused', status(), ['PAUSED', ['PAUSED', 'FAILED', 'PAUSED', 'FAILED']]],
    ['stopped', 'stopped', status(), ['STOPPED', []]],
    ['without a worker', 'running', undefined, ['UNASSIGNED no worker has taken this link up yet', []]],
    [
      'with a worker long silent',
      'running',
      status({ observedAt: 0, partitions: [partitionStatus('t', 0)] }),
      [
        'UNASSIGNED no worker has said anything about this link since 1970-01-01T00:00:00.000Z',
        ['UNASSIGNED'],
      ],
    ],
    [
      'whose worker ended',
      'running',
      status({ state: 'stopped', reason: 'no space left', partitions: [] }),
      ['UNASSIGNED no space left', []],
    ],
  ]
  for (const [what, desired, said, expected] of cases)
    test(what, () => {
      const state = connectorState(entry(desired), said, 10, context)
      const text = ({ state: word, trace }: { state: string; trace?: string }): string =>
        trace === undefined ? word : `${word} ${trace}`
      assert.equal(text(state.connector), expected[0])
      assert.deepEqual(
        state.tasks.map(({ state: word }) => word),
        expected[1],
      )
      for (const each of [state.connector, ...state.tasks])
        assert.deepEqual([each.worker_id, each.version], [context.workerId, context.version])
    })

  test('a failed task’s trace names each partition that needs somebody, a running one’s each that waits, and why', () => {
    const { tasks } = connectorState(entry('running'), status(), 1, context)
    assert.equal(tasks[0]!.trace, 't-1: halted: offsets 5 to 9 are gone\nt-3: blocked: Write is not granted')
    const waiting = connectorState(entry('running'), status(), 4, context).tasks[2]!
    assert.deepEqual([waiting.state, waiting.trace], ['RUNNING', 't-2: waiting: no leader'])
    const many = Array.from({ length: 30 }, (_, index) => partitionStatus('t', index, { state: 'halted' }))
    const { trace } = connectorState(entry('running'), status({ partitions: many }), 1, context).tasks[0]!
    assert.match(trace!, /and 10 more partitions$/)
  })

  test('a restart shows what it begins anew, before it has begun', () => {
    const before = connectorState(entry('running'), status(), 10, context)
    const states = (onlyFailed: boolean, includeTasks: boolean): readonly string[] => {
      const after = restarting(before, onlyFailed, includeTasks)
      return [after.connector, ...after.tasks].map(({ state }) => state)
    }
    const now = ['RUNNING', 'RUNNING', 'FAILED', 'RUNNING', 'FAILED']
    assert.deepEqual(
      states(false, true),
      now.map(() => 'RESTARTING'),
    )
    assert.deepEqual(states(true, true), ['RUNNING', 'RUNNING', 'RESTARTING', 'RUNNING', 'RESTARTING'])
    assert.deepEqual(states(true, false), now)
    assert.ok(restarting(before, false, true).tasks.every(task => task.trace === undefined))
  })
})
