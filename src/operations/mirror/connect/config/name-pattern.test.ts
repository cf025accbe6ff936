import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../../../../foundation/errors/errors.ts'
import { CONNECT_PATTERN_UNSUPPORTED } from '../errors.ts'
import { groupAlphabet, topicAlphabet } from './java-regex.ts'
import { namePatterns } from './name-pattern.ts'

const understood: readonly (readonly [java: string, ...patterns: readonly string[]])[] = [
  ['orders', 'orders'],
  ['.*', '*'],
  ['^orders$', 'orders'],
  ['logs\\..*', 'logs.*'],
  ['logs.*?', 'logs*'],
  // A dot is any character: naming one topic takes an escape.
  ['my.topic', '/my.topic/'],
  ['my\\.topic', 'my.topic'],
  ['my[.]topic', 'my.topic'],
  ['\\Qmy.topic\\E', 'my.topic'],
  ['a|b.*|c\\d', 'a', 'b*', '/c[0-9]/'],
  ['.+', '/.+/'],
  ['abc\\.([a-zA-Z0-9]+)\\.log', '/abc\\.(?:[0-9A-Za-z]+)\\.log/'],
  ['(?<team>[abc])-x', '/(?:[a-c])-x/'],
  ['a|', 'a'],
  ['(?i)Ab-1', '/[Aa][Bb]-1/'],
  ['(?i:a)b', '/(?:[Aa])b/'],
  ['((?i)a)b', '/(?:[Aa])b/'],
  ['(?s)x.*', 'x*'],
  ['[^a-z]', '/[\\-.0-9A-Z_]/'],
  ['[a-f&&[^c]]', '/[abd-f]/'],
  ['[a[0-2]_]', '/[0-2_a]/'],
  ['\\p{Alpha}+', '/[A-Za-z]+/'],
  ['\\P{L}', '/[\\-.0-9_]/'],
  ['[\\p{Digit}x]{2,3}', '/[0-9x]{2,3}/'],
  ['\\w{3,}', '/[0-9A-Z_a-z]{3,}/'],
  ['a{0,1}b{1}', '/a?b{1}/'],
  ['(?!internal).*', '/(?!internal).*/'],
  ['(?:a|b)+x?', '/(?:a|b)+x?/'],
  ['\\x61\\u0062', 'ab'],
  ['[\\w.\\- ]+', '/.+/'],
  ['a-b', 'a-b'],
  ['\\bpay\\b.*', '/\\bpay\\b.*/'],
  ['x\\s?', '/x[]?/'],
]

for (const [java, ...patterns] of understood)
  test(`Java's ${java} becomes ${patterns.join(' and ')}`, () => {
    assert.deepEqual(namePatterns(java), patterns)
    for (const pattern of patterns)
      if (pattern.startsWith('/'))
        for (const flags of ['', 'u', 'v']) new RegExp(`^(?:${pattern.slice(1, -1)})$`, flags)
  })

const refused: readonly (readonly [java: string, says: RegExp])[] = [
  ['a++', /at character 4: a possessive repetition/],
  ['(?>a)', /an atomic group/],
  ['(a)\\1', /a reference to a group/],
  ['a b', /at character 3: " ", which no topic name contains/],
  ['(a', /a group that is not closed/],
  ['a)', /closes nothing/],
  ['[a', /a class that is not closed/],
  ['[]a]', /an empty class/],
  ['[z-a]', /a range that ends before it begins/],
  ['*a', /a repetition of nothing/],
  ['a**', /a repetition of a repetition/],
  ['(?=a)*', /a repetition of nothing/],
  ['a(?i)*', /a repetition of nothing/],
  ['a{2', /a "\{" that is no repetition/],
  ['a{3,2}', /a repetition that ends before it begins/],
  ['a{5000}', /more than 1000 repetitions/],
  ['(?x)a', /a group of a kind/],
  ['[^a&&b]', /a negated class with an intersection/],
  ['\\p{IsGreek}', /not known: \\p\{IsGreek\}/],
  ['\\p{constructor}', /not known/],
  ['\\h', /\\h/],
  ['\\', /its end/],
  ['('.repeat(60), /nested too deeply/],
]

for (const [java, says] of refused)
  test(`refuses ${java.slice(0, 20)}, saying where and why`, () => {
    assert.throws(
      () => namePatterns(java),
      error => isAjnaError(error, CONNECT_PATTERN_UNSUPPORTED) && says.test(error.message),
    )
  })

test('matches what the expression matched, for expressions whose meaning Java and JavaScript share', () => {
  const character = fc.constantFrom(...'ab.-1_Z')
  const name = fc.string({ unit: character, minLength: 1, maxLength: 6 })
  const atom = fc.oneof(
    character.map(each => (each === '.' ? '\\.' : each)),
    fc.constantFrom('.', '[ab]', '[^ab]', '[a-c.-]', '\\d', '\\w', '(?:a|b1)', '(Z|_)'),
  )
  const item = fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{1,2}')).map(parts => parts.join(''))
  const regex = fc
    .array(fc.array(item, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
    .map(options => options.map(items => items.join('')).join('|'))
  fc.assert(
    fc.property(regex, name, (java, topic) => {
      const expected = new RegExp(`^(?:${java})$`).test(topic)
      assert.equal(
        namePatterns(java).some(pattern => matches(pattern, topic)),
        expected,
        `${java} ${topic}`,
      )
    }),
    { numRuns: 2_000 },
  )
})

function matches(pattern: string, topic: string): boolean {
  if (pattern.startsWith('/')) return new RegExp(`^(?:${pattern.slice(1, -1)})$`, 'v').test(topic)
  const expression = pattern.replaceAll('.', '\\.').replaceAll('*', '.*')
  return new RegExp(`^${expression}$`).test(topic)
}

test('knows the characters of topic names', () => {
  assert.equal(topicAlphabet.characters.length, 65)
  assert.equal([...topicAlphabet.characters].sort().join(''), topicAlphabet.characters)
})

test('names of groups may have more characters', () => {
  const patterns = (java: string) => namePatterns(java, groupAlphabet)
  assert.deepEqual(patterns('console-consumer-.*'), ['console-consumer-*'])
  assert.deepEqual(patterns('my group|a/b'), ['/my\\ group/', '/a\\/b/'])
  const punctuation = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
  const meant: readonly (readonly [java: string, name: string, means: boolean])[] = [
    ['\\p{Punct}+', punctuation, true],
    ['[^ ]+', `a${punctuation}`, true],
    ['[^ ]+', 'a b', false],
    ['[!-/]+', '!/', true],
    ['[!-/]+', '0', false],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['\\Qx(y)\\E', 'x(y)', true],
  ]
  for (const [java, name, means] of meant) {
    const [pattern] = patterns(java)
    assert.equal(new RegExp(`^(?:${pattern!.slice(1, -1)})$`).test(name), means, `${java} ${name}`)
  }
})
