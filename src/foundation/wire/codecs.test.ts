import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { isAjnaError } from '../errors/errors.ts'
import { CODECS, type Codec, codecOf, compress, decompress } from './codecs.ts'
import {
  BATCH_CODEC_UNKNOWN,
  BATCH_CORRUPT,
  BATCH_TOO_LARGE,
  WIRE_MALFORMED,
  WIRE_TRUNCATED,
} from './errors.ts'

const PACKING = CODECS.filter(codec => codec !== 'none')
const typed = (error: unknown): boolean =>
  isAjnaError(error, BATCH_CORRUPT, BATCH_TOO_LARGE, WIRE_MALFORMED, WIRE_TRUNCATED)

/** Text and noise in turn: some blocks compress, some are stored. */
function mixed(size: number): Buffer {
  const bytes = Buffer.alloc(size, 'the same words over and over, ')
  let state = 1
  for (let at = 0; at < size; at++) {
    if ((at >> 16) % 2 === 0) continue
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

test('what was compressed is unpacked to the same bytes, from nothing to several megabytes', () => {
  for (const codec of CODECS) {
    for (const size of [0, 1, 100, 32_768, 65_536, 65_537, 200_000, 5_000_000]) {
      const bytes = mixed(size)
      assert.ok(decompress(codec, compress(codec, bytes)).equals(bytes), `${codec}, ${size} bytes`)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), raw => {
        const bytes = Buffer.from(raw)
        return decompress(codec, compress(codec, bytes)).equals(bytes)
      }),
    )
  }
})

test('the forms of snappy and lz4 that other clients send are unpacked', () => {
  const bytes = mixed(300_000)
  assert.ok(decompress('snappy', compressSync(bytes)).equals(bytes), 'one raw snappy block, as librdkafka')
  const checked = compressFrameSync(bytes, { contentChecksum: true, blockChecksums: true })
  assert.ok(decompress('lz4', checked).equals(bytes), 'lz4 with checksums')
  for (const at of [checked.length - 1, 5, 6, 40]) {
    const damaged = Buffer.from(checked)
    damaged[at]! ^= 1
    assert.throws(() => decompress('lz4', damaged), typed, `damage at byte ${at}`)
  }
})

test('a bomb is refused before it has taken the memory', () => {
  const size = 32 * 1024 * 1024
  for (const codec of PACKING) {
    const bomb = compress(codec, Buffer.alloc(size))
    assert.ok(bomb.length < size / 15, `${codec} is a bomb`)
    const before = process.memoryUsage().rss
    for (let i = 0; i < 20; i++) {
      assert.throws(
        () => decompress(codec, bomb, 100_000),
        error => isAjnaError(error, BATCH_TOO_LARGE),
        codec,
      )
    }
    assert.ok(process.memoryUsage().rss - before < size, `${codec} unpacked it all the same`)
    assert.equal(decompress(codec, bomb, size).length, size, `${codec} at exactly the bound`)
    assert.throws(
      () => decompress(codec, bomb, size - 1),
      error => isAjnaError(error, BATCH_TOO_LARGE),
      codec,
    )
  }
})

test('lengths that a compressed block only claims cost nothing', () => {
  const claims: [Codec, string][] = [
    ['snappy', 'ffffffff0f00'],
    ['snappy', '82534e41505059000000000100000001' + '7fffffff00'],
    ['snappy', '82534e41505059000000000100000001' + 'ffffffff00'],
    ['snappy', '82534e41505059000000000100000001' + '00000006ffffffff0f00'],
    ['lz4', '04224d186070730000407f'],
    ['lz4', '04224d186070737fffffff'],
    ['lz4', '04224d18'],
    ['lz4', ''],
    ['gzip', '1f8b'],
    ['zstd', '28b52ffd'],
  ]
  for (const [codec, hex] of claims) {
    assert.throws(() => decompress(codec, Buffer.from(hex, 'hex')), typed, `${codec} ${hex}`)
  }
})

test('a zstd frame whose window exceeds the bound is refused', () => {
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 }
  const frame = zstdCompressSync(mixed(3_000_000), { params })
  assert.throws(
    () => decompress('zstd', frame, 1_000_000),
    error => isAjnaError(error, BATCH_TOO_LARGE),
  )
})

test('damage anywhere gives the right bytes or a typed error', () => {
  const bytes = mixed(70_000)
  for (const codec of PACKING) {
    const packed = compress(codec, bytes)
    fc.assert(
      fc.property(
        fc.nat(packed.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(packed.length),
        (at, flip, cut) => {
          const damaged = Buffer.from(packed)
          damaged[at]! ^= flip
          for (const input of [damaged, packed.subarray(0, cut), damaged.subarray(0, cut)]) {
            try {
              assert.ok(decompress(codec, input, 200_000).length <= 200_000)
            } catch (error) {
              assert.ok(typed(error), `${codec}: ${error}`)
            }
          }
        },
      ),
      { numRuns: 150 },
    )
  }
})

test('codecs have the numbers that batches carry', () => {
  assert.deepEqual([0, 1, 2, 3, 4].map(codecOf), ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
  assert.throws(
    () => codecOf(5),
    error => isAjnaError(error, BATCH_CODEC_UNKNOWN),
  )
})
