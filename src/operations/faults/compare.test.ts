import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareFailures, type EarlierFigures, gotWorse, readEarlier, renderCompared } from './compare.ts'

const figures = (change: Partial<EarlierFigures> = {}): EarlierFigures => ({
  kind: 'broker-kill',
  runs: 5,
  detectionMs: 200,
  availabilityRestoredMs: { median: 1_000, worst: 1_400 },
  redundancyRestoredMs: { median: 8_000, worst: 9_000 },
  lost: 0,
  duplicated: 0,
  ...change,
})

const verdicts = (now: Partial<EarlierFigures>, before: Partial<EarlierFigures> = {}) =>
  Object.fromEntries(
    compareFailures([figures(before)], [figures(now)])[0]!.figures.map(({ what, verdict }) => [
      what,
      verdict,
    ]),
  )

test('what runs differ by among themselves is noise; what is beyond the worst there was is worse', () => {
  assert.equal(verdicts({}).available, 'same')
  assert.equal(verdicts({ availabilityRestoredMs: { median: 1_390, worst: 9_000 } }).available, 'noise')
  assert.equal(verdicts({ availabilityRestoredMs: { median: 1_450, worst: 1_500 } }).available, 'noise')
  assert.equal(verdicts({ availabilityRestoredMs: { median: 1_600, worst: 1_700 } }).available, 'worse')
  assert.equal(verdicts({ redundancyRestoredMs: { median: 5_000, worst: 5_500 } }).redundant, 'better')
})

test('never is worse than any time, and one lost record is worse, whatever else', () => {
  const never = { median: null, worst: null }
  assert.equal(verdicts({ availabilityRestoredMs: never }).available, 'worse')
  assert.equal(verdicts({}, { availabilityRestoredMs: never }).available, 'better')
  assert.equal(verdicts({ lost: 1 }).lost, 'worse')
  assert.equal(verdicts({ duplicated: 1 }, { duplicated: 2 }).duplicated, 'better')
})

test('a baseline without a healer detects nothing, and that is not held against either', () => {
  assert.equal(verdicts({ detectionMs: 300 }, { detectionMs: null }).detected, 'noise')
  assert.equal(verdicts({ detectionMs: 3_000 }).detected, 'worse')
})

test('only kinds that both have are compared, side by side', () => {
  const compared = compareFailures([figures()], [figures({ lost: 2 }), figures({ kind: 'zombie' })])
  assert.deepEqual(
    compared.map(({ kind }) => kind),
    ['broker-kill'],
  )
  assert.ok(gotWorse(compared))
  assert.match(renderCompared(compared), /broker-kill +5, 5 +200 +1,000 +8,000 +0 → 2 WORSE/)
})

test('what is no earlier report is refused with what it lacks', () => {
  const text = JSON.stringify({ version: '4.3.1', healer: null, failures: [figures()] })
  assert.equal(readEarlier(text, 'a.json').failures[0]!.kind, 'broker-kill')
  assert.throws(() => readEarlier('{"version":"4.3.1"}', 'a.json'), {
    code: 'CONFIG_INVALID',
    message: /a\.json/,
  })
})
