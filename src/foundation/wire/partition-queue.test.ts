import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BASE_SEQUENCE_AT } from './batch.ts'
import { BatchBuilder } from './build.ts'
import { decideOutcome, MAX_IN_FLIGHT, PartitionQueue, type QueuedBatch } from './partition-queue.ts'

const OK = 0
const OUT_OF_ORDER = 45
const DUPLICATE = 46
const NOT_LEADER = 6
const TOO_LARGE = 10

function batchOf(id: number, count = 1): QueuedBatch {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i++) builder.add({ timestamp: 0, value: Buffer.from(`${id}`) })
  const fields = { sequence: undefined, uncertain: false, strikes: 0 }
  return {
    bytes: builder.finish(),
    count,
    queuedAtMs: 0,
    resolve: () => undefined,
    reject: () => undefined,
    ...fields,
  }
}

/** A broker's view of one producer in one partition: it remembers the last five batches, and nothing of what was lost. */
class Log {
  readonly written: number[] = []
  #recent: { first: number; count: number }[] = []
  #next: number | undefined

  append(id: number, first: number, count: number): number {
    if (this.#recent.some(each => each.first === first && each.count === count)) return OK
    if (this.#next !== undefined && first !== this.#next) return first < this.#next ? DUPLICATE : OUT_OF_ORDER
    this.written.push(id)
    this.#next = first + count
    this.#recent = [...this.#recent, { first, count }].slice(-MAX_IN_FLIGHT)
    return OK
  }
}

type Fate = 'ok' | 'refused' | 'lost request' | 'lost answer' | 'poison'

/** Sends what may be sent, answers in the order of sending, one fate per answer. Returns who was acknowledged and rejected. */
function run(
  sizes: readonly number[],
  fates: readonly Fate[],
): { log: Log; acknowledged: number[]; rejected: number[] } {
  const queue = new PartitionQueue('t', 0)
  const log = new Log()
  const ids = new Map(sizes.map((count, id) => [batchOf(id, count), id]))
  for (const batch of ids.keys()) queue.push(batch)
  const acknowledged: number[] = []
  const rejected: number[] = []
  const inFlight: QueuedBatch[] = []
  let step = 0
  while (queue.first !== undefined) {
    while (queue.sendable) inFlight.push(queue.take(1, 1n, 0))
    assert.ok(inFlight.length <= MAX_IN_FLIGHT && inFlight.length > 0)
    const batch = inFlight.shift()!
    const id = ids.get(batch)!
    const fate = fates[step++] ?? 'ok'
    const sequence = batch.bytes.readInt32BE(BASE_SEQUENCE_AT)
    assert.equal(sequence, batch.sequence)
    const outcome = deliver(log, queue, batch, id, sequence, fate)
    queue.answered(batch, outcome)
    if (outcome.kind === 'acknowledged') acknowledged.push(id)
    else if (outcome.kind === 'rejected') rejected.push(id)
    else assert.equal(outcome.kind, 'again')
    if (queue.drained) {
      queue.rewind()
      queue.resume()
    }
  }
  return { log, acknowledged, rejected }
}

function deliver(
  log: Log,
  queue: PartitionQueue,
  batch: QueuedBatch,
  id: number,
  sequence: number,
  fate: Fate,
) {
  const first = queue.first === batch
  if (fate === 'refused') return decideOutcome(NOT_LEADER, batch, first)
  if (fate === 'lost request') return { kind: 'again', uncertain: true } as const
  // What may already be written is never called too large: it was not the first time.
  if (fate === 'poison' && !batch.uncertain) return decideOutcome(TOO_LARGE, batch, first)
  const code = log.append(id, sequence, batch.count)
  return fate === 'lost answer'
    ? ({ kind: 'again', uncertain: true } as const)
    : decideOutcome(code, batch, first)
}

const fate = fc.constantFrom<Fate>('ok', 'ok', 'ok', 'refused', 'lost request', 'lost answer', 'poison')
const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 30 })

test('whatever is lost on the way, each acknowledged batch is written once, in order, and no rejected one', () => {
  fc.assert(
    fc.property(sizes, fc.array(fate, { maxLength: 60 }), (counts, fates) => {
      const { log, acknowledged, rejected } = run(counts, fates)
      assert.deepEqual(
        [...acknowledged].sort((a, b) => a - b),
        log.written,
      )
      assert.equal(acknowledged.length + rejected.length, counts.length)
    }),
    { numRuns: 2_000 },
  )
})

test('until a leader is known to remember the producer, one batch is in flight; afterwards five', () => {
  const queue = new PartitionQueue('t', 0)
  for (let i = 0; i < 10; i++) queue.push(batchOf(i))
  const first = queue.take(1, 1n, 0)
  assert.equal(queue.sendable, false)
  queue.answered(first, { kind: 'acknowledged' })
  for (let i = 0; i < MAX_IN_FLIGHT; i++) queue.take(1, 1n, 0)
  assert.equal(queue.sendable, false)
})

test('while one broker has batches of a partition, no other gets any', () => {
  const queue = new PartitionQueue('t', 0)
  for (let i = 0; i < 3; i++) queue.push(batchOf(i))
  queue.answered(queue.take(1, 1n, 0), { kind: 'acknowledged' })
  const sent = queue.take(1, 1n, 0)
  assert.equal(queue.mayGoTo(2), false)
  queue.halt()
  queue.answered(sent, { kind: 'acknowledged' })
  assert.equal(queue.drained && queue.mayGoTo(2), true)
})

test('only a batch that was never sent can be taken back', () => {
  const queue = new PartitionQueue('t', 0)
  const [sent, waiting] = [batchOf(0), batchOf(1)]
  queue.push(sent)
  queue.push(waiting)
  queue.take(1, 1n, 0)
  assert.equal(queue.withdraw(sent), false)
  assert.equal(queue.withdraw(waiting), true)
  assert.equal(queue.withdraw(waiting), false)
})

test('only what the log says of itself, again and again, is believed: leaders that are away do not count', () => {
  const queue = new PartitionQueue('t', 0)
  queue.push(batchOf(0))
  const answer = (code: number): string => {
    const batch = queue.take(1, 1n, 0)
    const outcome = decideOutcome(code, batch, batch === queue.first)
    queue.answered(batch, outcome)
    if (outcome.kind === 'again') {
      queue.rewind()
      queue.resume()
    }
    return outcome.kind
  }
  for (let i = 0; i < 10; i++) assert.equal(answer(NOT_LEADER), 'again')
  for (let i = 0; i < 4; i++) assert.equal(answer(OUT_OF_ORDER), 'again')
  assert.equal(answer(NOT_LEADER), 'again')
  for (let i = 0; i < 4; i++) assert.equal(answer(OUT_OF_ORDER), 'again')
  assert.equal(answer(OUT_OF_ORDER), 'broken')
})

const fresh = { uncertain: false, strikes: 0 }
const cases: readonly (readonly [code: number, batch: typeof fresh, first: boolean, kind: string])[] = [
  [0, fresh, true, 'acknowledged'],
  [46, fresh, true, 'acknowledged'],
  [45, fresh, false, 'again'],
  [45, fresh, true, 'again'],
  [45, { uncertain: false, strikes: 4 }, true, 'broken'],
  [45, { uncertain: false, strikes: 4 }, false, 'again'],
  [47, fresh, true, 'fenced'],
  [90, fresh, true, 'fenced'],
  [6, fresh, true, 'again'],
  [7, fresh, true, 'again'],
  [19, fresh, true, 'again'],
  [20, fresh, true, 'again'],
  [56, fresh, true, 'again'],
  [-1, fresh, true, 'again'],
  [2, fresh, true, 'again'],
  [2, { uncertain: false, strikes: 4 }, true, 'rejected'],
  [10, fresh, true, 'rejected'],
  [29, fresh, true, 'rejected'],
  [87, fresh, true, 'rejected'],
  [10, { uncertain: true, strikes: 0 }, true, 'broken'],
]
for (const [code, batch, first, kind] of cases) {
  test(`error ${code} for ${first ? 'the first' : 'a later'} batch, ${JSON.stringify(batch)}: ${kind}`, () => {
    assert.equal(decideOutcome(code, batch, first).kind, kind)
  })
}
