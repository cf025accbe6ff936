import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMemoryTopic } from '../../test/journal/memory-log.ts'
import { openJournal } from '../foundation/journal/journal.ts'
import { silentLogger } from '../foundation/log/log.ts'
import type { ResolvedLink } from '../operations/fleet/contract.ts'
import { linkDefinitionSchema } from '../operations/mirror/definition.ts'
import { COPYING } from '../operations/mirror/failover/state.ts'
import type { LinksJournal } from '../operations/mirror/links/kept.ts'
import { linksMachine } from '../operations/mirror/links/machine.ts'
import { putLink } from '../operations/mirror/links/registry.ts'
import { putFleetLinks } from './fleet-links.ts'
import { homeAt } from './home.ts'

const link = (name: string, ...topics: string[]): ResolvedLink => ({
  name,
  from: 'edge',
  to: 'hub',
  topics,
  principal: `link-${name}`,
})

interface Scene {
  readonly journal: LinksJournal
  readonly folder: string
  put(...links: ResolvedLink[]): Promise<boolean>
}

async function inScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'ajna-fleet-links-'))
  const home = homeAt(root)
  const folder = home.role('mirror')
  await mkdir(folder)
  const journal = await openJournal({ log: createMemoryTopic().open(), machine: linksMachine })
  try {
    const put = (...links: ResolvedLink[]) =>
      putFleetLinks({ home, file: { fleet: { links } }, log: silentLogger }, journal)
    await use({ journal, folder, put })
  } finally {
    await journal.close()
    await rm(root, { recursive: true })
  }
}

test("the journal holds what the fleet's file declares, and of that nothing else", () =>
  inScene(async ({ journal, put }) => {
    const byHand = linkDefinitionSchema.parse({
      name: 'by-hand',
      source: { cluster: 'edge' },
      target: { cluster: 'hub' },
      topics: { include: ['x'] },
    })
    await putLink(journal, { definition: byHand, owner: 'api', annotations: {}, expected: 0, kept: null })
    await put(link('a', 'orders', 'payments'), link('b', 'logs'))
    const { version } = journal.state().links['a']!
    await put(link('a', 'orders', 'payments'), link('b', 'logs'))
    assert.equal(journal.state().links['a']?.version, version, 'nothing is changed when nothing has changed')
    await put(link('a', 'orders'))
    const { links } = journal.state()
    assert.deepEqual(Object.keys(links).sort(), ['a', 'by-hand'])
    assert.deepEqual([links['a']?.owner, links['a']?.definition.topics.include], ['fleet', ['orders']])
  }))

test('what a declared link keeps in step is part of its definition, and ends with the declaration', () =>
  inScene(async ({ journal, put }) => {
    const keep = {
      acls: ['User:*'],
      quotas: [],
      groups: ['orders-*'],
      foreignPositions: 'advance',
      everyMs: 1_000,
    } as const
    await put({ ...link('a', 'orders'), keep })
    const kept = () => journal.state().links['a']?.definition.keep
    assert.deepEqual(kept(), {
      acls: { include: ['User:*'], exclude: [] },
      quotas: { include: [], exclude: [] },
      groups: { include: ['orders-*'], exclude: [] },
      foreignPositions: 'advance',
      everyMs: 1_000,
    })
    await put(link('a', 'orders'))
    assert.deepEqual(kept()?.groups.include, [])
  }))

test('what the file can say of a link is its definition’s; unsaid, a definition’s own defaults hold', () =>
  inScene(async ({ journal, put }) => {
    const definition = () => journal.state().links['a']?.definition
    await put(link('a', 'orders'))
    const ends = { source: { cluster: 'edge' }, target: { cluster: 'hub' }, topics: { include: ['orders'] } }
    assert.deepEqual(definition(), linkDefinitionSchema.parse({ name: 'a', ...ends }))
    const settings = {
      replicationFactor: 2,
      onMissingTopic: 'wait',
      onFewerPartitions: 'halt',
      onLoss: 'continue',
      onSourceDeleted: 'delete',
      maxGap: 7,
      offsets: 'mapped',
      rate: { link: 1_048_576, topic: null },
      headers: [{ key: 'origin', value: 'test', act: 'drop' }],
    } as const
    await put({ ...link('a', 'orders'), settings })
    assert.deepEqual(definition(), linkDefinitionSchema.parse({ name: 'a', ...ends, ...settings }))
  }))

test('a link whose sides are switched stays, declared or not, until they are back', () =>
  inScene(async ({ journal, put }) => {
    await put(link('a', 'orders'))
    const state = { ...COPYING, phase: 'promoted', runs: { link: false, reverse: false } } as const
    await journal.submit({ kind: 'switch', name: 'a', expected: 0, state: structuredClone(state) })
    assert.equal(await put(), false)
    assert.equal(journal.state().links['a']?.definition.desired, 'stopped')
    assert.equal(await put(link('a', 'orders')), true, 'declared again it is as it was, and does not run')
    assert.equal(journal.state().links['a']?.definition.desired, 'stopped')
    await journal.submit({ kind: 'switch', name: 'a', expected: 1, state: structuredClone(COPYING) })
    assert.equal(await put(), true)
    assert.deepEqual(journal.state().links, {})
  }))

test('a link that somebody paused stays paused when the file is applied again', () =>
  inScene(async ({ journal, put }) => {
    await put(link('a', 'orders'))
    await journal.submit({ kind: 'desire', name: 'a', desired: 'paused' })
    await put(link('a', 'orders', 'payments'))
    assert.equal(journal.state().links['a']?.definition.desired, 'paused')
  }))

test('what a link kept in a file is taken over once: its producer ids, topics and losses, and an epoch above its last', () =>
  inScene(async ({ journal, folder, put }) => {
    const file = {
      version: 1,
      producerId: '11',
      fillerId: '12',
      markerId: '13',
      coordinatorEpoch: 7,
      topics: { orders: { sourceId: 'id' } },
      missing: [{ topic: 'orders', partition: 0, from: 5, to: 9 }],
    }
    await writeFile(join(folder, 'a.json'), JSON.stringify(file))
    await put(link('a', 'orders'))
    const { version: _, coordinatorEpoch, ...same } = file
    const kept = { ...same, epochBase: coordinatorEpoch, deleted: {}, bases: [], maps: {} }
    assert.deepEqual(journal.state().links['a']?.kept, kept)
    assert.deepEqual(await readdir(folder), ['a.json.taken-over'])
    // A file that turns up later does not replace what is kept by now.
    await writeFile(join(folder, 'a.json'), JSON.stringify({ ...file, producerId: '99' }))
    await put(link('a', 'orders'))
    assert.deepEqual(journal.state().links['a']?.kept, kept)
  }))

test('a file that cannot be read keeps its link from being begun anew, and no other link from being begun', () =>
  inScene(async ({ journal, folder, put }) => {
    await writeFile(join(folder, 'a.json'), '{"version":')
    assert.equal(await put(link('a', 'orders'), link('b', 'logs')), false)
    assert.deepEqual(Object.keys(journal.state().links), ['b'])
    await rm(join(folder, 'a.json'))
    assert.equal(await put(link('a', 'orders'), link('b', 'logs')), true)
  }))
