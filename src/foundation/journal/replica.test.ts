import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { isAjnaError } from '../errors/errors.ts'
import type { Json, Machine } from './contract.ts'
import { JOURNAL_DIVERGED, JOURNAL_TOO_NEW } from './errors.ts'
import { type Draft, decodeRecord, type Envelope, encodeRecord, type ReplicaContents } from './record.ts'
import {
  emptyReplica,
  MARK_PATIENCE,
  type Replica,
  replay,
  replicaDigest,
  restore,
  WINDOW,
} from './replica.ts'

/** Every accepted command is remembered, so that a repetition would show. */
const list: Machine<readonly number[], number> = {
  version: 1,
  initial: [],
  command: z.int(),
  state: z.array(z.int()),
  apply: (state, command) =>
    command < 0 ? { accepted: false, reason: 'negative' } : { accepted: true, state: [...state, command] },
}

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)
const RUNS = Number(process.env['AJNA_TEST_RUNS'] ?? 300)
const property = { seed: SEED, numRuns: RUNS }

function envelope(draft: Draft, seal: { writer: string; seq: number; basis: number }): Envelope {
  const decoded = decodeRecord(encodeRecord(draft, { ...seal, at: 0 }), 'test')
  assert(decoded !== undefined)
  return decoded
}

function command(body: unknown, seal: { writer: string; seq: number; basis: number }, machine = 1): Envelope {
  return envelope({ kind: 'command', machine, body }, seal)
}

function replayAll(
  records: readonly (Envelope | undefined)[],
  from: Replica<readonly number[]> = emptyReplica(list),
  window = WINDOW,
) {
  let replica = from
  const verdicts = records.map((record, index) => {
    const step = replay(list, replica, from.next + index, record, window)
    replica = step.replica
    return step.verdict
  })
  return { replica, verdicts }
}

/** Writers seal commands on what they have seen; the network delivers each one to several times, in any order. */
const traffic = fc.array(
  fc.record({
    writer: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    value: fc.integer({ min: -2, max: 1_000 }),
    copies: fc.array(fc.nat(60), { minLength: 1, maxLength: 4 }),
  }),
  { maxLength: 60 },
)

/** @returns the log and, per record, the identity of the command in it */
function deliver(sends: typeof traffic extends fc.Arbitrary<infer T> ? T : never) {
  const seqs = new Map<string, number>()
  const arrivals = sends.flatMap(({ writer, value, copies }, sent) => {
    const seq = (seqs.get(writer) ?? 0) + 1
    seqs.set(writer, seq)
    return copies.map(delay => ({ at: sent + delay, id: `${writer}.${seq}`, sent, writer, seq, value }))
  })
  arrivals.sort((a, b) => a.at - b.at)
  // The basis: how much was in the log when it was sent.
  const log = arrivals.map((arrival, offset) => {
    const basis = Math.min(
      offset,
      arrivals.findIndex(other => other.at >= arrival.sent),
    )
    return command(arrival.value, { writer: arrival.writer, seq: arrival.seq, basis })
  })
  return { log, ids: arrivals.map(arrival => arrival.id) }
}

test(`a command is applied at most once, however often and late its copies come (seed ${SEED})`, () => {
  fc.assert(
    fc.property(traffic, fc.constantFrom(1, 5, 20, WINDOW), (sends, window) => {
      const { log, ids } = deliver(sends)
      const { verdicts, replica } = replayAll(log, emptyReplica(list), window)
      const accepted = ids.filter((_, index) => verdicts[index]?.kind === 'accepted')
      assert.equal(new Set(accepted).size, accepted.length)
      assert.equal(replica.state.length, accepted.length)
      assert.equal(replica.version, accepted.length)
    }),
    property,
  )
})

test('a copy that comes after the window, when its writer is forgotten, is refused', () => {
  const early = command(7, { writer: 'old', seq: 1, basis: 0 })
  const noise = Array.from({ length: WINDOW + 1 }, (_, index) =>
    command(0, { writer: `w${index % 50}`, seq: index + 1, basis: index }),
  )
  const newcomer = command(1, { writer: 'new', seq: 1, basis: WINDOW })
  const { verdicts, replica } = replayAll([early, ...noise, newcomer, early])
  assert.equal(Object.hasOwn(replica.writers, 'old'), false, 'the writer should be forgotten by then')
  assert.deepEqual(verdicts.at(-1), {
    kind: 'refused',
    by: 'expired',
    reason: `decided ${WINDOW + 3} records ago`,
  })
  assert.equal(replica.state.filter(value => value === 7).length, 1)
})

test(`memory of writers is bounded by those heard within the window (seed ${SEED})`, () => {
  let replica = emptyReplica(list)
  for (let offset = 0; offset < 3 * WINDOW; offset++)
    replica = replay(
      list,
      replica,
      offset,
      command(-1, { writer: `w${offset >> 6}`, seq: offset, basis: offset }),
    ).replica
  assert(Object.keys(replica.writers).length <= WINDOW / 64 + 2)
})

test('a later record of a writer rules out the earlier one for ever', () => {
  const { verdicts } = replayAll([
    command(2, { writer: 'a', seq: 2, basis: 0 }),
    command(1, { writer: 'a', seq: 1, basis: 0 }),
    envelope({ kind: 'barrier' }, { writer: 'a', seq: 4, basis: 1 }),
    command(3, { writer: 'a', seq: 3, basis: 1 }),
  ])
  assert.deepEqual(
    verdicts.map(verdict => (verdict.kind === 'refused' ? verdict.by : verdict.kind)),
    ['accepted', 'repeated', 'barrier', 'repeated'],
  )
})

test('a command decided on another version is refused as stale', () => {
  const on = (decidedOn: number) => ({ kind: 'command', machine: 1, body: 1, decidedOn }) as const
  const { verdicts } = replayAll([
    envelope(on(0), { writer: 'a', seq: 1, basis: 0 }),
    envelope(on(0), { writer: 'b', seq: 1, basis: 0 }),
    envelope(on(1), { writer: 'b', seq: 2, basis: 2 }),
  ])
  assert.deepEqual(
    verdicts.map(verdict => (verdict.kind === 'refused' ? verdict.by : verdict.kind)),
    ['accepted', 'stale', 'accepted'],
  )
})

test('foreign bytes and commands of another shape are passed over alike, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (bytes, json) => {
      for (const value of [bytes, Buffer.from(json)]) {
        const decoded = decodeRecord(value, 'test')
        assert.equal(replay(list, emptyReplica(list), 0, decoded).replica.state.length, 0)
      }
    }),
    property,
  )
  const { verdicts } = replayAll([
    command('not a number', { writer: 'a', seq: 1, basis: 0 }),
    command(1, { writer: 'a', seq: 2, basis: 9 }),
  ])
  assert.deepEqual(
    verdicts.map(verdict => verdict.kind === 'refused' && verdict.by),
    ['malformed', 'malformed'],
  )
})

test('a record of a later version of the machine or the envelope stops the reader', () => {
  const later = command(1, { writer: 'a', seq: 1, basis: 0 }, 2)
  assert.throws(
    () => replayAll([later]),
    error => isAjnaError(error, JOURNAL_TOO_NEW),
  )
  const format = Buffer.from(JSON.stringify({ format: 2, kind: 'riddle' }))
  assert.throws(
    () => decodeRecord(format, 'test'),
    error => isAjnaError(error, JOURNAL_TOO_NEW),
  )
})

test('a machine that fails on a command refuses it instead of stopping every reader', () => {
  const faulty: Machine<readonly number[], number> = {
    ...list,
    apply: () => {
      throw new Error('boom')
    },
  }
  const { verdict } = replay(faulty, emptyReplica(faulty), 0, command(1, { writer: 'a', seq: 1, basis: 0 }))
  assert.equal(verdict.kind === 'refused' && verdict.by, 'machine')
})

/** A log with a snapshot in it: commands, the mark, commands, the snapshot, commands. */
function logWithSnapshot(before: readonly number[], between: readonly number[], after: readonly number[]) {
  const log: Envelope[] = []
  const push = (record: (seal: { writer: string; seq: number; basis: number }) => Envelope) =>
    log.push(record({ writer: 'a', seq: log.length + 1, basis: log.length }))
  const pushCommand = (value: number): void => void push(seal => command(value, seal))
  before.forEach(pushCommand)
  push(seal => envelope({ kind: 'mark' }, seal))
  const marked = replayAll(log).verdicts.at(-1)
  assert(marked?.kind === 'marked')
  between.forEach(pushCommand)
  const draft = snapshotOf(marked.contents, replayAll(log).replica.mark!.digest)
  push(seal => envelope(draft, seal))
  after.forEach(pushCommand)
  return { log, draft, at: before.length + 1 + between.length }
}

function snapshotOf(contents: ReplicaContents, digest: string) {
  return { kind: 'snapshot', machine: 1, covers: contents.next, digest, contents } as const
}

test(`replaying from a snapshot gives the same replica as replaying the whole log (seed ${SEED})`, () => {
  const values = fc.array(fc.integer({ min: -1, max: 99 }), { maxLength: 20 })
  fc.assert(
    fc.property(values, values, values, (before, between, after) => {
      const { log, at } = logWithSnapshot(before, between, after)
      const whole = replayAll(log).replica
      const record = log[at]
      assert(record?.kind === 'snapshot')
      const restored = restore(list, at, record)
      const resumed = replayAll(log.slice(restored.next), restored).replica
      assert.deepEqual(resumed, whole)
      assert.equal(replicaDigest(resumed), replicaDigest(whole))
    }),
    property,
  )
})

test('a snapshot that differs from the own state at its mark raises the alarm', () => {
  const { log, at } = logWithSnapshot([1, 2], [3], [])
  // A replica that applied one command differently meets the honest snapshot.
  const differently = log.with(1, command(5, { writer: 'a', seq: 2, basis: 1 }))
  assert.throws(
    () => replayAll(differently),
    error => isAjnaError(error, JOURNAL_DIVERGED) && error.details['offset'] === at,
  )
})

test('a snapshot counts only from the writer of the mark that stands, with contents that match its digest', () => {
  const { log, draft, at } = logWithSnapshot([1], [], [])
  const head = log.slice(0, at)
  const byAnother = envelope(draft, { writer: 'b', seq: 1, basis: at })
  const corrupt = { ...draft, contents: { ...draft.contents, state: [9] as Json } }
  const { verdicts } = replayAll([...head, byAnother, envelope(corrupt, { writer: 'a', seq: 50, basis: at })])
  assert.deepEqual(
    verdicts.slice(-2).map(verdict => verdict.kind === 'refused' && verdict.by),
    ['stale', 'malformed'],
  )
})

test('a mark whose writer died is replaced after a while, not at once', () => {
  const mark = (writer: string, basis: number) =>
    envelope({ kind: 'mark' }, { writer, seq: basis + 1, basis })
  const log = [
    mark('a', 0),
    mark('b', 1),
    ...Array.from({ length: MARK_PATIENCE }, () => undefined),
    mark('b', 2),
  ]
  const { verdicts, replica } = replayAll(log)
  assert.equal(verdicts[1]?.kind, 'refused')
  assert.equal(verdicts.at(-1)?.kind, 'marked')
  assert.equal(replica.mark?.writer, 'b')
})
