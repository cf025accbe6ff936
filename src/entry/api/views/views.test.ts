import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFixture } from '../../../../test/console/fixture.ts'
import { canRestartBroker } from '../can.ts'
import { payloadOf } from './messages.ts'
import { boundedRange, metricCatalogue } from './metrics.ts'
import { byText, cut, matcher, orderBy } from './page.ts'
import { partitionPage, partitionSorts, partitionStateOf } from './partitions.ts'
import { topicPage } from './topics.ts'

const fleet = createFixture('trouble').platform.fleet()
const hub = fleet.clusters.find(({ name }) => name === 'hub')!
const edge = fleet.clusters.find(({ name }) => name === 'edge')!

describe('pages', () => {
  it('hold every row once, whatever the order and the size of a page', () => {
    const query = fc.record({
      sort: fc.constantFrom(...partitionSorts),
      order: fc.constantFrom('asc' as const, 'desc' as const),
      limit: fc.integer({ min: 1, max: 40 }),
      state: fc.constantFrom('all' as const, 'unhealthy' as const),
    })
    fc.assert(
      fc.property(query, ({ limit, ...rest }) => {
        const seen: string[] = []
        for (let offset = 0; ; offset += limit) {
          const page = partitionPage(hub, { ...rest, search: '', offset, limit })
          seen.push(...page.items.map(row => `${row.topic}-${row.partition}`))
          if (offset + limit >= page.total) break
        }
        assert.equal(new Set(seen).size, seen.length)
        assert.equal(seen.length, 65)
      }),
      { numRuns: 60 },
    )
  })

  it('put what is not known last in either order', () => {
    const rows = [3, null, 1, 2]
    for (const order of ['asc', 'desc'] as const) {
      assert.equal(
        rows
          .toSorted(
            orderBy(
              row => row,
              order,
              () => 0,
            ),
          )
          .at(-1),
        null,
      )
    }
    assert.deepEqual(cut([1, 2, 3], { offset: 2, limit: 5 }), { total: 3, offset: 2, items: [3] })
    assert.equal(byText('a', 'B') > 0, true)
  })

  it('find rows by every word, whatever the letter case', () => {
    assert.equal(matcher('EDGE logs')('logs.edge'), true)
    assert.equal(matcher('edge metrics')('logs.edge'), false)
    assert.equal(matcher('  ')('anything'), true)
  })

  it('leave Kafka’s own topics out unless asked for', () => {
    const ask = (internal: boolean) =>
      topicPage(fleet, {
        search: 'consumer',
        sort: 'name',
        order: 'asc',
        offset: 0,
        limit: 10,
        internal,
        state: 'all',
      }).total
    assert.deepEqual([ask(false), ask(true)], [0, 1])
  })
})

describe('a partition', () => {
  const state = (isr: number, replicas: number, minIsr: number, leader = 1) =>
    partitionStateOf(
      {
        partition: 0,
        leader,
        leaderEpoch: 0,
        replicas: Array.from({ length: replicas }, (_, i) => i),
        isr: Array.from({ length: isr }, (_, i) => i),
        startOffset: 0,
        endOffset: 0,
        sizeBytes: 0,
      },
      minIsr,
    )

  for (const [what, found, expected] of [
    ['whole', state(3, 3, 2), 'ok'],
    ['alone by declaration', state(1, 1, 1), 'ok'],
    ['without one of four replicas', state(3, 4, 2), 'under-replicated'],
    ['with no replica to spare', state(2, 3, 2), 'at-min-isr'],
    ['that acks=all cannot write to', state(1, 3, 2), 'under-min-isr'],
    ['without a leader', state(1, 3, 2, -1), 'offline'],
  ] as const) {
    it(`${what} is ${expected}`, () => assert.equal(found, expected))
  }
})

describe('a broker may be restarted', () => {
  it('when every other is up and every partition stays writable', () => {
    assert.deepEqual(canRestartBroker(edge, 1), { allowed: true, reasons: [] })
  })

  const refused: readonly [string, Parameters<typeof canRestartBroker>, RegExp][] = [
    ['when another is away', [hub, 1], /broker 2 of this cluster is not up/],
    ['when a partition would fall below min ISR', [hub, 1], /writes would stop at .* and 62 more/],
    [
      'when it is not ours to restart',
      [{ ...edge, brokers: edge.brokers.map(broker => ({ ...broker, managed: false })) }, 1],
      /no agent/,
    ],
    [
      'while somebody else acts there',
      [{ ...edge, brokers: edge.brokers.map(each => ({ ...each, leaseRefusals: ['ada holds it'] })) }, 1],
      /ada holds it/,
    ],
    ['when nothing is known of it', [edge, 9], /no agent/],
    [
      'when its cluster cannot be read',
      [{ ...edge, unreachable: { since: 0, message: 'refused' } }, 1],
      /cannot be read \(refused\)/,
    ],
  ]
  for (const [what, [cluster, broker], reason] of refused) {
    it(`not ${what}`, () => {
      const offer = canRestartBroker(cluster, broker)
      assert.equal(offer.allowed, false)
      assert.match(offer.reasons.join('; '), reason)
    })
  }
})

describe('a payload is shown as what it is', () => {
  for (const [what, bytes, encoding, text] of [
    ['nothing', null, 'null', ''],
    ['empty', Buffer.alloc(0), 'utf8', ''],
    ['text', Buffer.from('zwölf'), 'utf8', 'zwölf'],
    ['JSON', Buffer.from('{"a":1}'), 'json', '{"a":1}'],
    ['nearly JSON', Buffer.from('{"a":'), 'utf8', '{"a":'],
    ['invalid UTF-8', Buffer.from([0xc3, 0x28]), 'hex', 'c328'],
    ['control bytes', Buffer.from([0, 1]), 'hex', '0001'],
    [
      'an Avro object of an unknown schema',
      Buffer.from('c301000102030405060708', 'hex'),
      'hex',
      'c301000102030405060708',
    ],
  ] as const) {
    it(what, () => {
      const payload = payloadOf(bytes)
      assert.deepEqual([payload.encoding, payload.text], [encoding, text])
    })
  }

  it('in part when it is large, and says so', () => {
    const payload = payloadOf(Buffer.alloc(1_000_000, 'x'))
    assert.equal(payload.bytes, 1_000_000)
    assert.equal(payload.truncated, true)
    assert.ok(payload.text.length <= 16_384)
  })

  it('without failing on any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        bytes => payloadOf(Buffer.from(bytes)).bytes === bytes.length,
      ),
    )
  })
})

describe('metrics', () => {
  it('are listed by name with the values their labels take', () => {
    const series = ['a', 'b'].map(host => ({
      name: 'host_load',
      labels: { host },
      unit: '',
      lastTime: 5,
      lastValue: 1,
    }))
    assert.deepEqual(metricCatalogue(series), [
      { name: 'host_load', unit: '', group: 'host', series: 2, lastTime: 5, labels: { host: ['a', 'b'] } },
    ])
  })

  it('are bounded in series, keep the largest, say how many are left out, and hold no NaN', () => {
    const series = Array.from({ length: 250 }, (_, i) => ({
      name: 'x',
      labels: { i: String(i) },
      unit: '',
      points: [
        [1, Number.NaN],
        [2, i],
      ] as const,
    }))
    const range = boundedRange(series)
    assert.deepEqual([range.series.length, range.omitted], [200, 50])
    assert.equal(Math.min(...range.series.map(each => each.points[0]![1])), 50)
  })
})
