import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryTopic, type MemoryTopic } from '../../../test/journal/memory-log.ts'
import { isAjnaError } from '../errors/errors.ts'
import { type Journal, openJournal } from '../journal/journal.ts'
import type { ShardsCommand, ShardsState } from './contract.ts'
import { SHARDS_HANDLER_FAILED, SHARDS_TERMS_DIFFER } from './errors.ts'
import { shardsMachine } from './machine.ts'
import type { ShardsOptions } from './options.ts'
import { joinShards, type Shards } from './shards.ts'

const terms = { shards: 16, leaseMs: 400 }
const times = { beatMs: 50, graceMs: 100, settleMs: 100, movesAtOnce: 3 }

type Options = ShardsOptions<ShardsState, ShardsCommand>

async function member(topic: MemoryTopic, name: string, change: Partial<Options> = {}, log = topic.open()) {
  const journal = await openJournal({ log, machine: shardsMachine })
  const plain = { select: (state: ShardsState) => state, wrap: (command: ShardsCommand) => command }
  try {
    return { journal, shards: await joinShards({ journal, ...plain, name, terms, times, ...change }) }
  } catch (error) {
    await journal.close()
    throw error
  }
}

async function until(what: string, holds: () => boolean, deadlineMs = 20_000): Promise<void> {
  for (const end = performance.now() + deadlineMs; !holds(); await sleep(5))
    if (performance.now() > end) assert.fail(`did not come about: ${what}`)
}

const all = Array.from({ length: terms.shards }, (_, shard) => shard)

/** Every shard is worked on by exactly one of them, which holds it. */
function shared(...members: readonly Shards[]): boolean {
  return (
    all.every(shard => members.filter(({ working }) => working().has(shard)).length === 1) &&
    all.every(shard => members.some(({ holds }) => holds(shard) !== undefined))
  )
}

async function closeAll(
  ...members: readonly { journal: Journal<ShardsState, ShardsCommand>; shards: Shards }[]
): Promise<void> {
  for (const { shards, journal } of members) {
    await shards.leave()
    await journal.close()
  }
}

test('members share all shards, and a newcomer gets its share from live owners', async () => {
  const topic = createMemoryTopic()
  const a = await member(topic, 'a')
  await until('a has everything', () => shared(a.shards))
  const [b, c] = await Promise.all([member(topic, 'b'), member(topic, 'c')])
  await until(
    'each has its share',
    () => [a, b, c].every(({ shards }) => shards.working().size > 0) && shared(a.shards, b.shards, c.shards),
  )
  await closeAll(a, b, c)
})

test('work on a shard has ended at one member before it begins at another', async () => {
  const topic = createMemoryTopic()
  const busy = new Map<number, string>()
  const handlers = (name: string): Partial<Options> => ({
    gained(shard) {
      assert.equal(busy.get(shard), undefined, `${name} begins shard ${shard}`)
      busy.set(shard, name)
    },
    async lost(shard) {
      await sleep(20)
      assert.equal(busy.get(shard), name)
      busy.delete(shard)
    },
  })
  const a = await member(topic, 'a', handlers('a'))
  const b = await member(topic, 'b', handlers('b'))
  await until('b has its share', () => b.shards.working().size > 0 && shared(a.shards, b.shards))
  await closeAll(a)
  await until('b has everything', () => shared(b.shards))
  await closeAll(b)
  assert.equal(busy.size, 0)
})

test('a member cut off from the log stops acting before another takes over, and joins again when it is back', async () => {
  const topic = createMemoryTopic()
  let cut = false
  const log = topic.open(() => (cut ? 'lost' : 'written'))
  const tokens = new Map<number, number>()
  const a = await member(topic, 'a', {}, log)
  await until('a has everything', () => shared(a.shards))
  for (const shard of all) tokens.set(shard, a.shards.holds(shard)!.token)
  const b = await member(topic, 'b', { times: { ...times, settleMs: 60_000 } })
  const firstLife = a.shards.instance()
  cut = true
  await until('b has everything', () => {
    for (const shard of all)
      assert(a.shards.holds(shard) === undefined || b.shards.holds(shard) === undefined, `both hold ${shard}`)
    return shared(b.shards)
  })
  for (const shard of all) assert(b.shards.holds(shard)!.token > tokens.get(shard)!)
  assert.equal(a.shards.working().size, 0)
  cut = false
  await until('a is a member again', () => Object.hasOwn(b.journal.state().members, a.shards.instance()))
  assert.notEqual(a.shards.instance(), firstLife)
  await closeAll(b)
  await until('a has everything again', () => shared(a.shards))
  await closeAll(a)
})

test('who comes with other terms, or beats too seldom for them, is told so', async () => {
  const topic = createMemoryTopic()
  const a = await member(topic, 'a')
  const differs = (error: unknown) => isAjnaError(error, SHARDS_TERMS_DIFFER)
  await assert.rejects(member(topic, 'b', { terms: { ...terms, shards: 8 } }), differs)
  await assert.rejects(member(topic, 'b', { times: { beatMs: 200 } }), differs)
  await closeAll(a)
})

test('a member whose work cannot be ended leaves its shards to the lease, not to the next owner at once', async () => {
  const topic = createMemoryTopic()
  const a = await member(topic, 'a', {
    lost() {
      throw new Error('stuck')
    },
  })
  await until('a has everything', () => shared(a.shards))
  const b = await member(topic, 'b')
  const kinds = new Set<string>()
  b.journal.observe(event => {
    if (event.kind === 'change') kinds.add(event.command.kind)
  })
  await until('a has stopped', () => a.shards.stopped.aborted)
  assert(isAjnaError(a.shards.stopped.reason, SHARDS_HANDLER_FAILED))
  await until('b has everything', () => shared(b.shards))
  assert(kinds.has('expel') && !kinds.has('release'))
  await closeAll(b)
  await a.journal.close()
})

test('when the journal stops, the work stops', async () => {
  const topic = createMemoryTopic()
  const a = await member(topic, 'a')
  await until('a has everything', () => shared(a.shards))
  await a.journal.close()
  assert(a.shards.stopped.aborted)
  assert.equal(a.shards.working().size, 0)
  assert.equal(a.shards.holds(0), undefined)
})
