import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { committedOffsets, mirrorMakerStands, mirusStands, type OffsetRecord } from './committed.ts'
import { copiedBeforeBySyncs, type OffsetSync, offsetSync } from './offset-syncs.ts'

/** Records that a real Connect worker and a real MirrorMaker 2 wrote (test/mirror/captured/README.md). */
const captured = JSON.parse(
  readFileSync(new URL('../../../../../test/mirror/captured/offset-records.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, readonly (readonly [key: string | null, value: string | null])[]>>

const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))
const recordsOf = (topic: string): OffsetRecord[] =>
  captured[topic]!.map(([key, value]) => ({ key: bytes(key), value: bytes(value) }))
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

describe('what a real MirrorMaker 2 committed', () => {
  test('says the last record it copied: the next one is one on', () => {
    const committed = committedOffsets(recordsOf('mm2-offsets.a.internal'))
    assert.deepEqual(mirrorMakerStands(committed, { connector: 'MirrorSourceConnector', cluster: 'a' }), [
      { topic: 'my.topic', partition: 1, sourceOffset: 100 },
      { topic: 'orders', partition: 0, sourceOffset: 300 },
    ])
    assert.deepEqual(mirrorMakerStands(committed, { connector: 'MirrorSourceConnector', cluster: 'z' }), [])
    assert.deepEqual(mirrorMakerStands(committed, { connector: 'other', cluster: 'a' }), [])
  })

  test('of a Connect worker, several connectors in one topic: the last record of a key counts, none forgets it', () => {
    const committed = committedOffsets(recordsOf('connect-offsets'))
    const of = (connector: string) => mirrorMakerStands(committed, { connector, cluster: 'a' })
    // The connector m was altered: its last words are 2 for orders-0, 1 for zzz-0, and nothing for my.topic-0.
    assert.deepEqual(of('m'), [
      { topic: 'orders', partition: 1, sourceOffset: 3 },
      { topic: 'orders', partition: 0, sourceOffset: 3 },
      { topic: 'zzz', partition: 0, sourceOffset: 2 },
    ])
    assert.deepEqual(
      of('num')
        .map(({ topic, partition, sourceOffset }) => `${topic}-${partition}=${sourceOffset}`)
        .sort(),
      ['my.topic-0=3', 'orders-0=7', 'orders-1=3'],
    )
  })
})

describe('what Mirus committed', () => {
  const partition = { topic: 'test', partition: 3 }
  test('is the next offset itself', () => {
    const committed = committedOffsets([{ key: json(['mirus', partition]), value: json({ offset: 42 }) }])
    assert.deepEqual(mirusStands(committed, 'mirus'), [{ ...partition, sourceOffset: 42 }])
    assert.deepEqual(mirusStands(committed, 'other'), [])
  })

  test('also where the converter wraps what it writes in a schema', () => {
    const committed = committedOffsets([
      {
        key: json({ schema: null, payload: ['mirus', partition] }),
        value: json({ schema: null, payload: { offset: 7 } }),
      },
    ])
    assert.deepEqual(mirusStands(committed, 'mirus'), [{ ...partition, sourceOffset: 7 }])
  })
})

test('records that are none of Connect’s are passed over', () => {
  const strangers: OffsetRecord[] = [
    { key: null, value: json({ offset: 1 }) },
    { key: Buffer.from('not json'), value: json({ offset: 1 }) },
    { key: json(['c']), value: json({ offset: 1 }) },
    { key: json({ c: 1 }), value: json({ offset: 1 }) },
    { key: json(['c', { topic: 't', partition: 'x' }]), value: json({ offset: 1 }) },
    { key: json(['c', { topic: 't', partition: 0 }]), value: json({ offset: -1 }) },
    { key: json(['c', { topic: 't', partition: 1 }]), value: json('x') },
  ]
  assert.deepEqual(mirusStands(committedOffsets(strangers), 'c'), [])
})

describe('offset-syncs of a real MirrorMaker 2', () => {
  const syncs = recordsOf('mm2-offset-syncs.b.internal')
    .map(offsetSync)
    .filter((sync): sync is OffsetSync => sync !== undefined)

  test('are read', () => {
    assert.deepEqual(syncs, [
      { topic: 'my.topic', partition: 1, upstreamOffset: 0, downstreamOffset: 0 },
      { topic: 'orders', partition: 0, upstreamOffset: 0, downstreamOffset: 0 },
      { topic: 'orders', partition: 0, upstreamOffset: 101, downstreamOffset: 101 },
      { topic: 'orders', partition: 0, upstreamOffset: 202, downstreamOffset: 202 },
      { topic: 'my.topic', partition: 1, upstreamOffset: 99, downstreamOffset: 99 },
      { topic: 'orders', partition: 0, upstreamOffset: 299, downstreamOffset: 299 },
    ])
  })

  test('say up to where all was copied, if the copy is still the one they speak of', () => {
    const orders = { topic: 'orders', partition: 0 }
    assert.equal(copiedBeforeBySyncs(syncs, orders, 300), 300)
    assert.equal(copiedBeforeBySyncs(syncs, orders, 250), 203)
    assert.equal(copiedBeforeBySyncs(syncs, orders, 0), 0)
    assert.equal(copiedBeforeBySyncs(syncs, { topic: 'my.topic', partition: 0 }, 300), 0)
  })

  test('of another form are passed over', () => {
    const [good] = recordsOf('mm2-offset-syncs.b.internal')
    const { key, value } = good as { key: Buffer; value: Buffer }
    const wrong: OffsetRecord[] = [
      { key: null, value },
      { key, value: null },
      { key, value: value.subarray(1) },
      { key: key.subarray(1), value },
      { key: Buffer.concat([key, key]), value },
      { key: Buffer.alloc(6, 0xff), value },
      { key, value: Buffer.alloc(16, 0xff) },
      { key, value: Buffer.alloc(16, 0x7f) },
    ]
    for (const record of wrong) assert.equal(offsetSync(record), undefined)
  })
})
