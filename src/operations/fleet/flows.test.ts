import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Declared, isCopy, matchesTopic, route, topicsAt, traceFlows } from './flows.ts'

const link = (name: string, from: string, to: string, ...patterns: string[]) => ({ name, from, to, patterns })

test('a topic is followed over a chain of links, and each stop knows its writer', () => {
  const flows = traceFlows({
    topics: [
      { name: 'logs', clusters: ['a'] },
      { name: 'own', clusters: ['b'] },
    ],
    links: [link('second', 'b', 'c', '*'), link('first', 'a', 'b', 'l*')],
  })
  assert.deepEqual(topicsAt(flows, 'c'), ['logs', 'own'])
  assert.ok(isCopy(flows, 'b', 'logs') && !isCopy(flows, 'b', 'own') && !isCopy(flows, 'a', 'logs'))
  assert.deepEqual(route(flows, 'logs', 'a', 'c'), ['a', 'b', 'c'])
  assert.equal(route(flows, 'own', 'a', 'c'), undefined)
})

test('a star stands for any characters, and never for the platform’s own topics by accident', () => {
  for (const [pattern, topic, expected] of [
    ['logs.*', 'logs.edge', true],
    ['logs.*', 'logs.', true],
    ['logs.*', 'log', false],
    ['*.edge', 'logs.edge', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['ab*ba', 'aba', false],
    ['*', 'ajna.audit.edge', false],
    ['a*', 'ajna.audit.edge', false],
    ['ajna.*', 'ajna.audit.edge', true],
    ['logs.edge', 'logs.edge', true],
    ['logs.edge', 'logsxedge', false],
  ] as const) {
    assert.equal(matchesTopic(pattern, topic), expected, `${pattern} ~ ${topic}`)
  }
})

test('a pattern means exactly what the same regular expression means', () => {
  const word = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 8 }).map(parts => parts.join(''))
  const topic = fc.array(fc.constantFrom('a', 'b'), { maxLength: 10 }).map(parts => parts.join(''))
  fc.assert(
    fc.property(word, topic, (pattern, name) => {
      const meaning = new RegExp(`^${pattern.replaceAll('*', '.*')}$`)
      assert.equal(matchesTopic(pattern, name), meaning.test(name))
    }),
  )
})

test('following the links ends whatever loops they make', () => {
  const cluster = fc.constantFrom('a', 'b', 'c', 'd')
  const declared: fc.Arbitrary<Declared> = fc.record({
    topics: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('x', 'y', 'z'), clusters: fc.uniqueArray(cluster) }),
      {
        selector: topic => topic.name,
      },
    ),
    links: fc
      .array(fc.record({ from: cluster, to: cluster, patterns: fc.constant(['*']) }), { maxLength: 8 })
      .map(links => links.map((each, index) => ({ ...each, name: `l${index}` }))),
  })
  fc.assert(
    fc.property(declared, each => {
      const flows = traceFlows(each)
      for (const topics of flows.values()) {
        for (const writers of topics.values()) assert.ok(writers.length <= each.links.length + 1)
      }
    }),
  )
})
