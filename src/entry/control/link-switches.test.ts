import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWorld, type World } from '../../../test/mirror/simulated.ts'
import { seededRandom } from '../../../test/wire/random.ts'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { type Activity, supersedes } from '../../operations/fleet/activity/contract.ts'
import type { SwitchRequest } from '../api/platform.ts'
import { linkSwitches } from './link-switches.ts'

const promote: SwitchRequest = { action: 'promote', planned: true, consents: [], stay: false, goOn: false }
const ADA = { actor: 'ada', reason: 'the site moves' }
const BOB = { actor: 'bob', reason: 'control was killed' }

/** The activity as its journal keeps it. */
function activity() {
  const entries = new Map<string, Activity>()
  return {
    entries,
    async record(entry: Activity): Promise<Activity> {
      const earlier = entries.get(entry.id)
      if (earlier === undefined || supersedes(entry, earlier)) entries.set(entry.id, entry)
      return entry
    },
    ended: (id: string) => until(() => entries.get(id)?.outcome !== 'running'),
  }
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise(resolve => setImmediate(resolve))
}

/** A control process over a world; the signal is its life. */
function control(world: World, told: ReturnType<typeof activity>, signal: AbortSignal) {
  return linkSwitches({
    open: async () => ({ context: world.context, [Symbol.asyncDispose]: async () => undefined }),
    record: told.record,
    known: id => told.entries.get(id),
    signal,
    log: silentLogger,
  })
}

/** The world's reader stops where it has read to the end, as its operator would have it. */
function worldOf(seed: number): World {
  const world = createWorld({ partitions: 3, random: seededRandom(seed) })
  world.readerAt = undefined
  return world
}

test('a switch that the end of control interrupted is gone on with by the same call, and told as one, by whom it was begun', async () => {
  const world = worldOf(1)
  const told = activity()
  const life = new AbortController()
  const first = control(world, told, life.signal)
  const begun = await first.carry('link', promote, ADA)
  assert.deepEqual([begun.action, begun.outcome, begun.actor], ['link.promote', 'running', 'ada'])
  assert.equal(first.atWork('link'), true)
  life.abort(new Error('control ends'))
  await until(() => !first.atWork('link'))
  assert.equal(world.state()?.phase, 'promoting')
  assert.equal(told.entries.get(begun.id)?.outcome, 'running', 'what stands is not said to have ended')

  const second = control(world, told, new AbortController().signal)
  const again = await second.carry('link', { ...promote, goOn: true }, BOB)
  assert.equal(again.id, begun.id)
  await told.ended(begun.id)
  const entry = told.entries.get(begun.id)!
  assert.deepEqual([entry.outcome, entry.actor, entry.reason], ['done', 'ada', 'the site moves'])
  assert.deepEqual(entry.evidence[0], { label: 'gone on with by', value: 'bob' })
  assert.equal(world.state()?.phase, 'promoted')
})

test('one switch of a link at a time: the same one is refused, the opposite one stops it and takes it back', async () => {
  const world = worldOf(2)
  const told = activity()
  const switches = control(world, told, new AbortController().signal)
  const begun = await switches.carry('link', promote, ADA)
  await assert.rejects(switches.carry('link', { ...promote, goOn: true }, BOB), error =>
    isAjnaError(error, 'API_SWITCH_AT_WORK'),
  )
  const back = await switches.carry('link', { ...promote, action: 'demote' }, BOB)
  await told.ended(back.id)
  assert.equal(told.entries.get(back.id)?.outcome, 'done')
  assert.match(told.entries.get(begun.id)?.summary ?? '', /promotion failed: taken back by a demotion/)
  assert.equal(world.state()?.phase, 'copying')
})

test('what is refused is told as refused, with the reasons; nothing is gone on with that is not under way', async () => {
  const world = worldOf(3)
  const told = activity()
  const switches = control(world, told, new AbortController().signal)
  await assert.rejects(switches.carry('link', { ...promote, goOn: true }, ADA), error =>
    isAjnaError(error, 'API_SWITCH_NOT_UNDER_WAY'),
  )
  await assert.rejects(switches.carry('link', { ...promote, action: 'failback' }, ADA), error =>
    isAjnaError(error, 'FAILOVER_REFUSED'),
  )
  const [entry] = [...told.entries.values()]
  assert.deepEqual([told.entries.size, entry?.outcome, entry?.actor], [1, 'refused', 'ada'])
  assert.match(entry?.summary ?? '', /failback refused: .*does not apply/)
  assert.equal(switches.atWork('link'), false)
})
