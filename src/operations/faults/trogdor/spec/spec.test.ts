import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../../../../foundation/errors/errors.ts'
import { TROGDOR_CLASS_UNKNOWN, TROGDOR_SPEC_INVALID } from '../errors.ts'
import * as specs from '../testing/specs.ts'
import { parseCommentedJson } from './json.ts'
import { readSpec, specJson } from './spec.ts'
import { expand, expandAll, MAX_NAMES } from './topics.ts'

const read = (text: string) => readSpec(parseCommentedJson(text, 'spec.json'))
const PRODUCE = 'org.apache.kafka.trogdor.workload.ProduceBenchSpec'

describe('Trogdor’s specifications', () => {
  test('every one of Kafka’s own is read, comments and all, and reads as the same when it is written', () => {
    for (const [name, text] of Object.entries(specs)) {
      const spec = read(text)
      assert.deepEqual(readSpec(specJson(spec)), spec, name)
    }
  })

  test('what is left out is what Trogdor takes it for', () => {
    // As Trogdor 4.3.1 answered for this specification, but for the zeros of its constant payload.
    assert.deepEqual(specJson(readSpec({ class: PRODUCE, producerNode: 'node0' })), {
      class: PRODUCE,
      startMs: 0,
      durationMs: 0,
      producerNode: 'node0',
      targetMessagesPerSec: 0,
      maxMessages: 0,
      keyGenerator: { type: 'sequential', size: 4, startOffset: 0 },
      valueGenerator: { type: 'constant', size: 512 },
      activeTopics: {},
      inactiveTopics: {},
      useConfiguredPartitioner: false,
      skipFlush: false,
    })
    const consume = 'org.apache.kafka.trogdor.workload.ConsumeBenchSpec'
    const processor = { type: 'timestamp', histogramMaxMs: 10_000, histogramMinMs: 0, histogramStepMs: 1 }
    assert.deepEqual(
      specJson(readSpec({ class: consume, activeTopics: 'foo[1-2]', recordProcessor: processor })),
      {
        class: consume,
        startMs: 0,
        durationMs: 0,
        targetMessagesPerSec: 0,
        maxMessages: 0,
        threadsPerWorker: 1,
        recordProcessor: processor,
        activeTopics: ['foo[1-2]'],
      },
    )
  })

  test('values are taken as Jackson takes them: numbers as text, one for a list, no end beyond 2^53', () => {
    const spec = readSpec({
      class: PRODUCE,
      startMs: '12',
      durationMs: 1e16,
      targetMessagesPerSec: 10.9,
      maxMessages: 9_223_372_036_854_775_807n.toString(),
      producerConf: { retries: 3 },
      useConfiguredPartitioner: 'true',
    })
    assert.ok(spec.class === PRODUCE)
    assert.deepEqual(
      [spec.startMs, spec.durationMs, spec.targetMessagesPerSec, spec.maxMessages],
      [12, 1e15, 10, Number.MAX_SAFE_INTEGER],
    )
    assert.deepEqual([spec.producerConf, spec.useConfiguredPartitioner], [{ retries: '3' }, true])
  })

  test('the offset of a sequence keeps its meaning on its way through Trogdor’s own client', () => {
    const of = (keyGenerator: object) => specJson(readSpec({ class: PRODUCE, keyGenerator }))
    const named = { type: 'sequential', size: 8, startOffset: 1 }
    assert.deepEqual(of({ type: 'sequential', size: 8, offset: 1 }), of(named))
  })

  test('what Trogdor refuses is refused, with the field, what was found and what is allowed', () => {
    const refused = [
      [{}, TROGDOR_CLASS_UNKNOWN, /^class: found nothing, allowed: one of org\.apache\.kafka\.trogdor/],
      [{ class: 'java.lang.String' }, TROGDOR_CLASS_UNKNOWN, /^class: found "java\.lang\.String"/],
      [
        { class: PRODUCE, keyGenerator: {} },
        TROGDOR_CLASS_UNKNOWN,
        /^keyGenerator\.type: found nothing, allowed: one of constant/,
      ],
      [{ class: PRODUCE, foo: 1 }, TROGDOR_SPEC_INVALID, /^spec: found unknown "foo"/],
      [
        { class: PRODUCE, activeTopics: { foo: { partitions: 3 } } },
        TROGDOR_SPEC_INVALID,
        /^activeTopics\.foo: found unknown "partitions"/,
      ],
      [
        { class: PRODUCE, targetMessagesPerSec: 2 ** 31 },
        TROGDOR_SPEC_INVALID,
        /^targetMessagesPerSec: found 2147483648, allowed: a whole number of 32 bits/,
      ],
      [{ class: PRODUCE, maxMessages: 'many' }, TROGDOR_SPEC_INVALID, /^maxMessages: found "many"/],
      [{ class: PRODUCE, producerConf: [] }, TROGDOR_SPEC_INVALID, /^producerConf: found an empty list/],
      [
        { class: PRODUCE, valueGenerator: { type: 'uniformRandom', size: 8, padding: 9 } },
        TROGDOR_SPEC_INVALID,
        /^valueGenerator\.padding: found .*allowed: a whole number from 0 to the payload’s size/,
      ],
      [
        { class: PRODUCE, valueGenerator: { type: 'timestampRandom', size: 7 } },
        TROGDOR_SPEC_INVALID,
        /allowed: a whole number of at least 8/,
      ],
      [
        {
          class: PRODUCE,
          valueGenerator: {
            type: 'randomComponent',
            components: [{ percent: 99, component: { type: 'null' } }],
          },
        },
        TROGDOR_SPEC_INVALID,
        /percents, 1 at least, sum to 100/,
      ],
      [
        { class: PRODUCE, valueGenerator: { type: 'constant', size: 2 ** 31 - 1 } },
        TROGDOR_SPEC_INVALID,
        /^valueGenerator\.size: found 2147483647, allowed: a whole number from 0 to 1048576, in bytes/,
      ],
    ] as const
    for (const [spec, kind, said] of refused)
      assert.throws(() => readSpec(spec), { code: kind.code, message: said }, JSON.stringify(spec))
  })

  test('any JSON is a specification or a clear error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.values(specs)), (value, text) => {
        const whole = parseCommentedJson(text, 'spec.json') as Record<string, unknown>
        for (const key of Object.keys(whole)) {
          try {
            readSpec({ ...whole, [key]: value })
          } catch (error) {
            assert.ok(isAjnaError(error, TROGDOR_SPEC_INVALID, TROGDOR_CLASS_UNKNOWN), String(error))
          }
        }
      }),
    )
  })
})

test('comments are left out, and what looks like one in a text is not', () => {
  assert.deepEqual(parseCommentedJson('// a "b\n{"x": /* c */ "// no /* comment */ \\" here"} // end', 'f'), {
    x: '// no /* comment */ " here',
  })
  assert.throws(() => parseCommentedJson('{', 'f.json'), {
    code: TROGDOR_SPEC_INVALID.code,
    message: /^f\.json is not JSON/,
  })
  assert.throws(() => parseCommentedJson('/* never closed', 'f'), { code: TROGDOR_SPEC_INVALID.code })
})

test('a range stands for its names, never for more than are allowed', () => {
  assert.deepEqual(expand('foo[1-3]'), ['foo1', 'foo2', 'foo3'])
  assert.deepEqual(expand('foo'), ['foo'])
  assert.deepEqual(expand('a[0-0]b'), ['a0b'])
  assert.equal(expand('foo[3-1]'), undefined)
  assert.deepEqual(expandAll('foo[1-2]:[0-1]'), ['foo1:0', 'foo2:0', 'foo1:1', 'foo2:1'])
  assert.equal(expand('foo[0-999999999]')!.length, MAX_NAMES + 1)
  assert.ok(expandAll('[0-999999999][0-999999999][0-9]')!.length <= 2 * (MAX_NAMES + 1))
})
