import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkDefinitionSchema } from '../definition.ts'
import { copiedTopics } from './gather.ts'
import { namesOf } from './names.ts'

test('exact names, stars and whole-name expressions mean what they say; exclusion wins', () => {
  const names = namesOf({
    include: ['orders', 'logs.*', '/pay(ments)?-\\d+/'],
    exclude: ['logs.debug', '*-9'],
  })
  const meant = ['orders', 'logs.edge', 'logs.', 'pay-1', 'payments-22']
  const not = ['orders2', 'my-orders', 'logs', 'logs.debug', 'pay-1x', 'xpay-1', 'pay-9', 'LOGS.edge']
  assert.deepEqual(
    meant.filter(name => !names.means(name)),
    [],
  )
  assert.deepEqual(
    not.filter(name => names.means(name)),
    [],
  )
})

test('characters of expressions are plain characters in other patterns', () => {
  const names = namesOf({ include: ['a.b*', 'c+(d)', 'x|y', '[z]'], exclude: [] })
  assert.ok(['a.b1', 'c+(d)', 'x|y', '[z]'].every(name => names.means(name)))
  assert.ok(!['axb1', 'ccd', 'x', 'y', 'z'].some(name => names.means(name)))
})

test('that all names of a beginning are meant is said only when it is certain', () => {
  const of = (include: string[], exclude: string[] = []) => namesOf({ include, exclude })
  assert.ok(of(['app.*']).meansAllBeginning('app.'))
  assert.ok(of(['app.*']).meansAllBeginning('app.web'))
  assert.ok(of(['*']).meansAllBeginning(''))
  assert.ok(!of(['app.*']).meansAllBeginning('app'))
  assert.ok(!of(['app.*'], ['app.x']).meansAllBeginning('app.'))
  assert.ok(!of(['*app.*']).meansAllBeginning('app.'))
  assert.ok(!of(['/app.*/']).meansAllBeginning('app.'))
  assert.ok(!of(['app.']).meansAllBeginning('app.'))
})

test('Kafka’s own topics are copied only by their exact names; copies are renamed', () => {
  const rename = { prefix: 'edge.', suffix: '' }
  const topics = { include: ['*', '__exact'], exclude: ['no'] }
  assert.deepEqual(copiedTopics({ topics, rename }, ['a', 'no', '__consumer_offsets', '__exact']), [
    { source: 'a', copy: 'edge.a' },
    { source: '__exact', copy: 'edge.__exact' },
  ])
})

test('nothing is kept unless it is named; an expression that is none is refused at the edge', () => {
  const end = { cluster: 'a' }
  const link = { name: 'l', source: end, target: { cluster: 'b' }, topics: { include: ['t'] } }
  const { keep } = linkDefinitionSchema.parse(link)
  assert.deepEqual(keep, {
    acls: { include: [], exclude: [] },
    quotas: { include: [], exclude: [] },
    groups: { include: [], exclude: [] },
    foreignPositions: 'leave',
    everyMs: 5_000,
  })
  assert.ok(namesOf(keep.groups).none)
  const wrong = linkDefinitionSchema.safeParse({ ...link, keep: { groups: { include: ['/(/'] } } })
  assert.match(String(wrong.error), /Invalid regular expression/)
})
