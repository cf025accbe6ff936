import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xxh32 } from './xxh32.ts'

test('the hash is XXH32 (vectors of the reference implementation)', () => {
  const vectors: [string, number, number][] = [
    ['', 0, 0x02cc5d05],
    ['', 0x9e3779b1, 0x36b78ae7],
    ['a', 0, 0x550d7456],
    ['abc', 0, 0x32d153ff],
    ['abcd', 0, 0xa3643705],
    ['Nobody inspects the spammish repetition', 0, 0xe2293b2f],
    ['The quick brown fox jumps over the lazy dog', 0, 0xe85ea4de],
    ['Call me Ishmael. Some years ago--never mind how long precisely-', 0, 0x6f320359],
  ]
  for (const [text, seed, hash] of vectors) {
    assert.equal(xxh32(Buffer.from(text), 0, text.length, seed).toString(16), hash.toString(16), text)
  }
})

test('the sanity buffer of xxHash hashes as in its test suite, at each length class', () => {
  // xsum_sanity_check.c: bytes of a 64-bit generator, seeds 0 and PRIME32.
  const bytes = Buffer.alloc(2367)
  let state = 2_654_435_761n
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number(state >> 56n)
    state = (state * 11_400_714_785_074_694_797n) & 0xffff_ffff_ffff_ffffn
  }
  const vectors: [number, number, number][] = [
    [1, 0, 0xcf65b03e],
    [1, 0x9e3779b1, 0xb4545aa4],
    [14, 0, 0x1208e7e2],
    [14, 0x9e3779b1, 0x6af1d1fe],
    [222, 0, 0x5bd11dbd],
    [222, 0x9e3779b1, 0x58803c5f],
  ]
  for (const [length, seed, hash] of vectors)
    assert.equal(xxh32(bytes, 0, length, seed), hash, `${length} bytes, seed ${seed}`)
})

test('a range inside a larger buffer hashes as the same bytes alone, at any alignment', () => {
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 37) & 0xff))
  for (let from = 0; from < 9; from++) {
    for (let to = from; to < 300; to += 7) {
      assert.equal(xxh32(bytes, from, to), xxh32(Buffer.from(bytes.subarray(from, to))))
    }
  }
})
