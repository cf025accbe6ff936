import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judge, type LagVerdict, lagWindow, linkVerdicts, type Sample, worst } from './verdict.ts'

const EVERY = 1_000
const options = { everyMs: EVERY }

/** Samples a second apart, the last of them at 0. */
function said(positions: readonly number[], ends: readonly number[]): Sample[] {
  return positions.map((position, index) => ({
    at: (index - positions.length + 1) * EVERY,
    position,
    end: ends[index]!,
  }))
}

const ten = <T>(make: (index: number) => T): T[] => Array.from({ length: 10 }, (_, index) => make(index))

test('the five verdicts, by Burrow’s rules', () => {
  const cases: readonly [what: string, samples: Sample[], end: number, now: number, verdict: LagVerdict][] = [
    ['nothing was ever said', [], 100, 0, 'ok'],
    [
      'caught up',
      said(
        ten(i => i * 10),
        ten(i => i * 10),
      ),
      90,
      0,
      'ok',
    ],
    [
      'behind, but once it had everything',
      said(
        ten(i => i),
        ten(i => (i === 4 ? 4 : 90)),
      ),
      90,
      0,
      'ok',
    ],
    [
      'behind, and coming nearer',
      said(
        ten(i => i * 10),
        ten(() => 200),
      ),
      200,
      0,
      'ok',
    ],
    [
      'behind, coming nearer only once',
      said(
        ten(i => i * 10),
        ten(i => 100 + i * 10 - (i === 7 ? 1 : 0)),
      ),
      200,
      0,
      'ok',
    ],
    [
      'behind, never nearer',
      said(
        ten(i => i * 10),
        ten(i => 100 + i * 20),
      ),
      280,
      0,
      'warning',
    ],
    [
      'behind, always as far',
      said(
        ten(i => i * 10),
        ten(i => 100 + i * 10),
      ),
      190,
      0,
      'warning',
    ],
    [
      'behind, standing still',
      said(
        ten(() => 50),
        ten(() => 100),
      ),
      100,
      0,
      'stalled',
    ],
    [
      'behind, standing still, the log grows',
      said(
        ten(() => 50),
        ten(i => 100 + i),
      ),
      110,
      0,
      'stalled',
    ],
    [
      'silent for a window',
      said(
        ten(i => i * 10),
        ten(() => 200),
      ),
      200,
      9_001,
      'stopped',
    ],
    [
      'silent for just less',
      said(
        ten(i => i * 10),
        ten(() => 200),
      ),
      200,
      9_000,
      'ok',
    ],
    [
      'silent, and standing still before',
      said(
        ten(() => 50),
        ten(() => 100),
      ),
      100,
      60_000,
      'stopped',
    ],
    [
      'silent, with everything',
      said(
        ten(() => 100),
        ten(() => 100),
      ),
      100,
      60_000,
      'ok',
    ],
    [
      'went back',
      said(
        ten(i => (i < 5 ? 50 + i : i)),
        ten(() => 100),
      ),
      100,
      0,
      'rewound',
    ],
    [
      'went back from where it had everything',
      said(
        ten(i => (i < 5 ? 100 : i)),
        ten(() => 100),
      ),
      100,
      0,
      'rewound',
    ],
    [
      'went back, and is back',
      said(
        [50, 60, 55, 60, 70, 75, 80, 85, 90, 95],
        ten(() => 100),
      ),
      100,
      0,
      'ok',
    ],
    [
      'went back to where nothing follows',
      said(
        ten(i => (i < 5 ? 50 : 20)),
        ten(() => 20),
      ),
      20,
      0,
      'ok',
    ],
    ['said one thing only', said([5], [10]), 10, 1_000, 'ok'],
    ['said one thing only, long ago', said([5], [10]), 10, 9_001, 'stopped'],
  ]
  for (const [what, samples, end, now, verdict] of cases)
    assert.equal(judge(samples, end, now, options).verdict, verdict, what)
})

test('a window that is not full yet is as long as a full one: two samples do not make a follower stopped', () => {
  const samples = said([5, 6], [10, 11])
  assert.equal(judge(samples, 11, 5_000, options).verdict, 'warning')
  assert.equal(judge(samples, 11, 9_001, options).verdict, 'stopped')
  assert.equal(judge(samples, 11, 0, options).complete, 0.2)
})

test('one that had everything a moment ago is not stopped because a record came', () => {
  const idle = said(
    ten(() => 100),
    ten(() => 100),
  )
  assert.equal(judge(idle, 101, 60_000, options, [100, 100, 101]).verdict, 'ok')
  assert.equal(judge(idle, 101, 60_000, options, [101, 101, 101]).verdict, 'stopped')
})

test('the reason names what was seen', () => {
  const say = (samples: Sample[], end: number, now = 0) => judge(samples, end, now, options).reason
  assert.equal(
    say(
      said(
        ten(() => 50),
        ten(() => 100),
      ),
      100,
    ),
    'it has stood at 50 for 9 s, 50 records behind',
  )
  assert.equal(
    say(
      said(
        ten(i => (i < 5 ? 50 : 10)),
        ten(() => 100),
      ),
      100,
    ),
    'it went back from 50 to 10, and stands at 10',
  )
  assert.equal(
    say(
      said(
        ten(i => i),
        ten(i => 10 + i * 2),
      ),
      30,
    ),
    'it falls behind: 10 records 9 s ago, 21 now',
  )
  assert.equal(
    say(
      said(
        ten(i => i),
        ten(() => 50),
      ),
      50,
      20_000,
    ),
    'it has said nothing for 20 s, 41 records behind',
  )
})

test('allowed lag counts as caught up', () => {
  const samples = said(
    ten(() => 50),
    ten(() => 53),
  )
  assert.equal(judge(samples, 53, 0, { ...options, allowedLag: 3 }).verdict, 'ok')
  assert.equal(judge(samples, 54, 0, { ...options, allowedLag: 2 }).verdict, 'stalled')
})

test('a window slides, and a word heard twice counts once', () => {
  const window = lagWindow(options)
  for (let i = 0; i < 30; i++) {
    const sample = { at: i * EVERY, position: 50, end: 100 + i }
    window.note(sample)
    window.note(sample)
  }
  const judged = window.judge(130, 29_000)
  assert.equal(judged.verdict, 'stalled')
  assert.equal(judged.reason, 'it has stood at 50 for 9 s, 80 records behind')
  assert.equal(judged.complete, 1)
})

test('several partitions are as bad as the worst', () => {
  const of = (verdict: LagVerdict) => ({ verdict, reason: '', lag: 0, complete: 1 })
  assert.equal(worst([])?.verdict, undefined)
  assert.equal(worst([of('ok'), of('warning'), of('ok')])?.verdict, 'warning')
  assert.equal(worst([of('warning'), of('stopped'), of('ok')])?.verdict, 'stopped')
})

test('nobody who has everything is ever blamed, and only who went back is rewound', () => {
  const step = fc.record({
    read: fc.integer({ min: -20, max: 30 }),
    grown: fc.nat(20),
    ms: fc.integer({ min: 1, max: 5_000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.nat(100_000), (steps, later) => {
      let at = 0
      let end = 100
      let position = 50
      const samples: Sample[] = []
      for (const { read, grown, ms } of steps) {
        at += ms
        end += grown
        position = Math.max(0, Math.min(end, position + read))
        samples.push({ at, position, end })
      }
      const { verdict, reason, lag } = judge(samples, end, at + later, options)
      assert.equal(verdict === 'ok', reason === '')
      if (lag === 0) assert.equal(verdict, 'ok')
      const seen = samples.slice(-10)
      const fell = seen.some((each, index) => index > 0 && each.position < seen[index - 1]!.position)
      if (verdict === 'rewound') assert.ok(fell)
      if (verdict === 'stalled') assert.equal(new Set(seen.map(each => each.position)).size, 1)
    }),
  )
})

test('of a link, a partition that stands still beside others that flow is named, and one that has caught up is well again', () => {
  const verdicts = linkVerdicts()
  const said = (
    partition: number,
    targetEnd: number,
    sourceEnd: number,
    state: 'copying' | 'halted' = 'copying',
  ) => ({
    topic: 't',
    partition,
    state,
    targetEnd,
    sourceEnd,
  })
  let [at, partitions] = [0, [said(0, 5, 9)]]
  for (let second = 0; second < 12; second++) {
    at = 1_000 * second
    partitions = [said(0, 5, 9 + second), said(1, second, second + 1), said(2, 3, 9, 'halted'), said(3, 4, 4)]
    verdicts.note({ observedAt: at, partitions })
  }
  const found = partitions.map(each => verdicts.judge(each, at)?.verdict)
  assert.deepEqual(found, ['stalled', 'warning', undefined, 'ok'])
  const caughtUp = said(0, 30, 30)
  verdicts.note({ observedAt: at + 1_000, partitions: [caughtUp] })
  assert.equal(verdicts.judge(caughtUp, at + 1_000)?.verdict, 'ok')
  const more = said(0, 30, 31)
  verdicts.note({ observedAt: at + 2_000, partitions: [more] })
  assert.equal(verdicts.judge(more, at + 2_000)?.verdict, 'ok', 'one record that just came')
})

test('a worker that says nothing any more leaves its partitions stopped, not those of the others', () => {
  const verdicts = linkVerdicts()
  const said = (partition: number, observedAt: number, targetEnd: number) => {
    return { topic: 't', partition, state: 'copying' as const, targetEnd, sourceEnd: 100, observedAt }
  }
  let partitions = [said(0, 0, 5), said(1, 0, 5)]
  for (let second = 0; second < 25; second++) {
    partitions = [
      said(0, Math.min(second, 5) * 1_000, 5 + Math.min(second, 5)),
      said(1, second * 1_000, 5 + second),
    ]
    verdicts.note({ observedAt: 0, partitions })
  }
  assert.deepEqual(
    partitions.map(each => verdicts.judge(each, 24_000)?.verdict),
    ['stopped', 'ok'],
  )
})
