import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { batchOf } from '../../../../test/wire/records.ts'
import { LENGTH_AT, MAGIC_AT, rewriteHeader } from '../../../foundation/wire/batch.ts'
import { createBatchWalk, type Walked, type WalkOptions } from './walk.ts'

const BASE = 1_000

/** Batches of two records each, and how long each is. */
function segment(count: number): { readonly bytes: Buffer; readonly size: number } {
  const batches = Array.from({ length: count }, (_, i) => {
    const batch = batchOf('a value', 'another one')
    rewriteHeader(batch, 0, { baseOffset: BASE + 2 * i, leaderEpoch: 3 })
    return batch
  })
  return { bytes: Buffer.concat(batches), size: batches[0]!.length }
}

function walked(bytes: Buffer, cuts: readonly number[] = [], options: Partial<WalkOptions> = {}): Walked {
  const walk = createBatchWalk({ base: BASE, isClosed: true, ...options })
  let from = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    if (cut <= from || cut >= bytes.length) continue
    walk.push(bytes.subarray(from, cut))
    from = cut
  }
  walk.push(bytes.subarray(from))
  return walk.end()
}

const cuts = fc.array(fc.nat({ max: 2_000 }), { maxLength: 60 })

test('a segment that is well is found well, however its bytes come', () => {
  const { bytes } = segment(12)
  const whole = walked(bytes, [], { below: BASE + 24 })
  assert.deepEqual(
    [whole.start, whole.end, whole.batches, whole.damage, whole.isOld],
    [BASE, BASE + 24, 12, null, false],
  )
  const one = [...Array(bytes.length).keys()]
  const inPieces = walked(bytes, one, { below: BASE + 24 })
  assert.deepEqual(inPieces, whole)
  fc.assert(fc.property(cuts, at => assert.deepEqual(walked(bytes, at).damage, null)))
})

test('one flipped bit is found in whichever batch it is, whatever follows; only the leader epoch is under no checksum', () => {
  const { bytes, size } = segment(8)
  const leaderEpoch = (at: number): boolean => at % size >= 12 && at % size < 16
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 7 }), cuts, (at, bit, where) => {
      fc.pre(!leaderEpoch(at))
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << bit
      const { damage, isOld } = walked(flipped, where, { below: BASE + 16 })
      // Of the first batch in an old format nothing can be said.
      if (isOld) return assert.equal(at, MAGIC_AT)
      const batch = Math.floor(at / size)
      assert.ok(damage !== null)
      // An offset that is too high by a little shows at the batch behind it.
      assert.ok(damage.position === batch * size || damage.position === (batch + 1) * size)
      assert.ok(damage.from <= BASE + 2 * (batch + 1) && damage.to > BASE + 2 * batch)
    }),
    { numRuns: 2_000 },
  )
})

test('damage is bounded by the good batch behind it, and batches further on are counted', () => {
  const { bytes, size } = segment(8)
  bytes[2 * size + 70]! ^= 1
  bytes[5 * size + 70]! ^= 1
  const { damage, batches } = walked(bytes, [], { below: BASE + 16 })
  assert.equal(batches, 6)
  assert.deepEqual(damage, {
    ...{ position: 2 * size, from: BASE + 4, to: BASE + 12, batches: 2 },
    what: 'a batch that does not match its checksum',
  })
})

test('behind a batch that says nonsense of its length nothing is known: all up to the next segment may be damaged', () => {
  const { bytes, size } = segment(8)
  bytes.writeInt32BE(-5, 3 * size + LENGTH_AT)
  const { damage, batches } = walked(bytes, [], { below: BASE + 16 })
  assert.equal(batches, 3)
  assert.deepEqual([damage?.position, damage?.from, damage?.to], [3 * size, BASE + 6, BASE + 16])
})

test('a closed segment that ends within a batch is damaged; one that is still written to is not', () => {
  const { bytes, size } = segment(3)
  const cut = bytes.subarray(0, 2 * size + 40)
  assert.equal(walked(cut, [], { isClosed: false }).damage, null)
  const { damage } = walked(cut, [], { below: BASE + 6 })
  assert.deepEqual([damage?.from, damage?.to], [BASE + 4, BASE + 6])
})

test('two copies have one digest over a range exactly if they hold the same batches there', () => {
  const { bytes, size } = segment(8)
  const digest = (of: Buffer): string => {
    const into = createHash('sha256')
    walked(of, [], { digest: { from: BASE + 2, to: BASE + 10, into } })
    return into.digest('hex')
  }
  const elsewhere = Buffer.from(bytes)
  elsewhere[6 * size + 70]! ^= 1
  assert.equal(digest(elsewhere), digest(bytes))
  const within = Buffer.from(bytes)
  within[2 * size + 70]! ^= 1
  assert.notEqual(digest(within), digest(bytes))
})

test('messages of an old format are left alone', () => {
  const { bytes } = segment(1)
  bytes[MAGIC_AT] = 1
  const { isOld, damage } = walked(bytes)
  assert.deepEqual([isOld, damage], [true, null])
})
