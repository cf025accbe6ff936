import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createMemoryTopic } from '../../../../test/journal/memory-log.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import { type Activity, byBeginning } from './contract.ts'
import { bytesOf, fitted } from './fit.ts'
import { type ActivityState, activityMachine, MAX_BYTES, MAX_ENTRIES } from './machine.ts'
import { entry } from './testing.ts'

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)
const property = { seed: SEED, numRuns: Number(process.env['AJNA_TEST_RUNS'] ?? 300) }
const meta = { offset: 0, writer: 'w', at: 0, machineVersion: 1 }

/** Applies tellings in the order given. */
function replay(tellings: readonly Activity[], from: ActivityState = activityMachine.initial) {
  const accepted: Activity[] = []
  let state = from
  for (const told of tellings) {
    const applied = activityMachine.apply(state, { kind: 'put', entry: told }, meta)
    if (!applied.accepted) continue
    accepted.push(told)
    state = applied.state
  }
  return { state, accepted }
}

/** Some entries, each told several times, the last time perhaps ended. */
const stories = fc
  .array(fc.record({ at: fc.nat(5), tellings: fc.integer({ min: 1, max: 4 }), ends: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  })
  .map(all =>
    all.flatMap(({ at, tellings, ends }, index) =>
      Array.from({ length: tellings }, (_, revision) =>
        entry({
          id: `e${index}`,
          at,
          revision,
          ...(ends && revision === tellings - 1 && { outcome: 'done', endedAt: at + 1 }),
        }),
      ),
    ),
  )
/** The same tellings, each once to three times, in any order. */
const anyDelivery = (tellings: readonly Activity[]) =>
  fc
    .array(fc.integer({ min: 1, max: 3 }), { minLength: tellings.length, maxLength: tellings.length })
    .map(copies => tellings.flatMap((told, index) => Array<Activity>(copies[index]!).fill(told)))
    .chain(all => fc.shuffledSubarray(all, { minLength: all.length }))
const delivered = stories.chain(tellings => fc.tuple(fc.constant(tellings), anyDelivery(tellings)))

test(`whatever the order and however often it is told, the last telling of each entry is kept, once (seed ${SEED})`, () => {
  fc.assert(
    fc.property(delivered, ([tellings, delivery]) => {
      const last = [...new Map(tellings.map(told => [told.id, told])).values()].sort(byBeginning)
      const { state, accepted } = replay(delivery)
      assert.deepEqual(state.entries, last)
      const names = accepted.map(({ id, revision }) => `${id}.${revision}`)
      assert.equal(new Set(names).size, names.length, 'no telling is accepted twice')
      assert.equal(
        state.bytes,
        state.entries.reduce((sum, each) => sum + bytesOf(each), 0),
      )
    }),
    property,
  )
})

test(`what has ended stays as it is, and a state read back from a snapshot goes on alike (seed ${SEED})`, () => {
  fc.assert(
    fc.property(delivered, fc.nat(40), ([, delivery], cut) => {
      const first = replay(delivery.slice(0, cut)).state
      const restored = activityMachine.state.parse(JSON.parse(JSON.stringify(first)))
      const { state } = replay(delivery.slice(cut), restored)
      assert.deepEqual(state, replay(delivery).state)
      for (const ended of first.entries.filter(({ outcome }) => outcome !== 'running'))
        assert.deepEqual(
          state.entries.find(({ id }) => id === ended.id),
          ended,
        )
    }),
    property,
  )
})

test('of more entries than are kept the latest to begin are, whatever the order they come in', () => {
  const all = Array.from({ length: MAX_ENTRIES + 300 }, (_, index) => entry({ id: `e${index}`, at: index }))
  const kept = all.slice(300)
  assert.deepEqual(replay(all).state.entries, kept)
  assert.deepEqual(replay(all.toReversed()).state.entries, kept)
  // One that had to go does not come back by being told again.
  const { state, accepted } = replay([all[7]!], replay(all).state)
  assert.deepEqual([state.entries, accepted.length], [kept, 1])
})

test('the log is bounded in bytes too, and a snapshot holds it', async () => {
  const topic = createMemoryTopic()
  const journal = await openJournal({ log: topic.open(), machine: activityMachine, snapshotEvery: 50 })
  const large = Array.from({ length: 12 }, (_, index) => ({ label: `${index}`, value: 'x'.repeat(2_000) }))
  let number = 0
  const put = () =>
    journal.submit({ kind: 'put', entry: entry({ id: `e${number}`, at: number++, evidence: large }) })
  await Promise.all(Array.from({ length: 120 }, put))
  const { entries, bytes } = journal.state()
  assert.ok(bytes <= MAX_BYTES && bytes > 0.9 * MAX_BYTES, `${bytes}`)
  assert.equal(entries.at(-1)?.id, 'e119')
  while (topic.records[0]?.offset === 0) await put()
  await journal.sync()
  const late = await openJournal({ log: topic.open(), machine: activityMachine })
  assert.deepEqual(late.state(), journal.state())
  await Promise.all([journal.close(), late.close()])
})

test('whatever is told fits after it was cut, and what fits is left as it is', () => {
  const text = fc.string({ maxLength: 6_000, unit: 'binary' })
  const told = fc.record({
    actor: text,
    action: text,
    summary: text,
    reason: fc.option(text),
    name: text,
    cluster: fc.option(text),
    evidence: fc.array(fc.record({ label: text, value: text }), { maxLength: 60 }),
  })
  fc.assert(
    fc.property(told, ({ name, cluster, ...rest }) => {
      const once = fitted(entry({ ...rest, subject: { kind: 'topic', name, cluster } }))
      const applied = activityMachine.apply(activityMachine.initial, { kind: 'put', entry: once }, meta)
      assert.equal(applied.accepted, true)
      assert.deepEqual(fitted(once), once)
    }),
    { ...property, numRuns: 50 },
  )
})

test('what is cut from the evidence is said', () => {
  const many = Array.from({ length: 100 }, (_, index) => ({ label: `step ${index}`, value: 'done' }))
  const { evidence } = fitted(entry({ evidence: many }))
  assert.deepEqual([evidence.length, evidence[0]?.label], [40, 'step 0'])
  assert.deepEqual(evidence.at(-1), { label: 'left out', value: '61 more' })
})
