import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryTopic } from '../../../../test/journal/memory-log.ts'
import { definitionOf, promotion, put, said } from '../../../../test/mirror/links-state.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import { COPYING } from '../failover/state.ts'
import { KEEP_CHANGED } from '../keep/errors.ts'
import type { Moved } from '../keep/state.ts'
import { leadShardOf } from '../shard.ts'
import type { CommandOf, LinksCommand } from './contract.ts'
import { MAX_POSITIONS } from './keeping.ts'
import { linksMachine } from './machine.ts'
import { putLink } from './registry.ts'
import { BY_COMMAND, bySwitch, keepOnJournal } from './stores.ts'

const SHARDS = 8
const lead = { shard: leadShardOf('a', SHARDS), token: 1 }
const join = (instance: string): LinksCommand => ({
  kind: 'join',
  instance,
  name: instance,
  weight: 1,
  terms: { shards: SHARDS, leaseMs: 1_000 },
})
const acl: AclBinding = {
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal: 'User:app',
  host: '*',
  operation: 'read',
  permission: 'allow',
}
const rights = (expected: number, more: Partial<CommandOf<'keep-rights'>> = {}): LinksCommand => ({
  kind: 'keep-rights',
  name: 'a',
  way: 'keeps',
  expected,
  operation: null,
  fence: lead,
  acls: [acl],
  quotas: [],
  writers: null,
  ...more,
})
const moved = (group: string, partition: number, target: number) => ({
  group,
  topic: 'orders',
  partition,
  before: null,
  target,
  source: target,
})
const groups = (expected: number, more: Partial<CommandOf<'keep-groups'>>): LinksCommand => ({
  kind: 'keep-groups',
  name: 'a',
  way: 'keeps',
  expected,
  operation: null,
  fence: null,
  moved: [],
  lost: [],
  ...more,
})

test('what a worker notes counts only while it holds the lead, and only on what it was decided on', () => {
  const started = [join('w1'), put('a')]
  assert.deepEqual(said(...started, rights(0)).state.links['a']?.keeps?.state.acls, [acl])
  assert.match(said(...started, rights(0), rights(0)).reason!, /decided on version 0, it is at 1/)
  const deposed = [...started, join('w2'), { kind: 'leave', instance: 'w1' } as const]
  assert.match(said(...deposed, rights(0)).reason!, /token 1 of shard \d+ is stale/)
  const wrong = { ...lead, shard: (lead.shard + 1) % SHARDS }
  assert.match(said(...started, rights(0, { fence: wrong })).reason!, /says nothing about this/)
})

test('while the sides are switched only the switch notes anything', () => {
  const under: LinksCommand = {
    kind: 'switch',
    name: 'a',
    expected: 0,
    state: { ...COPYING, phase: 'promoting', operation: promotion },
  }
  const begun = [join('w1'), put('a'), under]
  assert.match(said(...begun, rights(0)).reason!, /are being switched/)
  assert.equal(said(...begun, rights(0, { fence: null, operation: 'op' })).reason, undefined)
  const after = { ...under, expected: 1, state: { ...COPYING, phase: 'promoted' } } as LinksCommand
  assert.match(said(...begun, after, rights(0)).reason!, /nothing follows its source/)
  assert.match(said(...begun, after, rights(0, { operation: 'op' })).reason!, /no switch op of link a/)
})

test('positions are noted one by one, whatever the group is called; those lost are gone', () => {
  const names = ['readers', 'constructor', '__proto__']
  const all = names.map(name => moved(name, 0, 5))
  const noted = [put('a'), groups(0, { moved: all })]
  const state = said(...noted).state.links['a']!.keeps!.state
  assert.deepEqual(Object.keys(state.groups).sort(), names.toSorted())
  const later = said(
    ...noted,
    groups(1, {
      moved: [moved('readers', 1, 7), moved('readers', 0, 6)],
      lost: [moved('constructor', 0, 5)],
    }),
  ).state.links['a']!.keeps!.state
  assert.deepEqual(
    later.groups['readers']?.map(({ partition, target }) => [partition, target]),
    [
      [0, 6],
      [1, 7],
    ],
  )
  assert.equal(Object.hasOwn(later.groups, 'constructor'), false)
})

test('no more is kept than fits, over all links; what takes away is always taken', () => {
  const many = Array.from({ length: MAX_POSITIONS }, (_, partition) => moved('g', partition, 1))
  const full = [put('a'), put('b', { topics: { include: ['x'] } }), groups(0, { moved: many })]
  assert.equal(said(...full).reason, undefined)
  const one = { moved: [moved('h', 0, 1)] }
  assert.match(said(...full, groups(0, { name: 'b', ...one })).reason!, /at most 20000 are kept/)
  assert.equal(said(...full, groups(1, { lost: [moved('g', 0, 1)] })).reason, undefined)
})

test('a store tells whoever decided on what is no more, and writes only what differs', async () => {
  await using journal = await openJournal({ log: createMemoryTopic().open(), machine: linksMachine })
  await putLink(journal, {
    definition: definitionOf('a'),
    owner: 'api',
    annotations: {},
    expected: 0,
    kept: null,
  })
  const [first, second] = [1, 2].map(() => keepOnJournal(journal, 'a', 'keeps', BY_COMMAND))
  for (const store of [first!, second!]) assert.equal(await store.load(), undefined)
  await first!.saveRights({ acls: [acl], quotas: [], writers: null })
  const position: Moved = { topic: 'orders', partition: 0, before: null, target: 5, source: 5 }
  await assert.rejects(second!.saveGroups(new Map([['g', [position]]])), { code: KEEP_CHANGED.code })
  await second!.load()
  await second!.saveGroups(new Map([['g', [position]]]))
  const version = journal.version()
  await second!.saveGroups(new Map([['g', [position]]]))
  assert.equal(journal.version(), version, 'nothing is written when nothing differs')
  await second!.saveGroups(new Map([['g', []]]))
  const kept = (await second!.load())!
  assert.deepEqual([kept.acls, kept.groups], [[acl], {}])
  const switching = keepOnJournal(journal, 'a', 'keepsBack', bySwitch(journal, 'a'))
  await switching.load()
  await switching.saveGroups(new Map([['g', [position]]]))
  assert.deepEqual(journal.state().links['a']?.keepsBack?.state.groups, { g: [position] })
})
