import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Expectation } from '../judge.ts'
import { randomOf } from '../random.ts'
import { faultMs, lastsMs, readScenario } from '../scenario.ts'
import { composableKinds, composeSteps, scenarioOfSteps } from './compose.ts'
import { type ExploreTask, explore } from './run.ts'
import { shrink } from './shrink.ts'

const composed = fc.record({ seed: fc.nat(), nodes: fc.integer({ min: 3, max: 5 }) })

test('what is composed is allowed, bounded, one fault at a time, on a minority of the brokers, and the same for a seed', () => {
  fc.assert(
    fc.property(composed, ({ seed, nodes }) => {
      const steps = composeSteps({ random: randomOf(seed), kinds: composableKinds, nodes })
      assert.deepEqual(composeSteps({ random: randomOf(seed), kinds: composableKinds, nodes }), steps)
      const { scenario, text } = scenarioOfSteps('explored', 7, nodes, steps)
      assert.ok(lastsMs(scenario) < 15 * 60_000)
      let over = 0
      for (const fault of scenario.faults) {
        assert.ok(fault.at > over, 'one after another')
        over = fault.at + faultMs(fault)
        assert.ok(fault.broker.length <= (nodes - 1) / 2)
        assert.ok(!fault.broker.includes('all'))
      }
      assert.deepEqual(readScenario(text, 'explored.yaml'), scenario, 'the file says the same')
    }),
  )
})

const isIn = (wanted: readonly number[], all: readonly number[]): boolean => {
  let next = 0
  for (const each of all) if (each === wanted[next]) next++
  return next === wanted.length
}

test('a failing sequence is shrunk to exactly what makes it fail, whatever stands around it', async () => {
  const sequences = fc.uniqueArray(fc.nat(1_000), { minLength: 1, maxLength: 12 }).chain(all =>
    fc.record({
      all: fc.constant(all),
      wanted: fc.subarray(all, { minLength: 1 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(sequences, async ({ all, wanted }) => {
      let asked = 0
      const fails = async (candidate: readonly number[]): Promise<boolean> => {
        asked++
        assert.ok(candidate.length < all.length)
        return isIn(wanted, candidate)
      }
      const { sequence, replays, isShortest } = await shrink(all, fails, 1_000)
      assert.deepEqual(sequence, wanted)
      assert.deepEqual([replays, isShortest], [asked, true])
    }),
  )
})

test('shrinking ends when there is no more time, with what is known to fail', async () => {
  const all = Array.from({ length: 64 }, (_, index) => index)
  const { sequence, replays, isShortest } = await shrink(all, async found => isIn([3, 60], found), 5)
  assert.deepEqual([replays, isShortest], [5, false])
  assert.ok(isIn([3, 60], sequence))
})

const MISSED: readonly Expectation[] = [{ what: 'lost', expected: '0', found: '3', met: false }]
const task: ExploreTask = {
  ...{ seed: 11, kinds: composableKinds, nodes: 3, until: Date.now() + 600_000 },
  random: randomOf(11),
  runRound: async () => [],
  note: () => undefined,
}

test('the first failing round is replayed and shrunk to the fault that makes it fail, as a file that can be run', async () => {
  const { rounds, found } = await explore({
    ...task,
    random: randomOf(11),
    runRound: async ({ scenario }) =>
      scenario.faults.some(({ fault }) => fault === 'throttle') ? MISSED : [],
  })
  assert.equal(found!.round, rounds)
  assert.deepEqual(
    found!.faults.map(({ fault }) => fault),
    ['throttle'],
  )
  assert.deepEqual([found!.again, found!.isShortest, found!.missed], [true, true, MISSED])
  const scenario = readScenario(found!.scenario, 'found.yaml')
  assert.deepEqual(
    scenario.faults.map(({ fault }) => fault),
    ['throttle'],
  )
})

test('what fails once and not again is told so, whole', async () => {
  let runs = 0
  const { found } = await explore({ ...task, runRound: async () => (++runs === 1 ? MISSED : []) })
  assert.deepEqual([found!.again, found!.replays, found!.round], [false, 1, 1])
})

test('rounds end with the time, and one is run however short it is', async () => {
  assert.deepEqual(await explore({ ...task, until: 0 }), { rounds: 1, found: null })
})
