import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryTopic, type MemoryTopic } from '../../../../test/journal/memory-log.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import type { LinkPartitionStatus, LinkStatus } from '../contract.ts'
import { linkDefinitionSchema } from '../definition.ts'
import { LINK_CHANGED, LINK_INVALID, LINK_NOT_STOPPED, LINK_OWNED, LINK_UNKNOWN } from '../errors.ts'
import { COPYING, type FailoverState, type Operation } from '../failover/state.ts'
import { linksMachine } from './machine.ts'
import { mergeStatuses } from './merge.ts'
import { positionFault } from './positions.ts'
import { openLinkRegistry, putLink } from './registry.ts'

const ending = new AbortController()
after(() => ending.abort())

async function open(topic: MemoryTopic, answers: ReadonlyMap<string, LinkStatus[]> = new Map()) {
  const journal = await openJournal({ log: topic.open(), machine: linksMachine })
  const registry = openLinkRegistry({
    journal,
    ask: async address => answers.get(address) ?? [],
    connect: () => Promise.reject(new Error('nobody is to be connected to')),
    now: Date.now,
    log: silentLogger,
    signal: ending.signal,
  })
  return { journal, registry }
}

const definition = (name: string, include = ['orders']) =>
  linkDefinitionSchema.parse({
    name,
    source: { cluster: 'edge' },
    target: { cluster: 'hub' },
    topics: { include },
  })

const code = ({ code }: { readonly code: string }) => ({ code })

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !isSo(); await sleep(5))
    if (performance.now() > end) assert.fail(`did not come about: ${what}`)
}

test('a link that was put is there for everybody, and a change decided on an older one is refused', async () => {
  const topic = createMemoryTopic()
  const [{ registry: api, journal }, { registry: other, journal: second }] = [
    await open(topic),
    await open(topic),
  ]
  const changes: string[] = []
  other.onChange(name => changes.push(name), ending.signal)
  const entry = await api.put(definition('a'), { expected: 0, annotations: { 'tasks.max': '1' } })
  assert.deepEqual([entry.version, entry.owner, entry.annotations], [1, 'api', { 'tasks.max': '1' }])
  await until('the other knows it', () => other.get('a') !== undefined)
  assert.deepEqual(changes, ['a'])
  const before = journal.version()
  assert.deepEqual(await other.put(definition('a'), { annotations: { 'tasks.max': '1' } }), entry)
  assert.equal(journal.version(), before, 'nothing is written when nothing changes')
  const changed = await other.put(definition('a', ['orders', 'payments']), { expected: 1 })
  assert.equal(changed.version, 2)
  await assert.rejects(api.put(definition('a', ['x']), { expected: 1 }), code(LINK_CHANGED))
  assert.equal((await api.setDesired('a', 'paused')).definition.desired, 'paused')
  await api.restart('a', { only: 'failed' })
  await api.remove('a')
  assert.deepEqual(api.list(), [])
  await Promise.all([journal.close(), second.close()])
})

test("what may not be is told with its reason: unknown links, loops, the fleet's own", async () => {
  const { registry, journal } = await open(createMemoryTopic())
  await assert.rejects(registry.setDesired('a', 'paused'), code(LINK_UNKNOWN))
  await assert.rejects(registry.remove('a'), code(LINK_UNKNOWN))
  await assert.rejects(registry.restart('a', { only: 'all' }), code(LINK_UNKNOWN))
  await assert.rejects(registry.positions('a', ending.signal), code(LINK_UNKNOWN))
  await putLink(journal, {
    definition: definition('a'),
    owner: 'fleet',
    annotations: {},
    expected: null,
    kept: null,
  })
  await assert.rejects(registry.put(definition('a', ['x'])), code(LINK_OWNED))
  await assert.rejects(registry.remove('a'), code(LINK_OWNED))
  await assert.rejects(registry.setPositions('a', [], ending.signal), code(LINK_NOT_STOPPED))
  const back = { ...definition('b'), source: { cluster: 'hub' }, target: { cluster: 'edge' } }
  await assert.rejects(registry.put(back), code(LINK_INVALID))
  await journal.close()
})

function partition(
  topic: string,
  number: number,
  more: Partial<LinkPartitionStatus> = {},
): LinkPartitionStatus {
  const ends = { targetEnd: 5, sourceStart: 0, sourceEnd: 5, lagRecords: 0, lagMs: 0 }
  const counts = { records: 5, bytes: 50, rebuiltBatches: 0, filledOffsets: 0, missing: [] }
  const state = { state: 'caught-up' as const, halted: null, reason: '', since: 1 }
  return { topic, partition: number, ...state, ...ends, ...counts, ...more }
}

const status = (
  observedAt: number,
  partitions: LinkPartitionStatus[],
  more: Partial<LinkStatus> = {},
): LinkStatus => ({
  link: 'a',
  state: 'running',
  reason: '',
  startedAt: observedAt,
  observedAt,
  partitions,
  ...more,
})

test('a link stands as its workers together say; of a partition that moves the later word counts', () => {
  const link = definition('a')
  assert.equal(mergeStatuses(link, [], 9), undefined)
  assert.equal(mergeStatuses({ ...link, desired: 'stopped' }, [], 9)?.state, 'stopped')
  const merged = mergeStatuses(
    link,
    [
      { worker: 'w2', ...status(20, [partition('t', 1, { targetEnd: 9 })], { state: 'starting' }) },
      {
        worker: 'w1',
        ...status(10, [partition('t', 0), partition('t', 1), partition('s', 0)], {
          reason: 'x is not copied: y',
        }),
      },
    ],
    30,
  )
  assert.deepEqual([merged?.state, merged?.reason, merged?.observedAt], ['running', 'x is not copied: y', 10])
  assert.deepEqual(
    merged?.partitions.map(each => [each.topic, each.partition, each.targetEnd, each.worker]),
    [
      ['s', 0, 5, 'w1'],
      ['t', 0, 5, 'w1'],
      ['t', 1, 9, 'w2'],
    ],
  )
})

test('workers are asked where they said they are, and forgotten when they are gone', async () => {
  const at = 'http://127.0.0.1:1'
  const { registry, journal } = await open(
    createMemoryTopic(),
    new Map([[at, [status(1, [partition('t', 0)])]]]),
  )
  await registry.put(definition('a'))
  assert.equal(registry.status('a'), undefined)
  const terms = { shards: 4, leaseMs: 1_000 }
  await journal.submit({ kind: 'join', instance: 'w1.1', name: 'w1', weight: 1, terms })
  await journal.submit({ kind: 'announce', worker: 'w1', address: at })
  await until('its status is known', () => registry.status('a')?.partitions.length === 1)
  await journal.submit({ kind: 'leave', instance: 'w1.1' })
  assert.equal(registry.status('a'), undefined)
  await journal.close()
})

test('a copy is taken over only where it ends: every record keeps its offset', () => {
  const change = (sourceOffset: number | null) => ({ topic: 't', partition: 2, sourceOffset })
  assert.equal(positionFault(change(5), 5), undefined)
  assert.equal(positionFault(change(null), 5), undefined)
  assert.equal(positionFault(change(0), undefined), undefined)
  assert.match(positionFault(change(6), 5) ?? '', /t-2 cannot go on at 6: its copy ends at 5/)
  assert.match(positionFault(change(6), undefined) ?? '', /there is no copy yet/)
})

test('a switch under way is listed with all of its steps, and how far it has come', async () => {
  const { journal, registry } = await open(createMemoryTopic())
  await registry.put(definition('a'))
  assert.equal(registry.get('a')?.sides, null)
  const operation: Operation = {
    id: 'op',
    action: 'promote',
    from: 'copying',
    planned: true,
    consents: [],
    stay: false,
    plan: ['seal-source', 'settle-source', 'open-target'],
    startedAt: 1,
    steps: [
      { name: 'seal-source', startedAt: 2, endedAt: 3, evidence: {} },
      { name: 'settle-source', startedAt: 3, endedAt: null, evidence: {} },
    ],
    stuck: 'no leader',
    retries: 0,
  }
  const state: FailoverState = { ...COPYING, phase: 'promoting', operation }
  await journal.submit({ kind: 'switch', name: 'a', expected: 0, state })
  assert.deepEqual(registry.get('a')?.sides, {
    phase: 'promoting',
    underWay: {
      action: 'promote',
      planned: true,
      startedAt: 1,
      step: 'settle-source',
      stuck: 'no leader',
      steps: [
        { name: 'seal-source', startedAt: 2, endedAt: 3 },
        { name: 'settle-source', startedAt: 3, endedAt: null },
        { name: 'open-target', startedAt: null, endedAt: null },
      ],
    },
  })
})
