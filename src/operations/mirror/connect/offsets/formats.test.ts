import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../../../../foundation/errors/errors.ts'
import { CONNECT_POSITIONS_INVALID } from '../errors.ts'
import { type PositionFormat, positionFormats, readPositions, writePositions } from './formats.ts'

const names = { connector: 'prd, "logbus"', cluster: 'west' }
const positions = [
  { topic: 'a.b', partition: 0, sourceOffset: 8, targetOffset: 5 },
  { topic: 'c_d', partition: 12, sourceOffset: 1, targetOffset: 1 },
]

const written: Readonly<Record<PositionFormat, string>> = {
  csv: 'topic,partition,source_offset,target_offset\na.b,0,8,5\nc_d,12,1,1\n',
  json: `${JSON.stringify(positions, undefined, 1)}\n`,
  mirus: '"prd, ""logbus""",a.b,0,8\n"prd, ""logbus""",c_d,12,1\n',
  mm2: `${JSON.stringify(
    {
      offsets: [
        { partition: { cluster: 'west', partition: 0, topic: 'a.b' }, offset: { offset: 7 } },
        { partition: { cluster: 'west', partition: 12, topic: 'c_d' }, offset: { offset: 0 } },
      ],
    },
    undefined,
    1,
  )}\n`,
}

for (const format of positionFormats)
  test(`${format} is written so`, () =>
    assert.equal(writePositions(format, positions, names), written[format]))

test('what was written is read again as the same positions', () => {
  const position = fc.record({
    topic: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
    partition: fc.nat(2 ** 31 - 1),
    sourceOffset: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    targetOffset: fc.maxSafeNat(),
  })
  const connector = fc
    .string({ minLength: 1 })
    .filter(text => !/[\r\n]/.test(text) && !text.startsWith('{') && text.trim() !== '')
  fc.assert(
    fc.property(fc.array(position), connector, fc.constantFrom(...positionFormats), (given, name, format) => {
      const own = { connector: name, cluster: name }
      assert.deepEqual(
        readPositions(format, writePositions(format, given, own), own),
        given.map(({ topic, partition, sourceOffset }) => ({ topic, partition, sourceOffset })),
      )
    }),
  )
})

describe('what Mirus’ own tool prints', () => {
  const mine = { connector: 'prd-logbus-source', cluster: '' }
  const theirs = [
    'connector-id,topic,1,123',
    'connector-id,topic,2,',
    'prd-logbus-source,sfdc.test.logbus__prd.ajna_test__logs.coreapp.sp1.logbus,2,345',
    'prd-logbus-source,other,0,',
  ]
  const expected = [
    { topic: 'sfdc.test.logbus__prd.ajna_test__logs.coreapp.sp1.logbus', partition: 2, sourceOffset: 345 },
    { topic: 'other', partition: 0, sourceOffset: null },
  ]

  test('as CSV: the rows of this connector', () => {
    assert.deepEqual(readPositions('mirus', `${theirs.join('\n')}\n`, mine), expected)
    assert.deepEqual(readPositions('mirus', `\uFEFF${theirs.join('\r\n')}\r\n\r\n`, mine), expected)
  })

  test('as JSON, an object a line', () => {
    const json = [
      { connectorId: 'connector-id', topic: 'topic', partition: 1, offset: 123 },
      { connectorId: 'prd-logbus-source', topic: expected[0]!.topic, partition: 2, offset: 345 },
      { connectorId: 'prd-logbus-source', topic: 'other', partition: 0, offset: null },
    ]
    assert.deepEqual(
      readPositions('mirus', json.map(each => JSON.stringify(each)).join('\n'), mine),
      expected,
    )
  })
})

test('what Connect says of a MirrorSourceConnector is read: of this source, the last offset copied', () => {
  const offsets = [
    { partition: { cluster: 'west', partition: 1, topic: 't' }, offset: { offset: 2 } },
    { partition: { cluster: 'east', partition: 1, topic: 't' }, offset: { offset: 9 } },
    { partition: { cluster: 'west', partition: 2, topic: 't' }, offset: null },
  ]
  assert.deepEqual(readPositions('mm2', JSON.stringify({ offsets }), names), [
    { topic: 't', partition: 1, sourceOffset: 3 },
    { topic: 't', partition: 2, sourceOffset: null },
  ])
})

test('columns may stand in any order, and others beside them', () => {
  const text = 'source_offset,note,topic,partition\n5,"x, y",t,0\n,z,t,1\n'
  assert.deepEqual(readPositions('csv', text, names), [
    { topic: 't', partition: 0, sourceOffset: 5 },
    { topic: 't', partition: 1, sourceOffset: null },
  ])
})

const wrong: readonly (readonly [format: PositionFormat, text: string, says: RegExp])[] = [
  ['csv', '', /^line 1: the first line names the columns, and lacks topic, partition, source_offset$/],
  ['csv', 'topic,partition\n', /lacks source_offset/],
  ['csv', 'topic,partition,source_offset\n\nt,0\n', /^line 3: 3 fields are expected/],
  ['csv', 'topic,partition,source_offset\nt,-1,5', /^line 2: partition: /],
  ['csv', 'topic,partition,source_offset\nt,0,1.5', /^line 2: offset: /],
  ['csv', 'topic,partition,source_offset\nt,0,9007199254740993', /^line 2: offset: /],
  ['csv', 'topic,partition,source_offset\n"t,0,5', /^line 2: 3 fields are expected/],
  ['json', '{', /^line 1: no JSON: /],
  ['json', '[{"topic":"t","partition":0}]', /^line 1: 0.sourceOffset: /],
  ['mirus', 'a,b,c', /^line 1: four fields are expected: connector, topic, partition, offset/],
  ['mirus', 'a,t,0,5\n{"connectorId":1}', /^line 2: connectorId: /],
  ['mm2', '{"offsets":[{"partition":{"topic":"t","partition":0},"offset":null}]}', /cluster: /],
]
for (const [format, text, says] of wrong)
  test(`${format}: ${JSON.stringify(text).slice(0, 60)} is told with its line`, () => {
    assert.throws(
      () => readPositions(format, text, names),
      error => isAjnaError(error, CONNECT_POSITIONS_INVALID) && says.test(error.message),
    )
  })
