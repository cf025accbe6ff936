import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../errors/errors.ts'
import { ByteReader, ByteWriter, varintSize, varlongSize, writeUvarlong } from './bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from './errors.ts'

const MAX = Number.MAX_SAFE_INTEGER

function reread<T>(write: (writer: ByteWriter) => void, read: (reader: ByteReader) => T): T {
  const writer = new ByteWriter(16)
  write(writer)
  const reader = new ByteReader(writer.finish())
  const value = read(reader)
  reader.expectEnd('the value')
  return value
}

test('every primitive is read back as it was written', () => {
  const safe = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, MAX, -MAX, 2 ** 32, -(2 ** 31)))
  const int32 = fc.integer()
  const nullableText = fc.option(fc.string({ unit: 'grapheme', maxLength: 200 }))
  const nullableBytes = fc.option(fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)))
  fc.assert(
    fc.property(
      safe,
      int32,
      nullableText,
      nullableBytes,
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (n, i, text, bytes, big) => {
        assert.equal(
          reread(
            w => w.int64(n),
            r => r.int64(),
          ),
          n,
        )
        assert.equal(
          reread(
            w => w.varlong(n),
            r => r.varlong(),
          ),
          n,
        )
        assert.equal(
          reread(
            w => w.varint(i),
            r => r.varint(),
          ),
          i,
        )
        assert.equal(
          reread(
            w => w.uvarint(i >>> 0),
            r => r.uvarint(),
          ),
          i >>> 0,
        )
        assert.equal(
          reread(
            w => w.int32(i),
            r => r.int32(),
          ),
          i,
        )
        assert.equal(
          reread(
            w => w.bigint64(big),
            r => r.bigint64(),
          ),
          big,
        )
        assert.equal(
          reread(
            w => w.nullableString(text),
            r => r.nullableString(),
          ),
          text,
        )
        assert.equal(
          reread(
            w => w.compactNullableString(text),
            r => r.compactNullableString(),
          ),
          text,
        )
        assert.deepEqual(
          reread(
            w => w.nullableBytes(bytes),
            r => r.nullableBytes(),
          ),
          bytes,
        )
        assert.deepEqual(
          reread(
            w => w.compactNullableBytes(bytes),
            r => r.compactNullableBytes(),
          ),
          bytes,
        )
        assert.deepEqual(
          reread(
            w => w.array([i, 0], (x, v) => x.int32(v)),
            r => r.array(x => x.int32()),
          ),
          [i, 0],
        )
        assert.deepEqual(
          reread(
            w => w.compactNullableArray([i], (x, v) => x.varint(v)),
            r => r.compactNullableArray(x => x.varint()),
          ),
          [i],
        )
        const unsigned = Buffer.alloc(9)
        const end = writeUvarlong(unsigned, 0, Math.abs(n))
        assert.equal(new ByteReader(unsigned, 0, end).uvarlong(), Math.abs(n))
        const writer = new ByteWriter(16)
        assert.equal(writer.varint(i).length, varintSize(i))
        assert.equal(new ByteWriter(16).varlong(n).length, varlongSize(n))
      },
    ),
  )
})

test('integers have the bytes the protocol gives them', () => {
  const bytes = (write: (writer: ByteWriter) => ByteWriter): string =>
    write(new ByteWriter()).finish().toString('hex')
  assert.equal(
    bytes(w => w.varint(0).varint(-1).varint(1).varint(-64).varint(64)),
    '0001027f8001',
  )
  assert.equal(
    bytes(w => w.varint(2 ** 31 - 1)),
    'feffffff0f',
  )
  assert.equal(
    bytes(w => w.varint(-(2 ** 31))),
    'ffffffff0f',
  )
  assert.equal(
    bytes(w => w.uvarint(300)),
    'ac02',
  )
  assert.equal(
    bytes(w => w.int64(-2)),
    'fffffffffffffffe',
  )
  assert.equal(
    bytes(w => w.int64(MAX)),
    '001fffffffffffff',
  )
  assert.equal(
    bytes(w => w.varlong(-MAX)),
    'fdffffffffffff1f',
  )
  assert.equal(
    bytes(w => w.uuid('AAECAwQFBgcICQoLDA0ODw')),
    '000102030405060708090a0b0c0d0e0f',
  )
  assert.equal(
    new ByteReader(Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')).uuid(),
    'AAECAwQFBgcICQoLDA0ODw',
  )
})

test('tagged fields that nobody knows are stepped over, known ones are read within their own bounds', () => {
  const bytes = Buffer.from('02000401020304630101ff', 'hex')
  const skipped = new ByteReader(bytes)
  skipped.taggedFields()
  assert.equal(skipped.uint8(), 0xff)
  const seen: [number, number][] = []
  new ByteReader(bytes).taggedFields((tag, field) => seen.push([tag, field.remaining]))
  assert.deepEqual(seen, [
    [0, 4],
    [99, 1],
  ])
})

test('lengths and counts that exceed the bytes at hand are refused before anything is allocated for them', () => {
  const refused: [string, (reader: ByteReader) => unknown, string][] = [
    ['7fffffff', r => r.bytes(), WIRE_TRUNCATED.code],
    ['fffffffe', r => r.bytes(), WIRE_MALFORMED.code],
    ['7fffffff01', r => r.array(x => x.int8()), WIRE_MALFORMED.code],
    ['ffffffff0f', r => r.compactArray(x => x.int8()), WIRE_MALFORMED.code],
    ['ffffffff0f', r => r.compactBytes(), WIRE_TRUNCATED.code],
    ['00', r => r.compactBytes(), WIRE_MALFORMED.code],
    ['00', r => r.compactString(), WIRE_MALFORMED.code],
    ['ffff', r => r.string(), WIRE_MALFORMED.code],
    ['7fff41', r => r.string(), WIRE_TRUNCATED.code],
    ['ffffffff1f', r => r.uvarint(), WIRE_MALFORMED.code],
    ['ffffffffffffffffffff01', r => r.varlong(), WIRE_MALFORMED.code],
    ['ffffffffffffffffff01', r => r.varlong(), WIRE_MALFORMED.code],
    ['80808080808080808001', r => r.uvarlong(), WIRE_MALFORMED.code],
    ['8080808080808010', r => r.uvarlong(), WIRE_MALFORMED.code],
    ['80', r => r.uvarint(), WIRE_TRUNCATED.code],
    ['8080', r => r.varlong(), WIRE_TRUNCATED.code],
    ['7fffffffffffffff', r => r.int64(), WIRE_MALFORMED.code],
    ['8000000000000000', r => r.int64(), WIRE_MALFORMED.code],
    ['000000', r => r.int32(), WIRE_TRUNCATED.code],
    ['0500', r => r.taggedFields(), WIRE_MALFORMED.code],
    ['010005aa', r => r.taggedFields(), WIRE_TRUNCATED.code],
    ['00', r => r.expectEnd('x'), WIRE_MALFORMED.code],
  ]
  for (const [hex, read, code] of refused) {
    const reader = new ByteReader(Buffer.from(hex, 'hex'))
    assert.throws(
      () => read(reader),
      error => isAjnaError(error, code),
      hex,
    )
  }
})

test('a reader never leaves its bounds, whatever the bytes are', () => {
  const reads: ((r: ByteReader) => unknown)[] = [
    r => r.int64(),
    r => r.varlong(),
    r => r.varint(),
    r => r.compactNullableString(),
    r => r.nullableString(),
    r => r.nullableBytes(),
    r => r.compactNullableBytes(),
    r => r.taggedFields(),
    r => r.uuid(),
    r => r.int16(),
    r => r.compactNullableArray(x => x.compactString()),
    r => r.nullableArray(x => x.int16()),
    r => r.boolean(),
  ]
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.nat(reads.length - 1), { maxLength: 20 }),
      fc.nat(64),
      (raw, plan, cut) => {
        const end = Math.min(cut, raw.length)
        const reader = new ByteReader(Buffer.from(raw), 0, end)
        try {
          for (const step of plan) reads[step]!(reader)
        } catch (error) {
          assert.ok(isAjnaError(error, WIRE_MALFORMED, WIRE_TRUNCATED), String(error))
        }
        assert.ok(reader.offset >= 0 && reader.offset <= end)
      },
    ),
    { numRuns: 2000 },
  )
})

test('values that the protocol cannot hold are a programming error, not bytes', () => {
  const writer = new ByteWriter()
  assert.throws(() => writer.int64(2 ** 53), RangeError)
  assert.throws(() => writer.varlong(2 ** 53), RangeError)
  assert.throws(() => writer.varint(2 ** 31), RangeError)
  assert.throws(() => writer.uvarint(-1), RangeError)
  assert.throws(() => writer.string('x'.repeat(32_768)), RangeError)
  assert.throws(() => writer.uuid('short'), RangeError)
})
