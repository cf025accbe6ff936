import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BUCKET_MS } from '../contract.ts'
import { type Accountant, createAccountant } from './account.ts'

/** Lines in these tests start with `t<bucket number>` when they have a time. */
const eventTimeOf = (line: Buffer): number | undefined => {
  const match = /^t(\d+) /.exec(line.toString('latin1'))
  return match === null ? undefined : Number(match[1]) * BUCKET_MS + 5
}
const accountant = (): Accountant =>
  createAccountant({ position: 0, eventTime: undefined, eventTimeOf, now: () => 99 * BUCKET_MS })

test('consecutive lines of one bucket are one range; lines without a time follow the one before', () => {
  const account = accountant()
  account.feed(Buffer.from('t1 a\nt1 b\n  at stack\nt2 c\nt1 d\npartial'))
  assert.deepEqual(account.take(), [
    { bucket: BUCKET_MS, start: 0, end: 21, lines: 3 },
    { bucket: 2 * BUCKET_MS, start: 21, end: 26, lines: 1 },
    { bucket: BUCKET_MS, start: 26, end: 31, lines: 1 },
  ])
  assert.equal(account.position, 31)
  assert.equal(account.openBytes, 7)
})

test('an unterminated last line counts only once the file is finished', () => {
  const account = accountant()
  account.feed(Buffer.from('no time at all'))
  assert.deepEqual(account.take(), [])
  account.finish()
  assert.deepEqual(account.take(), [{ bucket: 99 * BUCKET_MS, start: 0, end: 14, lines: 1 }])
})

test('how the bytes are cut into pieces makes no difference', () => {
  const line = fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 3 }), fc.string({ maxLength: 20 })).map(([n, s]) => `t${n} ${s}`),
    fc.string({ maxLength: 12 }),
    fc.constant('x'.repeat(1_000)),
  )
  const pieces = fc.tuple(
    fc.array(line, { maxLength: 30 }),
    fc.array(fc.nat(4_000), { maxLength: 12 }),
    fc.boolean(),
  )
  fc.assert(
    fc.property(pieces, ([lines, cuts, terminated]) => {
      const text = Buffer.from(lines.join('\n') + (terminated ? '\n' : ''))
      const whole = accountant()
      whole.feed(text)
      whole.finish()
      const cut = accountant()
      const edges = [0, ...cuts.map(at => at % (text.length + 1)).sort((a, b) => a - b), text.length]
      for (let index = 1; index < edges.length; index++) {
        const piece = Buffer.from(text.subarray(edges[index - 1], edges[index]))
        cut.feed(piece)
        piece.fill(0)
      }
      cut.finish()
      assert.deepEqual(cut.take(), whole.take())
      assert.equal(cut.position, text.length)
    }),
  )
})
