import assert from 'node:assert/strict'
import { test } from 'node:test'
import { javaRandom } from './java-random.ts'
import { generatorOf } from './payloads.ts'

/** What `new java.util.Random()` gave after setSeed: eleven bytes, nextInt(100) and nextGaussian(), each from the seed on. */
const JAVA = [
  [0, '60b420bb3851d9d47acb93', 60, 0.8025330637390305],
  [123, 'ddf121b99504bc3cd18cab', 82, -1.4380493091409068],
  [-1, 'b36cd944c3228770172024', 13, 1.7853314409882288],
  [4242424242, 'f7358a5a235599875b7cca', 11, -0.18818389578592645],
] as const

test('random payloads are the bytes that Java’s generator gives for the seed', () => {
  for (const [seed, bytes, below, gaussian] of JAVA) {
    const random = javaRandom()
    const into = Buffer.alloc(11)
    random.seed(seed)
    random.fill(into)
    assert.equal(into.toString('hex'), bytes)
    random.seed(seed)
    assert.equal(random.below(100), below)
    random.seed(seed)
    assert.ok(Math.abs(random.gaussian() - gaussian) < 1e-12)
  }
})

test('a generator’s payload depends on the position alone, as Trogdor’s does', () => {
  const sequential = generatorOf({ type: 'sequential', size: 4, startOffset: 1 })
  assert.equal(sequential(0)?.toString('hex'), '01000000')
  assert.equal(sequential(255)?.toString('hex'), '00010000')
  assert.equal(
    generatorOf({ type: 'sequential', size: 10, startOffset: -1 })(0)?.toString('hex'),
    'ffffffffffffffff0000',
  )
  const constant = generatorOf({ type: 'constant', size: 5, value: Buffer.from('ab').toString('base64') })
  assert.equal(constant(7)?.toString(), 'ababa')
  assert.deepEqual(generatorOf({ type: 'constant', size: 2, value: '' })(0), Buffer.alloc(2))
  assert.equal(generatorOf({ type: 'null' })(3), null)

  const random = generatorOf({ type: 'uniformRandom', size: 16, seed: 123, padding: 5 })
  const first = random(0)!.toString('hex')
  assert.equal(first.slice(0, 22), JAVA[1][1])
  assert.equal(first.slice(22), JAVA[1][1].slice(0, 10))
  assert.notEqual(random(1)!.toString('hex'), first)
  assert.equal(random(0)!.toString('hex'), first)

  const mixed = generatorOf({
    type: 'randomComponent',
    seed: 123,
    components: [
      { percent: 82, component: { type: 'null' } },
      { percent: 18, component: { type: 'constant', size: 1, value: '' } },
    ],
  })
  // Java draws 82 for seed 123: the first of the 18.
  assert.equal(mixed(0)?.length, 1)
})

test('payloads that say the time begin with it', () => {
  const at = 1_795_703_871_535
  const kinds = [
    { type: 'timestampConstant', size: 8 },
    { type: 'timestampRandom', size: 20, seed: 1 },
    {
      type: 'gaussianTimestampRandom',
      messageSizeAverage: 100,
      messageSizeDeviation: 5,
      messagesUntilSizeChange: 3,
      seed: 2,
    },
  ] as const
  for (const kind of kinds) {
    const made = generatorOf(kind, () => at)(0)!
    assert.equal(made.readBigInt64LE(), BigInt(at))
  }
  const changing = generatorOf(kinds[2], () => at)
  const sizes = Array.from({ length: 6 }, (_, position) => changing(position)!.length)
  assert.equal(new Set(sizes.slice(0, 3)).size, 1)
  assert.ok(sizes.every(size => size > 50 && size < 150))
})
