import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createParking, EXPECTED_BYTES, MAX_LIMITED_BYTES } from './parking.ts'

interface TestLane {
  readonly topic: string
  readonly id: number
}

function scene(limited: Set<string>, lanes: number) {
  const all = Array.from({ length: lanes }, (_, id) => ({ topic: 'slow', id }))
  /** The lanes that are read. */
  const read = new Set<TestLane>(all)
  const parking = createParking<TestLane>({
    limits: topic => limited.has(topic),
    open: lane => read.add(lane),
    close: lane => read.delete(lane),
  })
  return { read, parking, all, limited }
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
  for (let round = 0; round < 400; round++) {
    for (const lane of [...at.read]) {
      if (!arrive(at, lane)) continue
      waiting += EXPECTED_BYTES
      turns.set(lane.id, turns.get(lane.id)! + 1)
    }
    assert.ok(waiting <= MAX_LIMITED_BYTES)
    at.parking.note(at.all[0]!, -EXPECTED_BYTES, 0)
    waiting -= EXPECTED_BYTES
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
  const before = at.read.size
  assert.ok(before < 8)
  at.parking.review(60_000)
  assert.ok(at.read.size > before)
})

test('when the limit goes, everything parked is read on', () => {
  const at = scene(new Set(['slow']), 10)
  for (const lane of at.all) arrive(at, lane)
  assert.ok(at.read.size < 10)
  at.limited.clear()
  at.parking.review(0)
  assert.equal(at.read.size, 10)
})

test('a lane that was let go is not opened again', () => {
  const at = scene(new Set(['slow']), 10)
  const parked = at.all.filter(lane => !arrive(at, lane))
  for (const lane of parked) at.parking.forget(lane)
  at.limited.clear()
  at.parking.review(0)
  assert.equal(at.read.size, 10 - parked.length)
})

test('a lane that makes place, and whose turn it is again at once, is read on', () => {
  const at = scene(new Set(['slow']), 4)
  const [first, ...others] = at.all as [TestLane, ...TestLane[]]
  const full = MAX_LIMITED_BYTES / EXPECTED_BYTES
  for (let n = 0; n < full; n++) assert.ok(arrive(at, first))
  for (const lane of others) assert.ok(!arrive(at, lane))
  for (let n = 0; n < full; n++) at.parking.note(first, -EXPECTED_BYTES, 0)
  assert.equal(at.read.size, 3, 'the last waits for those before it')
  // They bring nothing.
  assert.ok(!arrive(at, first, 60_000))
  assert.equal(at.read.size, 4)
})
