import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createParking, EXPECTED_BYTES, MAX_LIMITED_BYTES } from './parking.ts'

interface TestLane {
  readonly topic: string
  readonly id: number
}

function scene(limited: Set<string>, lanes: number) {
  const opened: number[] = []
  const parking = createParking<TestLane>(
    topic => limited.has(topic),
    lane => opened.push(lane.id),
  )
  const all = Array.from({ length: lanes }, (_, id) => ({ topic: 'slow', id }))
  return { opened, parking, all, limited }
}

/** A lane's fetch arrives: it is taken, or the lane is parked. */
function arrive({ parking }: ReturnType<typeof scene>, lane: TestLane, now = 0): boolean {
  if (!parking.admits(lane, now)) return false
  parking.note(lane, EXPECTED_BYTES, now)
  return true
}

test('a topic without a limit is read however much waits', () => {
  const at = scene(new Set(), 1)
  for (let n = 0; n < 100; n++) assert.ok(arrive(at, at.all[0]!))
})

test('of a limited topic little waits at a time, whatever the number of its partitions, and each gets its turn', () => {
  const at = scene(new Set(['slow']), 20)
  let waiting = 0
  const turns = new Map(at.all.map(({ id }) => [id, 0]))
  const open = new Set(at.all)
  for (let round = 0; round < 400; round++) {
    for (const lane of [...open]) {
      if (!arrive(at, lane)) {
        open.delete(lane)
        continue
      }
      waiting += EXPECTED_BYTES
      turns.set(lane.id, turns.get(lane.id)! + 1)
    }
    assert.ok(waiting <= MAX_LIMITED_BYTES)
    at.parking.note(at.all[0]!, -EXPECTED_BYTES, 0)
    waiting -= EXPECTED_BYTES
    for (const id of at.opened.splice(0)) open.add(at.all[id]!)
  }
  assert.ok(
    [...turns.values()].every(count => count > 5),
    JSON.stringify([...turns]),
  )
})

test('a lane that is read again and brings nothing does not hold the others up for ever', () => {
  const at = scene(new Set(['slow']), 8)
  for (const lane of at.all) arrive(at, lane)
  at.parking.note(at.all[0]!, -MAX_LIMITED_BYTES, 0)
  const before = at.opened.length
  assert.ok(before > 0 && before < 4)
  at.parking.review(60_000)
  assert.ok(at.opened.length > before)
})

test('when the limit goes, everything parked is read on', () => {
  const at = scene(new Set(['slow']), 10)
  const taken = at.all.filter(lane => arrive(at, lane)).length
  at.limited.clear()
  at.parking.review(0)
  assert.equal(at.opened.length, 10 - taken)
})

test('a lane that was let go is not opened again', () => {
  const at = scene(new Set(['slow']), 10)
  const parked = at.all.filter(lane => !arrive(at, lane))
  for (const lane of parked) at.parking.forget(lane)
  at.limited.clear()
  at.parking.review(0)
  assert.deepEqual(at.opened, [])
})
