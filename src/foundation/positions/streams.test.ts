import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAjnaError } from '../errors/errors.ts'
import { fingerprintOf } from './avro.ts'
import { AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN } from './errors.ts'
import {
  FIRST_LINE_BYTES,
  type FileIdentity,
  firstLineHash,
  type StreamDescriptor,
  streamDescriptor,
  streamId,
} from './streams.ts'

const FILE: FileIdentity = {
  kind: 'log',
  site: 'edge',
  host: 'h1',
  device: '2049',
  inode: '18446744073709551615',
  birthtime: 1_700_000_000_000,
  firstLineHash: 7,
}

test('each part of a file identity tells streams apart, and nothing else does', () => {
  const ids = new Set([
    streamId(FILE),
    streamId({ ...FILE, site: 'hub' }),
    streamId({ ...FILE, host: 'h2' }),
    streamId({ ...FILE, device: '1' }),
    streamId({ ...FILE, inode: '1' }),
    streamId({ ...FILE, birthtime: 0 }),
    streamId({ ...FILE, firstLineHash: 8 }),
    streamId({ kind: 'metric', site: 'edge', host: 'h1', instance: 'x' }),
  ])
  assert.equal(ids.size, 8)
  assert.equal(streamId({ ...FILE }), streamId(FILE))
  for (const id of ids) assert.match(id, /^[0-9a-f]{16}$/)
})

test('a stream id never changes: every tier and every release must find the same one', () => {
  assert.equal(streamId(FILE), 'f9fae0c9c524516d')
})

test('a first line counts once it is whole, or long enough', () => {
  assert.equal(firstLineHash(Buffer.from('no end yet')), undefined)
  assert.equal(firstLineHash(Buffer.from('a\nb')), firstLineHash(Buffer.from('a\nc')))
  assert.notEqual(firstLineHash(Buffer.from('a\n')), firstLineHash(Buffer.from('b\n')))
  const long = Buffer.alloc(FIRST_LINE_BYTES + 50, 'x')
  assert.equal(firstLineHash(long), firstLineHash(Buffer.concat([long, Buffer.from('yz\n')])))
})

const DESCRIPTOR: StreamDescriptor = {
  stream: streamId(FILE),
  site: 'edge',
  tenant: 'platform',
  kind: 'log',
  host: 'h1',
  path: '/var/log/dpkg.log',
  device: FILE.device,
  inode: FILE.inode,
  birthtime: FILE.birthtime,
  firstLineHash: FILE.firstLineHash,
  firstSeen: 1_700_000_001_000,
}

test('a descriptor is an Avro single object and is read back as it was written', () => {
  const bytes = streamDescriptor.encode(DESCRIPTOR)
  assert.equal(bytes.toString('hex', 0, 10), `c301${streamDescriptor.fingerprint}`)
  assert.deepEqual({ ...streamDescriptor.decode(bytes) }, DESCRIPTOR)
  const metric: StreamDescriptor = {
    ...DESCRIPTOR,
    kind: 'metric',
    device: null,
    inode: null,
    birthtime: null,
    firstLineHash: null,
  }
  assert.deepEqual({ ...streamDescriptor.decode(streamDescriptor.encode(metric)) }, metric)
})

test('what is not a descriptor is refused with the reason', () => {
  const bytes = streamDescriptor.encode(DESCRIPTOR)
  const other = Buffer.from(bytes)
  other[5]! ^= 1
  assert.throws(
    () => streamDescriptor.decode(other),
    error => isAjnaError(error, AVRO_SCHEMA_UNKNOWN),
  )
  const malformed = [
    Buffer.alloc(0),
    Buffer.from('hello, world'),
    bytes.subarray(0, 20),
    Buffer.concat([bytes, Buffer.alloc(1)]),
  ]
  for (const raw of malformed)
    assert.throws(
      () => streamDescriptor.decode(raw),
      error => isAjnaError(error, AVRO_MALFORMED),
    )
  for (let at = 10; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] = 0xff
    try {
      streamDescriptor.decode(damaged)
    } catch (error) {
      assert.ok(isAjnaError(error, AVRO_MALFORMED), String(error))
    }
  }
})

test('fingerprints are CRC-64-AVRO (values of the Avro specification’s own tests)', () => {
  const vectors: [string, string][] = [
    ['"int"', '7275d51a3f395c8f'],
    ['"string"', '8f014872634503c7'],
    ['"null"', '63dd24e7cc258f8a'],
    ['"boolean"', '9f42fc78a4d4f764'],
  ]
  for (const [schema, big] of vectors) assert.equal(fingerprintOf(schema).reverse().toString('hex'), big)
})
