import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as laterOn } from 'node:timers/promises'
import { createWorld, Killed, mayWrite, TOPIC, type World } from '../../../../test/mirror/simulated.ts'
import { type Random, seededRandom } from '../../../../test/wire/random.ts'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { FAILOVER_CHANGED, FAILOVER_REFUSED, FAILOVER_STUCK } from './errors.ts'
import type { RehearsalOptions } from './rehearsal.ts'
import { carrySwitch } from './run.ts'
import type { FailoverPhase, StepRecord } from './state.ts'

const promote: RehearsalOptions = { action: 'promote', planned: true, consents: [], stay: false }
const demote: RehearsalOptions = { ...promote, action: 'demote' }
const failback: RehearsalOptions = { ...promote, action: 'failback' }
const signal = new AbortController().signal

const APP = 'User:app'
const WORLDS = 50
const MAX_KILLS = 6

/** Moves the reader as its operator would: it stops where it has read to the end, and starts where it was moved to. */
function readerMoves(world: World, to: 'source' | 'target') {
  return ({ name, endedAt }: StepRecord): void => {
    if (endedAt === null) return
    if (name === 'drain-source-groups' || name === 'drain-target-groups') world.readerAt = undefined
    if (name === 'open-target' || name === 'open-source') world.readerAt = to
  }
}

/** Carries a switch out, killed at random moments and begun again by somebody else. */
async function carriedThrough(
  world: World,
  options: RehearsalOptions,
  random: Random,
  onStep?: (step: StepRecord) => void,
): Promise<number> {
  for (let kills = 0; ; kills++) {
    world.killAfter = kills < MAX_KILLS ? random.integer(120) : undefined
    try {
      await carrySwitch(world.context, { ...options, ...(onStep === undefined ? {} : { onStep }) }, signal)
      return kills
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      await dead()
      // It may have been done with all but its last word.
      if (world.state()?.operation === null && finishedAs(world, options)) return kills + 1
    } finally {
      world.killAfter = undefined
    }
  }
}

/** Whatever else the killed one had under way is killed too, at its next call. */
const dead = (): Promise<void> => laterOn()

const ENDS: Readonly<Record<RehearsalOptions['action'], FailoverPhase>> = {
  promote: 'promoted',
  demote: 'copying',
  failback: 'copying',
}

const finishedAs = (world: World, { action }: RehearsalOptions): boolean =>
  world.state()?.past.at(-1)?.action === action && world.state()?.phase === ENDS[action]

function pass(world: World, moves: number): void {
  for (let n = 0; n < moves; n++) world.move()
}

/** Until the reader has read what there is, and the link has copied it. */
function settle(world: World): void {
  const app = world.source.acls.filter(acl => acl.principal === APP)
  world.source.acls = world.source.acls.filter(acl => acl.principal !== APP)
  const total = (logs: readonly string[][]) => logs.reduce((sum, log) => sum + log.length, 0)
  const log = (side: 'source' | 'target') => world[side].topics.get(TOPIC)!.partitions
  for (let n = 0; n < 10_000; n++) {
    const all = total(log('source'))
    if (total(log('target')) === all && total(world.read) >= all) break
    world.move()
  }
  world.source.acls.push(...app)
}

for (const [what, back] of [
  ['promoted and failed back', failback],
  ['promoted and demoted', demote],
] as const)
  test(`${what}, killed at any moment: no record lost or repeated, by nobody, and never two sides open`, async () => {
    const seeds = seededRandom()
    let kills = 0
    for (let n = 0; n < WORLDS; n++) {
      const random = seededRandom(seeds.integer(2 ** 32))
      const world = createWorld({ partitions: 1 + random.integer(3), random })
      const say = `world ${random.seed}`
      let refused = false
      for (let cycle = random.integer(2); cycle >= 0 && !refused; cycle--) {
        pass(world, random.integer(60))
        world.writes = back === failback || random.integer(10) === 0
        kills += await carriedThrough(world, promote, random, readerMoves(world, 'target'))
        world.readerAt = 'target'
        assert.equal(world.state()!.phase, 'promoted', say)
        assert.deepEqual([mayWrite(world.source, APP), mayWrite(world.target, APP)], [false, true], say)
        pass(world, random.integer(60))
        if (back === demote && written(world)) {
          // At once is refused, and said so.
          await assert.rejects(carrySwitch(world.context, back, signal), { code: FAILOVER_REFUSED.code }, say)
          refused = true
          continue
        }
        world.writes = back === failback
        kills += await carriedThrough(world, back, random, readerMoves(world, 'source'))
        world.readerAt = 'source'
        world.writes = true
        const { phase, ours, operation } = world.state()!
        assert.deepEqual([phase, ours, operation], ['copying', { source: [], target: [] }, null], say)
        assert.deepEqual([mayWrite(world.source, APP), mayWrite(world.target, APP)], [true, false], say)
      }
      if (refused) continue
      pass(world, random.integer(40))
      settle(world)
      const logs = world.source.topics.get(TOPIC)!.partitions
      assert.deepEqual(logs, world.acknowledged, say)
      assert.deepEqual(world.target.topics.get(TOPIC)!.partitions, logs, say)
      assert.deepEqual(world.read, logs, say)
      assert.deepEqual(world.wrongs, [], say)
      assert.deepEqual(world.source.topics.get(TOPIC)!.settings, { 'compression.type': 'zstd' }, say)
    }
    console.log(`# seed ${seeds.seed}: ${WORLDS} worlds, ${kills} kills`)
    assert.ok(kills > WORLDS)
  })

/** Whether the target has records that it did not have when it was promoted. */
const written = (world: World): boolean =>
  world.state()!.fork.some(({ partition, end }) => {
    return world.target.topics.get(TOPIC)!.partitions[partition]!.length > end
  })

test('a promotion that is stuck is taken back from wherever it was killed, and everything is as before', async () => {
  const seeds = seededRandom()
  for (let n = 0; n < WORLDS; n++) {
    const random = seededRandom(seeds.integer(2 ** 32))
    const world = createWorld({ partitions: 2, random })
    const say = `world ${random.seed}`
    pass(world, random.integer(40))
    const before = structuredClone([world.source.acls, world.target.acls])
    world.killAfter = random.integer(100)
    const killed = await carrySwitch(world.context, { ...promote, consents: ['allow-repeats'] }, signal).then(
      () => false,
      (error: unknown) => error instanceof Killed,
    )
    await dead()
    world.killAfter = undefined
    if (!killed || world.state() === undefined || world.state()!.operation === null) continue
    try {
      await carriedThrough(world, demote, random)
    } catch (error) {
      // Somebody has written to the target already: there is no way back but a failback.
      assert.ok(isAjnaError(error, FAILOVER_STUCK), `${say}: ${error}`)
      assert.match(String(error), /the target was written to/, say)
      continue
    }
    assert.equal(world.state()!.phase, 'copying', say)
    assert.deepEqual(
      [world.source.acls, world.target.acls].map(acls => new Set(acls.map(each => JSON.stringify(each)))),
      before.map(acls => new Set(acls.map(each => JSON.stringify(each)))),
      say,
    )
    pass(world, 20)
    settle(world)
    assert.deepEqual(world.target.topics.get(TOPIC)!.partitions, world.acknowledged, say)
    assert.deepEqual(world.wrongs, [], say)
  }
})

test('two who carry out the same switch at once do not hurt each other: one goes on, the other is told', async () => {
  const seeds = seededRandom()
  for (let n = 0; n < 40; n++) {
    const random = seededRandom(seeds.integer(2 ** 32))
    const world = createWorld({ partitions: 2, random })
    world.readerAt = undefined
    pass(world, 20)
    const results = await Promise.allSettled([1, 2].map(() => carrySwitch(world.context, promote, signal)))
    const failures = results.flatMap(each => (each.status === 'rejected' ? [each.reason] : []))
    assert.ok(failures.length < 2 || world.state()!.operation !== null, `world ${random.seed}`)
    for (const failure of failures) {
      const cause: unknown = isAjnaError(failure, FAILOVER_STUCK) ? failure.cause : failure
      assert.ok(isAjnaError(cause, FAILOVER_CHANGED), `world ${random.seed}: ${String(failure)}`)
    }
    await carriedThrough(world, promote, random).catch((error: unknown) => {
      assert.ok(isAjnaError(error, FAILOVER_REFUSED))
    })
    assert.equal(world.state()!.phase, 'promoted')
    assert.deepEqual(world.wrongs, [])
  }
})
