import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IntervalSet } from '../../foundation/positions/intervals.ts'
import { account, emptyAccount } from './accounts.ts'
import { decideRolls, type RollRules, type TailFacts } from './decide.ts'
import { hourCode, hourOfCode } from './hours.ts'
import { patternOf } from './patterns.ts'

const rules: RollRules = { bytes: 1_000, rows: 100, ms: 60_000, tailBytes: 10_000, unknownStreamMs: 5_000 }
const tail = (changes: Partial<TailFacts>): TailFacts => ({
  key: 'a',
  rows: 1,
  bytes: 10,
  since: 0,
  undescribedSince: undefined,
  ...changes,
})

test('a tail becomes objects when it is large, long, or old', () => {
  const table: [Partial<TailFacts>, number, string | undefined][] = [
    [{}, 1_000, undefined],
    [{ bytes: 1_000 }, 0, 'bytes'],
    [{ rows: 100 }, 0, 'rows'],
    [{}, 60_000, 'age'],
    [{ since: undefined }, 99_999_999, undefined],
    [{ rows: 0, bytes: 0 }, 60_000, 'age'],
  ]
  for (const [facts, now, reason] of table)
    assert.equal(decideRolls([tail(facts)], rules, now)[0]?.reason, reason, JSON.stringify([facts, now]))
})

test('waits for the descriptions of streams a while, but not while memory presses', () => {
  const undescribed = tail({ bytes: 1_000, undescribedSince: 0 })
  assert.deepEqual(decideRolls([undescribed], rules, 4_999), [])
  assert.deepEqual(decideRolls([undescribed], rules, 5_000), [{ key: 'a', reason: 'bytes' }])
  const pressed = [tail({ bytes: 5_500, undescribedSince: 0 }), tail({ key: 'b' })]
  assert.deepEqual(decideRolls(pressed, rules, 0), [{ key: 'a', reason: 'pressure' }])
})

test('under pressure the largest goes first, however young', () => {
  const many = Array.from({ length: 10 }, (_, i) => tail({ key: `${i}`, bytes: 600 + i }))
  assert.deepEqual(decideRolls(many, rules, 0), [{ key: '9', reason: 'pressure' }])
})

test('an account holds each byte once and says which came again', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(12))), parts => {
      const into = emptyAccount()
      const times = new Map<number, number>()
      for (const [start, length] of parts) {
        account(into, start, start + length)
        for (let at = start; at < start + length; at++) times.set(at, (times.get(at) ?? 0) + 1)
      }
      const setOf = (least: number): IntervalSet =>
        IntervalSet.of(...[...times].filter(([, n]) => n >= least).map(([at]) => [at, at + 1] as const))
      assert.deepEqual([...into.held], [...setOf(1)])
      assert.deepEqual([...into.repeated], [...setOf(2)])
    }),
  )
})

test('files a running log by the hour of its event time, an old one by the day it came', () => {
  const shipped = Date.UTC(2026, 10, 23, 5, 30)
  const filed = (time: number) => hourOfCode(hourCode(time, shipped))
  assert.deepEqual(filed(shipped), { date: '2026-11-23', hour: '05' })
  assert.deepEqual(filed(shipped - 6 * 3_600_000), { date: '2026-11-22', hour: '23' })
  assert.deepEqual(filed(shipped - 25 * 3_600_000), { date: '2026-11-23', hour: 'backfill' })
  assert.deepEqual(filed(shipped + 2 * 3_600_000), { date: '2026-11-23', hour: 'backfill' })
  assert.deepEqual(hourOfCode(hourCode(0, 0)), { date: '1970-01-01', hour: '00' })
})

test('patterns match as a reader expects', () => {
  const yes = [
    'logs.*|logs.edge',
    '*|',
    '*|anything',
    'a*c|abc',
    'a*c|ac',
    'a*b*c|aXbYc',
    '/var/*/app.log|/var/log/x/app.log',
    'same|same',
  ]
  const no = ['logs.*|metrics.edge', 'a*a|a', 'same|samee', 'logs.*|xlogs.edge', 'a*b*b|ab', 'l.gs|logs']
  for (const [expected, list] of [
    [true, yes],
    [false, no],
  ] as const)
    for (const each of list) {
      const [pattern = '', text = ''] = each.split('|')
      assert.equal(patternOf(pattern)(text), expected, each)
    }
})
