import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FetchSession, type FetchTarget, type SessionPart, targetKey } from './fetch-session.ts'

function target(partition: number, offset: number, id = 'id'): FetchTarget {
  return { topic: 't', id, partition, offset, currentLeaderEpoch: 0, lastFetchedEpoch: -1, maxBytes: 1 }
}

/** Makes exactly these wanted, out of what was before. */
function change(session: FetchSession, wanted: Map<string, FetchTarget>, targets: readonly FetchTarget[]) {
  const next = new Map(targets.map(each => [targetKey(each), each]))
  for (const key of wanted.keys()) if (!next.has(key)) session.drop(key)
  for (const [key, each] of next) session.want(key, each)
  return next
}

/** What a broker believes it should fetch, from what it is told. */
function believe(told: Map<string, number>, part: SessionPart): void {
  if (part.sessionEpoch === 0) told.clear()
  for (const { id, partitions } of part.forgotten)
    for (const partition of partitions) told.delete(`${id}/${partition}`)
  for (const { id, partitions } of part.topics) {
    for (const { partition, offset } of partitions) told.set(`${id}/${partition}`, offset)
  }
}

const step = fc.record({
  targets: fc.uniqueArray(
    fc.record({
      partition: fc.integer({ min: 0, max: 5 }),
      offset: fc.integer({ min: 0, max: 3 }),
      id: fc.constantFrom('a', 'b'),
    }),
    {
      selector: ({ partition, id }) => `${id}/${partition}`,
    },
  ),
  wobble: fc.boolean(),
  answer: fc.constantFrom('kept', 'kept', 'kept', 'refused', 'failed'),
})

test('the broker always believes exactly what the client wants', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const session = new FetchSession()
      const told = new Map<string, number>()
      let wanted = new Map<string, FetchTarget>()
      for (const { targets, wobble, answer } of steps) {
        // There and back again first: what was said and unsaid in between is not heard.
        if (wobble) wanted = change(session, wanted, [])
        wanted = change(
          session,
          wanted,
          targets.map(({ partition, offset, id }) => target(partition, offset, id)),
        )
        believe(told, session.plan())
        assert.deepEqual(
          new Map([...told].sort()),
          new Map(targets.map(({ id, partition, offset }) => [`${id}/${partition}`, offset] as const).sort()),
        )
        if (answer === 'failed') session.reset()
        else session.answered(answer === 'kept' ? 5 : 0)
      }
    }),
  )
})

test('what has not changed is not said again', () => {
  const session = new FetchSession()
  const wanted = change(session, new Map(), [target(0, 0), target(1, 0)])
  session.plan()
  session.answered(5)
  change(session, wanted, [target(0, 0), target(1, 7)])
  const part = session.plan()
  assert.deepEqual([part.sessionId, part.sessionEpoch], [5, 1])
  assert.deepEqual(
    part.topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition)),
    [1],
  )
  session.answered(5)
  const next = session.plan()
  assert.deepEqual([next.sessionEpoch, next.topics], [2, []])
})
