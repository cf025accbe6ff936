import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { silentLogger } from '../../foundation/log/log.ts'
import type { Begun, Turn } from './begin.ts'
import { Lane } from './lane.ts'
import { type End, type Tended, type Tending, tend } from './tend.ts'

interface Scene {
  readonly lane: Lane
  readonly tended: Tended
  /** What was asked for, in order. */
  readonly asked: string[]
  /** Answers what is under way; until then it is. */
  answer(with_: Begun | End | Error): Promise<void>
  paused: boolean
}

const COPY: Begun = { kind: 'copy', from: 7, at: 7, mapping: undefined, sequence: 7, epoch: 0 }

/** A partition whose looks and copying end when the test says so, whatever its turn's signal says. */
function scene(paused = false): Scene {
  const asked: string[] = []
  let pending: { resolve(value: never): void; reject(error: Error): void } | undefined
  const wait = (what: string): Promise<never> => {
    asked.push(what)
    const { promise, resolve, reject } = Promise.withResolvers<never>()
    pending = { resolve, reject }
    return promise
  }
  const state = { paused }
  const tending: Tending = {
    paused: () => state.paused,
    turn: (signal): Turn => ({ signal, author: { producerId: 1n, coordinatorEpoch: 1 }, holds: () => true }),
    begin: () => wait('begin'),
    copy: (_lane, { from }) => wait(`copy from ${from}`),
    isRefusal: error => error instanceof RangeError,
    log: silentLogger,
  }
  const lane = new Lane('t', 0, 't', 0)
  return {
    lane,
    tended: tend(lane, tending),
    asked,
    async answer(value) {
      for (; pending === undefined; await sleep(1));
      const { resolve, reject } = pending
      pending = undefined
      if (value instanceof Error) reject(value)
      else resolve(value as never)
      // What follows from it takes no time: it is asked for by then.
      await turn()
    },
    get paused() {
      return state.paused
    },
    set paused(value: boolean) {
      state.paused = value
    },
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !isSo(); await sleep(2))
    if (performance.now() > end) assert.fail(`did not come about: ${what}`)
}

test('a doubt leads back to looking at both logs, a failure too, and neither ends the care', async () => {
  const at = scene()
  await at.answer(COPY)
  await at.answer({ kind: 'doubt', reason: 'a lost answer', state: 'waiting' })
  assert.deepEqual([at.lane.state, at.lane.reason], ['waiting', 'a lost answer'])
  await at.answer(new RangeError('no rights'))
  assert.deepEqual([at.lane.state, at.lane.reason], ['blocked', 'no rights'])
  at.tended.restart()
  await at.answer(COPY)
  assert.deepEqual(at.asked, ['begin', 'copy from 7', 'begin', 'begin', 'copy from 7'])
})

test('a halted partition stays so until it is restarted, whatever interrupts it', async () => {
  const at = scene()
  await at.answer({ kind: 'halt', halted: 'target-ahead', reason: 'the source lost something' })
  assert.deepEqual([at.lane.state, at.lane.halted], ['halted', 'target-ahead'])
  at.tended.interrupt()
  await turn()
  assert.deepEqual([at.lane.state, at.asked.length], ['halted', 1])
  at.tended.restart()
  await until('it is looked at again', () => at.asked.length === 2)
  assert.deepEqual([at.lane.state, at.lane.halted], ['starting', null])
})

test('nothing is begun of a partition that is paused, and it goes on with a look', async () => {
  const at = scene(true)
  await turn()
  assert.deepEqual([at.lane.state, at.asked], ['paused', []])
  at.paused = false
  at.tended.interrupt()
  await at.answer(COPY)
  assert.deepEqual(at.asked, ['begin', 'copy from 7'])
})

test('a partition is let go only when nothing of it is under way, be it a look or copying', async () => {
  for (const first of [undefined, COPY]) {
    const at = scene()
    if (first !== undefined) await at.answer(first)
    let gone = false
    const leaving = at.tended.leave().then(() => {
      gone = true
    })
    await turn()
    assert.equal(gone, false)
    await at.answer(first === undefined ? COPY : { kind: 'interrupted' })
    await leaving
    assert.equal(
      at.asked.at(-1),
      first === undefined ? 'begin' : 'copy from 7',
      'nothing was begun after that',
    )
  }
})
