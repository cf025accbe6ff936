import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WIRE_MALFORMED } from './errors.ts'
import { FrameAssembler } from './frames.ts'

function feed(assembler: FrameAssembler, bytes: Buffer, cuts: readonly number[]): void {
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const target = assembler.target()
    assert.ok(target.length > 0)
    const count = Math.min(target.length, bytes.length - at, Math.max(1, cuts[i % cuts.length]!))
    bytes.copy(target, 0, at, at + count)
    assembler.filled(count)
    at += count
  }
}

function withSize(content: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(content.length)
  return Buffer.concat([size, content])
}

test('frames come out whole and in order, however the stream is cut', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 60_000, max: 200_000 }))
  const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 90_000 })), {
    minLength: 1,
  })
  fc.assert(
    fc.property(fc.array(size, { maxLength: 6 }), cuts, (sizes, chunks) => {
      const contents = sizes.map((length, i) => Buffer.alloc(length, i + 1))
      const frames: Buffer[] = []
      feed(
        new FrameAssembler(200_000, frame => frames.push(frame)),
        Buffer.concat(contents.map(withSize)),
        chunks,
      )
      assert.deepEqual(frames, contents)
    }),
    { numRuns: 60 },
  )
})

test('a frame given away is not written to again', () => {
  const frames: Buffer[] = []
  const assembler = new FrameAssembler(100, frame => frames.push(frame))
  feed(assembler, withSize(Buffer.from('first')), [64])
  feed(assembler, withSize(Buffer.from('other')), [64])
  assert.deepEqual(frames.map(String), ['first', 'other'])
})

for (const size of [-1, -2_147_483_648, 101, 2_147_483_647]) {
  test(`a frame of ${size} bytes is refused before anything is allocated for it`, () => {
    const assembler = new FrameAssembler(100, () => assert.fail('no frame'))
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(size)
    assert.throws(() => feed(assembler, bytes, [4]), { code: WIRE_MALFORMED.code })
  })
}
