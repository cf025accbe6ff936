import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { isAjnaError } from '../errors/errors.ts'
import { readConfig } from './config.ts'
import { CONFIG_INVALID } from './errors.ts'
import type { Problem } from './problem.ts'
import { duration, formatDuration, formatSize, parseDuration, parseSize, size } from './units.ts'

const schema = z.strictObject({
  name: z.string(),
  count: z.int().min(1).max(10).default(3),
  every: duration().optional(),
  limit: size().optional(),
  mode: z.enum(['fast', 'safe']).default('safe'),
  parts: z.union([z.int(), z.array(z.strictObject({ id: z.int() }))]).optional(),
  driver: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('file'), path: z.string() }),
      z.strictObject({ kind: z.literal('s3'), bucket: z.string() }),
    ])
    .optional(),
  topics: z
    .record(
      z.string().regex(/^[a-z.]+$/, { error: 'lower-case letters and dots' }),
      z.strictObject({ size: z.int() }),
    )
    .default({}),
})

const read = (text: string) => readConfig(schema, text, 'x.yaml')

function problemsOf(text: string): string[] {
  try {
    read(text)
  } catch (error) {
    assert.ok(isAjnaError(error, CONFIG_INVALID), String(error))
    assert.equal(error.exit, 2)
    return error.message.split('\n').slice(1)
  }
  return assert.fail(`accepted: ${text}`)
}

test('a valid file becomes a frozen value with its defaults', () => {
  const value = read('name: a\nevery: 90s\nlimit: 512MiB\ntopics: { logs.edge: { size: 1 } }\n')
  assert.deepEqual(value, {
    name: 'a',
    count: 3,
    mode: 'safe',
    every: 90_000,
    limit: 536_870_912,
    topics: { 'logs.edge': { size: 1 } },
  })
  assert.throws(() => {
    ;(value.topics as Record<string, { size: number }>)['logs.edge']!.size = 2
  }, TypeError)
})

const wrong: readonly (readonly [string, ...string[]])[] = [
  ['', 'x.yaml:1:1: found nothing; allowed: a YAML document'],
  ['name: a\ncount: 11', 'x.yaml:2:8 count: found 11; allowed: at most 10'],
  ['name: a\ncount: 1.5', 'x.yaml:2:8 count: found 1.5; allowed: a whole number'],
  ['count: 1', 'x.yaml:1:1 name: found nothing; allowed: a text'],
  ['name:\ncount: 1', 'x.yaml:1:1 name: found nothing; allowed: a text'],
  ['name: 7', 'x.yaml:1:7 name: found 7; allowed: a text (write it in quotes)'],
  [
    'name: a\ncuont: 1',
    'x.yaml:2:1 cuont: found the unknown key "cuont"; allowed: name, count, every, limit, mode, parts, driver or topics; did you mean count?',
  ],
  ['name: a\nmode: saef', 'x.yaml:2:7 mode: found "saef"; allowed: fast or safe; did you mean safe?'],
  [
    'name: a\nevery: 4',
    'x.yaml:2:8 every: found 4; allowed: a duration with its unit, such as 500ms, 90s, 12h or 4d',
  ],
  [
    'name: a\nevery: 4 days',
    'x.yaml:2:8 every: found "4 days"; allowed: a duration with its unit, such as 500ms, 90s, 12h or 4d',
  ],
  [
    'name: a\nlimit: 1gb',
    'x.yaml:2:8 limit: found "1gb"; allowed: a size with its unit, such as 64KiB, 512MiB or 10GB',
  ],
  ['name: a\nparts: x', 'x.yaml:2:8 parts: found "x"; allowed: a number or a list'],
  ['name: a\nparts:\n- { id: 1 }\n- { id: x }', 'x.yaml:4:9 parts[1].id: found "x"; allowed: a number'],
  [
    'name: a\ndriver: { kind: s4 }',
    'x.yaml:2:17 driver.kind: found "s4"; allowed: file or s3; did you mean s3?',
  ],
  ['name: a\ndriver: { kind: s3 }', 'x.yaml:2:1 driver.bucket: found nothing; allowed: a text'],
  [
    'name: a\ntopics: { A_: { size: 1 } }',
    'x.yaml:2:11 topics.A_: found "A_"; allowed: lower-case letters and dots',
  ],
  ['name: a\ntopics: { x.y: { size: } }', 'x.yaml:2:18 topics["x.y"].size: found nothing; allowed: a number'],
  ['name: a\ntopics: [1]', 'x.yaml:2:9 topics: found a list; allowed: a map'],
  ['name: a\nname: b', 'x.yaml:2:1: found the key "name" a second time; allowed: each key once'],
  [
    'name: a\n---\nname: b',
    'x.yaml:2:1: found Source contains multiple documents; please use YAML.parseAllDocuments(); allowed: one YAML document',
  ],
  [
    'name: [a',
    'x.yaml:1:9: found Flow sequence in block collection must be sufficiently indented and end with a ]; allowed: well-formed YAML 1.2',
  ],
  ['name: a\n__proto__: { count: 2 }', 'x.yaml:2:1: found the key "__proto__"; allowed: any other key'],
  [
    'name: *nope',
    'x.yaml:1:1: found Unresolved alias (the anchor must be set before the alias): nope; allowed: aliases of anchors that exist, followed at most 100 times',
  ],
  [
    'name: 1\ncount: 0\nmode: x',
    'x.yaml:1:7 name: found 1; allowed: a text (write it in quotes)',
    'x.yaml:2:8 count: found 0; allowed: at least 1',
    'x.yaml:3:7 mode: found "x"; allowed: fast or safe',
  ],
]

test('every fault is told with its file, line, column, path, what was found and what is allowed', async t => {
  for (const [text, ...expected] of wrong) {
    await t.test(JSON.stringify(text), () => assert.deepEqual(problemsOf(text), expected))
  }
})

test('an alias is located where the value it stands for is written', () => {
  assert.deepEqual(problemsOf('name: a\nparts:\n- &one { id: x }\n- *one'), [
    'x.yaml:3:14 parts[0].id: found "x"; allowed: a number',
    'x.yaml:3:14 parts[1].id: found "x"; allowed: a number',
  ])
})

test('a small file that unfolds into an enormous one is refused', () => {
  const bomb = ['name: a', 'a: &a [x, x, x, x, x, x, x, x, x]']
  for (let level = 0; level < 8; level++) {
    const [from, to] = [String.fromCharCode(97 + level), String.fromCharCode(98 + level)]
    bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`)
  }
  assert.match(problemsOf(bomb.join('\n'))[0]!, /aliases of anchors that exist/)
})

test('a check that looks at the whole is told with its place too', () => {
  const findings = () => [{ path: ['topics', 'a.b'], found: 'a topic', allowed: 'none', atKey: true }]
  assert.throws(
    () => readConfig(schema, 'name: a\ntopics:\n  a.b: { size: 1 }', 'x.yaml', findings),
    /x\.yaml:3:3 topics\["a\.b"\]: found a topic; allowed: none/,
  )
})

test('a file that is wrong everywhere is told its first hundred faults, quickly', () => {
  const lines = Array.from(
    { length: 5000 },
    (_, at) => `  t${'x'.repeat(at % 7)}${String(at)}: { size: big }`,
  )
  const problems = problemsOf(['name: a', 'topics:', ...lines].join('\n'))
  assert.equal(problems.length, 101)
  assert.equal(problems.at(-1), 'and 4900 more')
})

test('no text crashes the reader: it is read or told what is wrong', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc
          .array(
            fc.constantFrom('name', ': ', 'a', '\n', '- ', '{', '}', '[', '&a ', '*a', '"', '  ', '? ', '!!'),
          )
          .map(parts => parts.join('')),
      ),
      text => {
        try {
          read(text)
        } catch (error) {
          assert.ok(isAjnaError(error, CONFIG_INVALID), `${error}`)
          for (const problem of error.details['problems'] as Problem[])
            assert.ok(problem.line >= 1 && problem.column >= 1)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('durations and sizes are written back as they are read', () => {
  fc.assert(
    fc.property(fc.nat(), n => {
      assert.equal(parseDuration(formatDuration(n)), n)
      assert.equal(parseSize(formatSize(n)), n)
    }),
  )
  assert.equal(formatDuration(345_600_000), '4d')
  assert.equal(parseSize('10 GB'), 10_000_000_000)
  assert.equal(parseDuration('99999999999999w'), undefined)
})
