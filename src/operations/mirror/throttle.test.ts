import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createThrottle, shareOf, tokenBucket } from './throttle.ts'

test('whatever the sizes, over any time no more is sent than the rate, one bucket and one batch allow', () => {
  const batch = fc.integer({ min: 1, max: 5_000 })
  fc.assert(
    fc.property(
      fc.array(batch, { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 100, max: 10_000 }),
      (sizes, rate) => {
        const bucket = tokenBucket(rate, 0)
        let now = 0
        let sent = 0
        for (const size of sizes) {
          now += bucket.waitMs(now)
          assert.equal(bucket.waitMs(now), 0)
          bucket.spend(size, now)
          sent += size
          assert.ok(sent <= (rate * now) / 1_000 + rate / 2 + size, `${sent} bytes in ${now} ms`)
        }
        // And it does not wait longer than it has to.
        assert.ok(now <= (sent * 1_000) / rate + sizes.length * 2)
      },
    ),
  )
})

test('a limit on one topic does not hold another up, one on the link holds all', () => {
  const throttle = createThrottle()
  throttle.set({ link: null, topics: new Map([['slow', 1_000]]) }, 0)
  throttle.spend('slow', 1_500, 0)
  assert.equal(throttle.waitMs('fast', 0), 0)
  assert.equal(throttle.waitMs('slow', 0), 1_001)
  throttle.set({ link: 1_000, topics: new Map() }, 0)
  assert.equal(throttle.waitMs('slow', 0), 0)
  throttle.spend('slow', 1_500, 0)
  assert.equal(throttle.waitMs('fast', 0), 1_001)
})

test('a limit that stays is not filled anew when another changes', () => {
  const throttle = createThrottle()
  throttle.set({ link: 1_000, topics: new Map() }, 0)
  throttle.spend('a', 2_500, 0)
  throttle.set({ link: 1_000, topics: new Map([['a', 1_000]]) }, 0)
  assert.equal(throttle.waitMs('a', 0), 2_001)
})

test('the workers of a link share its limits as they share its partitions', () => {
  const rate = { link: 12_000, topic: 3_000 }
  const counts = (own: number) =>
    new Map([
      ['a', { own, all: 3 }],
      ['b', { own: 0, all: 1 }],
    ])
  assert.deepEqual(shareOf(rate, counts(1)), { link: 3_000, topics: new Map([['a', 1_000]]) })
  assert.deepEqual(shareOf(rate, counts(2)), { link: 6_000, topics: new Map([['a', 2_000]]) })
  assert.deepEqual(shareOf({ link: null, topic: null }, counts(2)), { link: null, topics: new Map() })
})
