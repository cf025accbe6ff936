import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c, derivedCrc32c, remainderOf } from './crc32c.ts'

test('the checksum is CRC-32C (vectors of RFC 3720, appendix B.4)', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e)
  assert.equal(crc32c(Buffer.from('56789'), crc32c(Buffer.from('1234'))), 0xe3069283)
})

test('a CRC derived from a changed range equals the CRC computed in full', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 })
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), fc.nat(), (original, noise, seed, length) => {
      const changed = Buffer.from(original)
      const from = seed % changed.length
      const to = Math.min(changed.length, from + 1 + (length % 64))
      const before = remainderOf(changed, from, to)
      for (let at = from; at < to; at++) changed[at]! ^= noise[(at - from) % noise.length]!
      const difference = before ^ remainderOf(changed, from, to)
      assert.equal(derivedCrc32c(crc32c(original), difference, changed.length - to), crc32c(changed))
    }),
    { numRuns: 2000 },
  )
})

test('the derivation holds past bodies of every size class', () => {
  for (const size of [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 1 << 20, (1 << 24) + 3]) {
    const body = Buffer.alloc(40 + size, 0x5a)
    const old = crc32c(body)
    const before = remainderOf(body, 0, 40)
    body.write('another header', 7)
    const difference = before ^ remainderOf(body, 0, 40)
    assert.equal(derivedCrc32c(old, difference, size), crc32c(body), `${size} bytes`)
  }
})
