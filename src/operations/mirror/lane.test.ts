import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ATTRIBUTES_AT,
  batchesIn,
  hasValidCrc,
  readBatchHeader,
  rewriteHeader,
  sealCrc,
} from '../../foundation/wire/batch.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import type { FetchedBatches } from '../../foundation/wire/contract.ts'
import { recordsIn } from '../../foundation/wire/records.ts'
import { anonymousCrc } from './digest.ts'
import { recordFilter } from './headers.ts'
import { Lane, MAX_IN_FLIGHT } from './lane.ts'
import { changed, type MaybeMapping } from './mapping.ts'

const CONTROL = 0x20
const TRANSACTIONAL = 0x10
const LOG_APPEND_TIME = 0x08
const PRODUCER = 77n

function batch(baseOffset: number, values: readonly string[], attributes = 0): Buffer {
  const builder = new BatchBuilder()
  for (const value of values) {
    const headers = value === 'x' ? [{ key: 'is-x', value: null }] : []
    builder.add({ timestamp: 1_000 + baseOffset, value: Buffer.from(value), headers })
  }
  const bytes = builder.finish()
  bytes.writeInt16BE(bytes.readInt16BE(ATTRIBUTES_AT) | attributes, ATTRIBUTES_AT)
  sealCrc(bytes)
  rewriteHeader(bytes, 0, {
    baseOffset,
    leaderEpoch: 1,
    producerId: PRODUCER,
    producerEpoch: 3,
    baseSequence: 0,
  })
  return bytes
}

/** A transaction marker: control record of version 0, type 0 (abort) or 1 (commit). */
function marker(offset: number, type: 0 | 1): Buffer {
  const builder = new BatchBuilder()
  builder.add({ timestamp: 0, key: Buffer.from([0, 0, 0, type]), value: Buffer.alloc(6) })
  const bytes = builder.finish()
  bytes.writeInt16BE(CONTROL | TRANSACTIONAL, ATTRIBUTES_AT)
  sealCrc(bytes)
  rewriteHeader(bytes, 0, { baseOffset: offset, producerId: PRODUCER })
  return bytes
}

/** Leaves only some of a batch's records, as compaction does. */
function compacted(baseOffset: number, values: readonly (string | null)[]): Buffer {
  const builder = new BatchBuilder()
  const kept = values.flatMap((value, delta) => (value === null ? [] : [{ value, delta }]))
  for (const { value } of kept) builder.add({ timestamp: 1_000, value: Buffer.from(value) })
  const bytes = builder.finish()
  // Records of so small a batch: length, attributes, time delta, offset delta, a byte each.
  let at = 61
  for (const { delta } of kept) {
    bytes[at + 3] = delta * 2
    at += 1 + bytes[at]! / 2
  }
  bytes.writeInt32BE(values.length - 1, 23)
  sealCrc(bytes)
  rewriteHeader(bytes, 0, { baseOffset })
  return bytes
}

function fetched(bytes: Buffer, aborted: FetchedBatches['aborted'] = []): FetchedBatches {
  const ends = { highWatermark: 1_000, lastStableOffset: 1_000, logStartOffset: 0 }
  return {
    topic: 't',
    partition: 0,
    bytes,
    firstOffset: 0,
    nextOffset: 0,
    ...ends,
    aborted,
    hold: () => () => undefined,
  }
}

interface Written {
  /** Value by offset; null: a marker. */
  readonly log: (string | null)[]
  readonly sequences: readonly number[]
}

/** Carries out a lane's operations on a log, as a target would. */
function carryOut(lane: Lane): Written {
  const log: (string | null)[] = Array.from({ length: lane.targetEnd ?? 0 }, () => null)
  const sequences: number[] = []
  while (lane.head !== undefined) {
    const head = lane.head
    if (head.kind === 'fill') {
      assert.equal(head.from, log.length)
      while (log.length < head.to) log.push(null)
      lane.filled(head.to)
      continue
    }
    const op = lane.take()
    sequences.push(op.sequence)
    assert.equal(op.offset, log.length)
    const header = readBatchHeader(op.batch)
    assert.ok(hasValidCrc(op.batch, header))
    assert.ok(!header.transactional && !header.control && !header.logAppendTime)
    assert.equal(header.count, header.lastOffset - header.baseOffset + 1)
    assert.equal(header.count, op.count)
    for (const record of recordsIn(op.batch, header)) log.push(record.value!.toString())
    lane.inFlight--
    lane.appended(op, 0)
  }
  return { log, sequences }
}

function lane(from = 0, sequence = 0): Lane {
  const fresh = new Lane('t', 0, 't', 0)
  fresh.begin({ from, at: from, mapping: undefined, sequence, epoch: -1 }, 0)
  return fresh
}

test('every record lands at the offset it has at the source; what no reader may see becomes a marker', () => {
  const bytes = Buffer.concat([
    batch(0, ['a', 'b']),
    batch(2, ['committed'], TRANSACTIONAL),
    marker(3, 1),
    batch(4, ['aborted', 'aborted'], TRANSACTIONAL),
    marker(6, 0),
    batch(10, ['after a gap']),
    compacted(11, [null, 'c', 'd', null, 'e', null]),
    batch(17, ['f'], LOG_APPEND_TIME),
  ])
  const at = lane()
  at.read(fetched(bytes, [{ producerId: PRODUCER, firstOffset: 4 }]), 0)
  const { log, sequences } = carryOut(at)
  assert.deepEqual(log, [
    ...['a', 'b', 'committed', null, null, null, null, null, null, null, 'after a gap'],
    ...[null, 'c', 'd', null, 'e', null, 'f'],
  ])
  assert.deepEqual(sequences, [0, 2, 3, 4, 6, 7])
  assert.deepEqual([at.targetEnd, at.rebuiltBatches, at.filledOffsets], [18, 2, 10])
})

test('records that a filter leaves out are gaps; a batch of which it leaves none out passes as it is', () => {
  const bytes = Buffer.concat([
    batch(0, ['a', 'x', 'b']),
    batch(3, ['x', 'x']),
    batch(5, ['c', 'd']),
    batch(7, ['e', 'x']),
  ])
  const at = lane()
  at.read(fetched(bytes), 0, recordFilter([{ key: 'is-x', act: 'drop' }]))
  assert.deepEqual(carryOut(at).log, ['a', null, 'b', null, null, 'c', 'd', 'e', null])
  assert.deepEqual([at.rebuiltBatches, at.filledOffsets], [3, 4])
})

test('what was copied before, also in part, is not copied again', () => {
  const at = lane(3, 100)
  at.read(fetched(Buffer.concat([batch(0, ['a', 'b']), batch(2, ['c', 'd', 'e']), batch(5, ['f'])])), 0)
  const { log, sequences } = carryOut(at)
  assert.deepEqual(log.slice(3), ['d', 'e', 'f'])
  assert.deepEqual(sequences, [100, 102])
})

test('at most so many batches are on their way, none while draining, and dropping gives back what was held', () => {
  const at = lane()
  let held = 0
  const hold = () => {
    held++
    return () => void held--
  }
  const bytes = Buffer.concat(Array.from({ length: 10 }, (_, i) => batch(i, ['x'])))
  at.read({ ...fetched(bytes), hold }, 0)
  assert.equal(at.queuedBytes, bytes.length)
  for (let i = 0; i < MAX_IN_FLIGHT; i++) at.take().release()
  assert.equal(at.sendable, false)
  at.inFlight = 0
  assert.equal(at.sendable, true)
  at.draining = true
  assert.equal(at.sendable, false)
  at.drop()
  assert.deepEqual([held, at.queuedBytes], [0, 0])
})

test('the first batch goes alone: until it is acknowledged, another could land in its place', () => {
  const at = lane()
  at.read(fetched(Buffer.concat([batch(0, ['a']), batch(1, ['b']), batch(2, ['c'])])), 0)
  const first = at.take()
  assert.equal(at.sendable, false)
  at.inFlight--
  at.appended(first, 0)
  at.take()
  assert.equal(at.sendable, true)
  at.inFlight = 0
  at.begin({ from: 1, at: 1, mapping: undefined, sequence: 1, epoch: 0 }, 0)
  at.take()
  assert.equal(at.sendable, false)
})

test('a batch keeps its anonymous checksum whoever writes it, and loses it with any other bit', () => {
  const value = fc.string({ maxLength: 30 })
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 5 }),
      fc.bigInt(0n, 2n ** 62n),
      fc.nat(2 ** 31 - 1),
      fc.nat(),
      (values, producerId, baseSequence, flip) => {
        const plain = new BatchBuilder()
        for (const each of values) plain.add({ timestamp: 5, value: Buffer.from(each) })
        const original = plain.finish()
        rewriteHeader(original, 0, { producerId: -1n, producerEpoch: -1, baseSequence: -1 })
        const copy = Buffer.from(original)
        copy.writeInt16BE(copy.readInt16BE(ATTRIBUTES_AT) | TRANSACTIONAL, ATTRIBUTES_AT)
        sealCrc(copy)
        rewriteHeader(copy, 0, { baseOffset: 99, producerId, producerEpoch: 1, baseSequence })
        const crcOf = (bytes: Buffer) => anonymousCrc(bytes, [...batchesIn(bytes)][0]!)
        assert.equal(crcOf(copy), crcOf(original))
        assert.equal(crcOf(original), readBatchHeader(original).crc)
        const changed = Buffer.from(original)
        changed[61 + (flip % (changed.length - 61))]! ^= 1
        sealCrc(changed)
        assert.notEqual(crcOf(changed), crcOf(original))
      },
    ),
  )
})

test('lag is said in records and in the age of the oldest record not copied', () => {
  const at = lane()
  assert.equal(at.status(5_000).lagRecords, null)
  at.read({ ...fetched(batch(0, ['a', 'b'])), lastStableOffset: 7 }, 4_000)
  const { lagRecords, lagMs, state } = at.status(5_000)
  assert.deepEqual([lagRecords, lagMs, state], [7, 4_000, 'copying'])
  carryOut(at)
  assert.equal(at.status(5_000).lagRecords, 5)
})

test('what was the matter stands until the target acknowledges something, or nothing is left to copy', () => {
  const at = lane()
  at.become('blocked', 'Write is not granted', 5)
  at.begin({ from: 0, at: 0, mapping: undefined, sequence: 0, epoch: -1 }, 10)
  assert.equal(at.state, 'caught-up', 'as far as is known')
  at.sourceEnd = 1_000
  at.become('blocked', 'Write is not granted', 20)
  at.begin({ from: 0, at: 0, mapping: undefined, sequence: 0, epoch: -1 }, 30)
  at.read(fetched(batch(0, ['a'])), 40)
  assert.deepEqual([at.state, at.reason, at.since], ['blocked', 'Write is not granted', 20])
  at.appended(at.take(), 50)
  assert.deepEqual([at.state, at.reason, at.since], ['copying', '', 50])
})

test('a partition that the source does not serve waits and says why, whatever is acknowledged meanwhile', () => {
  const at = lane()
  at.read(fetched(Buffer.concat([batch(0, ['a']), batch(1, ['b'])])), 0)
  const op = at.take()
  at.unserved = 'no leader'
  at.appended(op, 1)
  assert.deepEqual([at.state, at.reason], ['waiting', 'no leader'])
  at.unserved = ''
  at.settle(2)
  assert.deepEqual([at.state, at.reason], ['copying', ''])
})

/** Carries out a lane's appends, and keeps what it would map. */
function carryOutMapped(at: Lane): { log: (string | null)[]; mapping: MaybeMapping } {
  const log: (string | null)[] = Array.from({ length: at.targetEnd ?? 0 }, () => null)
  let mapping = at.mapping
  for (let head = at.head; head !== undefined; head = at.head) {
    if (head.kind === 'fill') {
      const segments = at.toMap(() => true)
      mapping = changed(mapping, { cut: null, below: 0, segments, before: 'nothing', why: 'gaps' })
      at.mapped(mapping, 0)
      continue
    }
    const op = at.take()
    assert.equal(op.offset, log.length)
    for (const record of recordsIn(op.batch, readBatchHeader(op.batch))) log.push(record.value!.toString())
    at.inFlight--
    at.appended(op, 0)
  }
  return { log, mapping }
}

test('gaps that are mapped take no offsets: all that were read at once are kept at once, and nothing is behind in the end', () => {
  const bytes = Buffer.concat([
    batch(0, ['a', 'b'], TRANSACTIONAL),
    marker(2, 1),
    batch(3, ['c'], TRANSACTIONAL),
    marker(4, 1),
    batch(5, ['aborted'], TRANSACTIONAL),
    marker(6, 0),
    batch(7, ['d']),
    marker(8, 1),
  ])
  const at = lane()
  at.read({ ...fetched(bytes, [{ producerId: PRODUCER, firstOffset: 5 }]), lastStableOffset: 9 }, 0)
  at.take().release()
  assert.deepEqual(
    at.toMap(() => true),
    [
      [3, 2],
      [7, 3],
      [9, 4],
    ],
  )
  const fresh = lane()
  fresh.read({ ...fetched(bytes, [{ producerId: PRODUCER, firstOffset: 5 }]), lastStableOffset: 9 }, 0)
  const { log, mapping } = carryOutMapped(fresh)
  assert.deepEqual(log, ['a', 'b', 'c', 'd'])
  assert.deepEqual([fresh.copiedTo, fresh.targetEnd, fresh.status(0).lagRecords], [9, 4, 0])
  assert.deepEqual(mapping?.segments, [
    [3, 2],
    [7, 3],
    [9, 4],
  ])
  assert.deepEqual(fresh.status(0).mapping, { segments: 3, why: 'gaps', copiedTo: 9 })
})

test('a gap behind batches on their way counts as copied with the last of them', () => {
  const at = lane()
  at.read({ ...fetched(Buffer.concat([batch(0, ['a']), marker(1, 1)])), lastStableOffset: 2 }, 0)
  const op = at.take()
  at.toMap(() => true)
  at.mapped(changed(undefined, { cut: null, below: 0, segments: [[2, 1]], before: 'nothing', why: '' }), 0)
  assert.equal(at.copiedTo, 0)
  at.inFlight--
  at.appended(op, 0)
  assert.deepEqual([at.copiedTo, at.targetEnd, at.state], [2, 1, 'caught-up'])
})
