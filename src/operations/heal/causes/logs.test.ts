import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { BrokerFacts } from '../contract.ts'
import { recoveryOf } from './leaderless.ts'
import { agreesUpTo, byAdvance, type LogExtent, lastEpoch, missingFrom } from './logs.ts'

interface Written {
  readonly epoch: number
  readonly id: number
}

/** Replicas as Kafka keeps them: a follower cuts what it does not share with its leader, then copies. */
function replicated(steps: readonly Step[]): {
  logs: Written[][]
  led: { epoch: number; start: number }[][]
} {
  const logs: Written[][] = [[], [], []]
  const led: { epoch: number; start: number }[][] = [[], [], []]
  let [leader, epoch, id] = [0, 0, 0]
  led[0]!.push({ epoch, start: 0 })
  for (const [kind, who, much] of steps) {
    const log = logs[leader]!
    if (kind === 'append') for (let n = 0; n < much; n++) log.push({ epoch, id: id++ })
    else if (kind === 'elect') {
      leader = who
      led[who]!.push({ epoch: ++epoch, start: logs[who]!.length })
    } else if (who !== leader) {
      const shared = commonLength(logs[who]!, log)
      // What is cut takes the epochs that began there along, also one in which nothing was written.
      if (shared < logs[who]!.length) led[who] = led[who]!.filter(({ start }) => start < shared)
      logs[who] = [...logs[who]!.slice(0, shared), ...log.slice(shared, shared + much)]
    }
  }
  return { logs, led }
}

type Step = readonly ['append' | 'copy' | 'elect', number, number]
const steps = fc.array(
  fc.tuple(
    fc.constantFrom<Step[0]>('append', 'append', 'copy', 'copy', 'copy', 'elect'),
    fc.integer({ min: 0, max: 2 }),
    fc.integer({ min: 1, max: 4 }),
  ),
  { maxLength: 40 },
)

function commonLength(a: readonly Written[], b: readonly Written[]): number {
  const differs = a.findIndex(({ id }, i) => b[i]?.id !== id)
  return differs === -1 ? a.length : differs
}

/** As its checkpoint has it: where each epoch begins, also one in which nothing was written. */
function extentOf(log: readonly Written[], led: readonly { epoch: number; start: number }[]): LogExtent {
  const begun = new Map(led.filter(({ start }) => start >= log.length).map(each => [each.epoch, each.start]))
  for (const [offset, { epoch }] of log.entries())
    begun.set(epoch, Math.min(begun.get(epoch) ?? Infinity, offset))
  const epochs = [...begun].map(([epoch, start]) => ({ epoch, start })).sort((a, b) => a.epoch - b.epoch)
  return { start: 0, end: log.length, epochs }
}

/** The first one led an epoch in which it wrote nothing, and is cut behind where that began. */
const EMPTY_EPOCH_CUT: Step[] = [
  ['append', 0, 2],
  ['copy', 1, 2],
  ['elect', 0, 1],
  ['copy', 2, 1],
  ['elect', 2, 1],
  ['append', 0, 1],
  ['copy', 0, 1],
]

test('two replicas agree exactly up to where their records differ, through elections clean and unclean', () => {
  fc.assert(
    fc.property(steps, each => {
      const { logs, led } = replicated(each)
      for (const a of [0, 1, 2])
        for (const b of [0, 1, 2])
          assert.equal(
            agreesUpTo(extentOf(logs[a]!, led[a]!), extentOf(logs[b]!, led[b]!)),
            commonLength(logs[a]!, logs[b]!),
          )
    }),
    { examples: [[EMPTY_EPOCH_CUT]] },
  )
})

test('what a replica lacks is counted to the record, of what the other still has', () => {
  fc.assert(
    fc.property(steps, fc.nat(10), (each, begin) => {
      const { logs, led } = replicated(each)
      const start = Math.min(begin, logs[0]!.length)
      const reference = { ...extentOf(logs[0]!, led[0]!), start }
      const held = new Set(logs[1]!.map(({ id }) => id))
      const lacking = logs[0]!.filter(({ id }, offset) => offset >= start && !held.has(id))
      assert.equal(missingFrom(reference, extentOf(logs[1]!, led[1]!)), lacking.length)
    }),
  )
})

test('of two survivors the one that lacks least is chosen, and the bound is what it lacks, to the record', () => {
  const brokers = [0, 1, 2].map((id): BrokerFacts => {
    const up = { registration: 'up', probe: { kind: 'answers' } } as const
    const testimony = { kind: 'running', pid: 1, since: 1, ran: true, lastEnd: null } as const
    const end = { at: 1, pid: 1, how: 'SIGKILL', expected: false }
    return id === 2
      ? {
          ...{ id, rack: null, registration: 'fenced', probe: { kind: 'refused' } },
          testimony: { kind: 'dead', lastEnd: end, givenUp: true },
        }
      : { id, rack: null, ...up, testimony }
  })
  let bounded = 0
  fc.assert(
    fc.property(steps, each => {
      const { logs, led } = replicated(each)
      const seen = logs.map((records, broker) => ({
        broker,
        saidEnd: broker === 2 ? null : records.length,
        onDisk: { ...extentOf(records, led[broker]!), highWatermark: 0 },
        problem: null,
      }))
      const partition = { topic: 't', partition: 0, leaderEpoch: 9, replicas: [0, 1, 2], since: 0 }
      const facts = { at: 9_999, cluster: 'c', brokers, partitions: [] }
      const found = recoveryOf({ ...partition, inSync: [2], lastKnown: [], logs: seen }, facts)
      if (found.loss === null) return
      bounded++
      const lacks = (broker: number): number => {
        const held = new Set(logs[broker]!.map(({ id }) => id))
        return logs[2]!.filter(({ id }) => !held.has(id)).length
      }
      assert.equal(found.loss, lacks(found.leader!))
      assert.equal(found.loss, Math.min(lacks(0), lacks(1)))
    }),
  )
  assert.ok(bounded > 0)
})

const log = (end: number, ...epochs: readonly (readonly [number, number])[]): LogExtent => ({
  start: 0,
  end,
  epochs: epochs.map(([epoch, start]) => ({ epoch, start })),
})

test('a later epoch outranks a longer log; within an epoch the longer log does', () => {
  const [long, late, later] = [log(150, [4, 0]), log(100, [4, 0], [5, 90]), log(101, [4, 0], [5, 90])]
  assert.deepEqual([long, late, later].sort(byAdvance), [later, late, long])
  assert.deepEqual([long, late, later].map(lastEpoch), [4, 5, 5])
})

test('a longer log of an older epoch has less: its end is not what the last leader wrote there', () => {
  const last = log(120, [4, 0], [5, 90])
  assert.equal(agreesUpTo(last, log(150, [4, 0])), 90)
  assert.equal(missingFrom(last, log(150, [4, 0])), 30)
  assert.equal(missingFrom(last, log(100, [4, 0], [5, 90])), 20)
  assert.equal(missingFrom(last, log(120, [4, 0], [5, 90])), 0)
  assert.equal(missingFrom(last, log(130, [4, 0], [5, 90])), 0)
})

test('an epoch in which nothing was written is none; without epochs nothing is shared', () => {
  assert.equal(lastEpoch(log(10, [1, 0], [2, 10])), 1)
  assert.equal(lastEpoch(log(0)), null)
  assert.equal(missingFrom(log(10, [1, 0]), log(10)), 10)
  assert.equal(missingFrom({ start: 10, end: 10, epochs: [] }, log(10)), 0)
})
