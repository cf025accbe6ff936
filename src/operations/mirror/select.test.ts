import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { linkDefinitionSchema } from './definition.ts'
import { copyName, copyNameFault, patternMatcher, topicSelector } from './select.ts'

const include = (...patterns: string[]) => topicSelector({ include: patterns, exclude: [] })

test("topics are chosen by name, pattern and expression, Kafka's own and the platform's only by name", () => {
  const table: readonly [patterns: string[], topic: string, chosen: boolean][] = [
    [['logs.edge'], 'logs.edge', true],
    [['logs.edge'], 'logs_edge', false],
    [['logs.edge'], 'logs.edge.2', false],
    [['metrics.*', 'a'], 'metrics.edge', true],
    [['x*z'], 'xz', true],
    [['x*z'], 'xyzz', true],
    [['x*z'], 'wxz', false],
    [['x*y*y'], 'xy', false],
    [['/(orders|payments)-[0-9]+/'], 'orders-17', true],
    [['/(orders|payments)-[0-9]+/'], 'orders-17-old', false],
    [['/a|b/'], 'ab', false],
    [['/(?!internal).*/'], 'internal.a', false],
    [['/(?!internal).*/'], 'public.a', true],
    [['*', '/.*/'], '__consumer_offsets', false],
    [['__consumer_offsets'], '__consumer_offsets', true],
    [['*', '/.*/'], 'ajna.mirror.links', false],
    [['ajna.streams.*'], 'ajna.streams.edge', true],
  ]
  for (const [patterns, topic, chosen] of table)
    assert.equal(include(...patterns)(topic), chosen, `${patterns} and ${topic}`)
})

test('what is excluded is not chosen, however it is included', () => {
  const chosen = topicSelector({ include: ['*', 'secret'], exclude: ['secret*', '/.*-tmp/'] })
  assert.deepEqual(['a', 'secret', 'secrets', 'a-tmp', 'a-tmp-b'].map(chosen), [
    true,
    false,
    false,
    false,
    true,
  ])
})

test('a pattern means the same as the expression it stands for', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(pattern, name, (text, topic) => {
      const expression = new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)
      assert.equal(patternMatcher(text)(topic), expression.test(topic))
    }),
  )
})

test('no expression or pattern can stall a worker', () => {
  const name = 'a'.repeat(249)
  assert.equal(include('/(a+)+b/')(name), false)
  assert.equal(include(`${'*a'.repeat(100)}*b`)(name), false)
})

test('a definition says which pattern is wrong', () => {
  const ends = { source: { cluster: 'edge' }, target: { cluster: 'hub' } }
  const parsed = linkDefinitionSchema.safeParse({ name: 'a', ...ends, topics: { include: ['ok', '/(/'] } })
  assert.ok(!parsed.success)
  assert.deepEqual(parsed.error.issues[0]?.path, ['topics', 'include', 1])
  assert.match(parsed.error.issues[0]?.message ?? '', /Unterminated group/)
})

test('copies are called as the definition says, and names that Kafka would refuse are told', () => {
  const renaming = { prefix: 'edge.', suffix: '.copy' }
  assert.equal(copyName(renaming, 'logs'), 'edge.logs.copy')
  assert.equal(copyNameFault(renaming, 'logs'), undefined)
  assert.match(copyNameFault(renaming, 'x'.repeat(245)) ?? '', /255 characters/)
})
