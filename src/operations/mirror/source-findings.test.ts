import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findingsOf, type KnownTopic, type SeenTopic, type SourcePolicy } from './source-findings.ts'

const strict: SourcePolicy = { onLoss: 'halt', onSourceDeleted: 'halt', onFewerPartitions: 'halt' }
const lenient: SourcePolicy = { onLoss: 'continue', onSourceDeleted: 'delete', onFewerPartitions: 'widen' }

const known: KnownTopic = {
  name: 'orders',
  id: 'A',
  partitions: [{ partition: 0, copied: 50, end: 80 }],
  settings: { 'retention.ms': '1000', 'cleanup.policy': 'delete' },
}
const seen = (start: number, end: number, fields: Partial<SeenTopic> = {}): SeenTopic => ({
  id: 'A',
  partitions: [{ partition: 0, start, end }],
  settings: known.settings,
  ...fields,
})

test('each way a source can change is found, with the offsets, and acted on by policy', () => {
  const cases: readonly [what: string, SeenTopic | undefined, strict: string[], lenient: string[]][] = [
    ['nothing happened', seen(0, 80), [], []],
    ['it grew, and retention stayed behind', seen(50, 500), [], []],
    ['gone', undefined, ['gone pause'], ['gone delete-copy']],
    ['created again', seen(0, 80, { id: 'B' }), ['recreated pause'], ['recreated pause']],
    ['cut below what was copied', seen(0, 40), ['truncated pause'], ['truncated pause']],
    ['cut above what was copied', seen(0, 60), ['cut-ahead go-on'], ['cut-ahead go-on']],
    ['cut to what was copied', seen(0, 50), ['cut-ahead go-on'], ['cut-ahead go-on']],
    ['overtaken by retention', seen(70, 90), ['overtaken pause'], ['overtaken go-on']],
    [
      'cut and overtaken',
      seen(55, 70),
      ['cut-ahead go-on', 'overtaken pause'],
      ['cut-ahead go-on', 'overtaken go-on'],
    ],
  ]
  for (const [what, now, whenStrict, whenLenient] of cases) {
    const texts = (policy: SourcePolicy) =>
      findingsOf(known, now, policy).map(({ kind, act }) => `${kind} ${act}`)
    assert.deepEqual(texts(strict), whenStrict, what)
    assert.deepEqual(texts(lenient), whenLenient, what)
  }
})

test('the reason names the offsets that are missing, and nothing else', () => {
  const reasons = (now: SeenTopic) => findingsOf(known, now, strict).map(({ reason }) => reason)
  assert.deepEqual(reasons(seen(0, 40)), [
    'partition 0 was cut to 40: the source lost offsets 40 to 49, which the copy has',
  ])
  assert.deepEqual(reasons(seen(51, 80)), [
    'partition 0: the source deleted offset 50 before they were copied',
  ])
  assert.deepEqual(reasons(seen(0, 60)), [
    'partition 0 was cut from 80 to 60: the source lost offsets 60 to 79 before they were copied',
  ])
})

test('new partitions and changed settings', () => {
  const wider = seen(0, 80, {
    partitions: [0, 1, 2].map(partition => ({ partition, start: 0, end: 80 })),
    settings: { 'retention.ms': '2000', 'max.message.bytes': '9' },
  })
  const findings = findingsOf(known, wider, lenient)
  assert.deepEqual(
    findings.map(({ kind, act }) => [kind, act]),
    [
      ['partitions-added', 'go-on'],
      ['settings-changed', 'go-on'],
    ],
  )
  assert.deepEqual(findings[1], {
    kind: 'settings-changed',
    set: { 'cleanup.policy': null, 'max.message.bytes': '9', 'retention.ms': '2000' },
    act: 'go-on',
    reason: 'cleanup.policy delete → default, max.message.bytes default → 9, retention.ms 1000 → 2000',
  })
  assert.equal(findingsOf(known, wider, strict)[0]!.act, 'pause')
})

test('every offset that was seen or copied is accounted for: still there, at the target, or said to be missing', () => {
  const log = fc.tuple(fc.nat(100), fc.nat(100), fc.nat(100), fc.nat(100))
  fc.assert(
    fc.property(log, ([a, b, c, d]) => {
      const [copied, end] = [Math.min(a, b), Math.max(a, b)]
      const [start, newEnd] = [Math.min(c, d), Math.max(c, d)]
      const topic = { ...known, partitions: [{ partition: 0, copied, end }] }
      const findings = findingsOf(topic, seen(start, newEnd), strict)
      if (findings.some(({ kind }) => kind === 'truncated')) return
      const said = findings.flatMap(each => ('missing' in each ? [each.missing] : []))
      for (let offset = 0; offset < end; offset++) {
        const there = offset >= start && offset < newEnd
        const missing = said.some(({ from, to }) => offset >= from && offset < to)
        if (offset >= copied) assert.equal(missing, !there, `offset ${offset}`)
        else assert.ok(!missing)
      }
    }),
  )
})
