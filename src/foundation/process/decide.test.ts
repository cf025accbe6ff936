import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Crash,
  decideRestart,
  type Health,
  type RestartPolicy,
  relevantCrashes,
  stepHealth,
} from './decide.ts'

const policy: RestartPolicy = {
  firstDelayMs: 100,
  maxDelayMs: 1_000,
  stableMs: 10_000,
  maxCrashes: 5,
  windowMs: 60_000,
}

const short = (at: number): Crash => ({ at, ranMs: 50 })
const long = (at: number): Crash => ({ at, ranMs: 10_000 })

const cases: readonly [promise: string, crashes: readonly Crash[], expected: object][] = [
  ['restarts soon after a first crash', [short(0)], { act: 'restart', afterMs: 100 }],
  [
    'waits twice as long after each short life',
    [short(0), short(200), short(500)],
    { act: 'restart', afterMs: 400 },
  ],
  [
    'never waits longer than the limit',
    [short(0), short(50_000), short(100_000), short(150_000), short(200_000), short(250_000)],
    { act: 'restart', afterMs: 1_000 },
  ],
  [
    'restarts soon after a good life, whatever came before',
    [short(0), short(1), short(2), short(3), long(20_000)],
    { act: 'restart', afterMs: 100 },
  ],
  [
    'begins the back-off anew after a good life',
    [short(0), short(1), long(20_000), short(20_100)],
    { act: 'restart', afterMs: 100 },
  ],
  [
    'gives up after as many short lives as are allowed in the window',
    [0, 1_000, 2_000, 3_000, 4_000].map(short),
    { act: 'give-up', crashes: 5, withinMs: 4_000, reason: 'crashed 5 times in 4.0 s' },
  ],
  [
    'goes on when they are spread wider than the window',
    [0, 30_000, 60_000, 90_000, 120_000].map(short),
    { act: 'restart', afterMs: 1_000 },
  ],
  [
    'never gives up on what a full disk keeps from running, and says so',
    [0, 1, 2, 3, 4, 5].map(at => ({ ...short(at), hindrance: 'the disk is full' })),
    { act: 'restart', afterMs: 1_000, reason: 'the disk is full' },
  ],
  [
    'does not count against a process what happened while the disk was full',
    [{ ...short(0), hindrance: 'the disk is full' }, ...[1, 2, 3, 4].map(short)],
    { act: 'restart', afterMs: 1_000 },
  ],
  [
    'counts a crash on the edge of the window',
    [0, 1, 2, 3, 60_000].map(short),
    { act: 'give-up', crashes: 5 },
  ],
  [
    'counts a failed start as a short life',
    [0, 1, 2, 3, 4].map(at => ({ at, ranMs: 0 })),
    { act: 'give-up', crashes: 5 },
  ],
]

for (const [promise, crashes, expected] of cases)
  test(promise, () => {
    const { reason, ...decision } = decideRestart(crashes, policy)
    assert.ok(reason.length > 0)
    assert.deepEqual(
      { ...decision, ...('reason' in expected ? { reason } : {}) },
      { ...decision, ...expected },
    )
  })

test('forgetting irrelevant crashes never changes the decision, and memory stays bounded', () => {
  const lives = fc.array(fc.record({ gap: fc.nat(40_000), ranMs: fc.nat(15_000) }), {
    minLength: 1,
    maxLength: 120,
  })
  fc.assert(
    fc.property(lives, entries => {
      let at = 0
      let kept: readonly Crash[] = []
      const all: Crash[] = []
      for (const { gap, ranMs } of entries) {
        at += gap + ranMs
        all.push({ at, ranMs })
        kept = relevantCrashes([...kept, { at, ranMs }], policy)
        assert.ok(kept.length <= policy.maxCrashes + 30)
        assert.deepEqual(
          withoutReason(decideRestart(kept, policy)),
          withoutReason(decideRestart(all, policy)),
        )
      }
    }),
  )
})

const withoutReason = (decision: object): object => ({ ...decision, reason: undefined })

const healthPolicy = { readyWithinMs: 1_000, missesAllowed: 3 }

test('tells readiness once, lateness once, sickness after three misses, recovery at the first answer', () => {
  let health: Health = { kind: 'starting', late: false }
  const told = [
    [false, 500],
    [false, 1_000],
    [false, 1_500],
    [true, 2_000],
    [true, 2_500],
    [false, 3_000],
    [false, 3_500],
    [true, 4_000],
    [false, 4_500],
    [false, 5_000],
    [false, 5_500],
    [false, 6_000],
    [true, 6_500],
  ].map(([well, elapsed]) => {
    const step = stepHealth(health, well as boolean, elapsed as number, healthPolicy)
    health = step.health
    return step.tell ?? '-'
  })
  assert.deepEqual(told, [
    '-',
    'not-ready',
    '-',
    'ready',
    '-',
    '-',
    '-',
    '-',
    '-',
    '-',
    'unhealthy',
    '-',
    'healthy',
  ])
})
