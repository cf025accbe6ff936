import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LinkDefinition, linkDefinitionSchema } from '../definition.ts'
import { adoptionFault, definitionFault, type Writers, writersOf } from './flows.ts'

function link(
  name: string,
  way: `${string}>${string}`,
  include: string[],
  more: { prefix?: string; suffix?: string; exclude?: string[] } = {},
): LinkDefinition {
  const [from, to] = way.split('>') as [string, string]
  return linkDefinitionSchema.parse({
    name,
    source: { cluster: from },
    target: { cluster: to },
    topics: { include, exclude: more.exclude ?? [] },
    rename: { prefix: more.prefix ?? '', suffix: more.suffix ?? '' },
  })
}

const definitions: readonly [
  what: string,
  definition: LinkDefinition,
  others: LinkDefinition[],
  fault: RegExp | undefined,
][] = [
  ['a link alone', link('a', 'x>y', ['t', '*']), [], undefined],
  ['a copy beside its source without another name', link('a', 'x>x', ['t']), [], /one cluster/],
  [
    'a copy beside its source under another name',
    link('a', 'x>x', ['t'], { suffix: '.copy' }),
    [],
    undefined,
  ],
  ['there and back', link('b', 'y>x', ['t']), [link('a', 'x>y', ['t'])], /in a loop: y → x → y/],
  ['there and back by a pattern', link('b', 'y>x', ['t']), [link('a', 'x>y', ['*'])], /in a loop/],
  [
    'there and back, but not for this topic',
    link('b', 'y>x', ['t']),
    [link('a', 'x>y', ['*'], { exclude: ['t'] })],
    undefined,
  ],
  [
    'there and back under a prefix',
    link('b', 'y>x', ['t'], { prefix: 'y.' }),
    [link('a', 'x>y', ['t'], { prefix: 'x.' })],
    undefined,
  ],
  [
    'around three clusters',
    link('c', 'z>x', ['t']),
    [link('a', 'x>y', ['t']), link('b', 'y>z', ['t'])],
    /z → x → y → z/,
  ],
  ['two into one', link('b', 'z>y', ['t']), [link('a', 'x>y', ['t'])], /link a writes t at y as well/],
  [
    'two into one under different names',
    link('b', 'z>y', ['t'], { prefix: 'z.' }),
    [link('a', 'x>y', ['t'])],
    undefined,
  ],
  ['a fan out', link('b', 'x>z', ['t']), [link('a', 'x>y', ['t'])], undefined],
]
for (const [what, definition, others, fault] of definitions)
  test(`${what}: ${fault === undefined ? 'may be' : 'is refused'}`, () => {
    const said = definitionFault(definition, others)
    if (fault === undefined) assert.equal(said, undefined)
    else assert.match(said ?? '', fault)
  })

/** Links with what they have taken on. */
function writers(...links: readonly [LinkDefinition, ...string[]][]): Writers {
  const ids = {
    producerId: '1',
    fillerId: '2',
    markerId: '3',
    epochBase: 0,
    deleted: {},
    missing: [],
    bases: [],
    maps: {},
  }
  const entries = links.map(([definition, ...topics]) => {
    const kept = { ...ids, topics: Object.fromEntries(topics.map(topic => [topic, { sourceId: 'x' }])) }
    const entry = {
      definition,
      version: 1,
      owner: 'api' as const,
      annotations: {},
      restart: null,
      kept,
      keeps: null,
      keepsBack: null,
      sides: null,
      reverseOf: null,
    }
    return [definition.name, entry] as const
  })
  return writersOf({ links: Object.fromEntries(entries) })
}

test('a topic met by a pattern is refused when it came from where it would go', () => {
  const a = link('a', 'x>y', ['*'])
  const b = link('b', 'y>x', ['*'])
  assert.match(adoptionFault(writers([a, 't']), b, 't') ?? '', /t would come back to x, in a loop: x → y → x/)
  assert.equal(adoptionFault(writers([a, 't']), b, 'u'), undefined)
  const c = link('c', 'z>x', ['*'])
  const round = writers([a, 't'], [link('b', 'y>z', ['*']), 't'])
  assert.match(adoptionFault(round, c, 't') ?? '', /x → y → z → x/)
})

test('under prefixes a topic does not go to and fro for ever', () => {
  const a = link('a', 'x>y', ['*'], { prefix: 'x.' })
  const b = link('b', 'y>x', ['*'], { prefix: 'y.' })
  assert.equal(adoptionFault(writers([a, 't']), b, 'x.t'), undefined)
  assert.match(adoptionFault(writers([a, 't'], [b, 'x.t']), a, 'y.x.t') ?? '', /this link's own copy/)
})

test('each copy has one writer', () => {
  const a = link('a', 'x>y', ['*'])
  assert.match(
    adoptionFault(writers([a, 't']), link('b', 'z>y', ['*']), 't') ?? '',
    /link a writes t at y already/,
  )
})

test('a topic that a link no longer chooses is free for another', () => {
  const narrowed = link('a', 'x>y', ['*'], { exclude: ['t'] })
  assert.equal(adoptionFault(writers([narrowed, 't']), link('b', 'z>y', ['*']), 't'), undefined)
})

test('in one cluster what is called like a copy is none of the topics', () => {
  const beside = link('a', 'x>x', ['*'], { suffix: '.copy' })
  assert.match(adoptionFault(writers(), beside, 't.copy') ?? '', /own copies/)
  assert.equal(adoptionFault(writers(), beside, 't'), undefined)
})
