import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { z } from 'zod'
import { type AppendFate, createMemoryTopic } from '../../../test/journal/memory-log.ts'
import { seededRandom } from '../../../test/wire/random.ts'
import { type AjnaError, isAjnaError } from '../errors/errors.ts'
import type { ChangeEvent, Machine } from './contract.ts'
import {
  JOURNAL_BEHIND,
  JOURNAL_CLOSED,
  JOURNAL_DIVERGED,
  JOURNAL_LOG_LOST,
  JOURNAL_NOT_SENT,
  JOURNAL_OUTCOME_UNKNOWN,
  JOURNAL_TOO_LARGE,
} from './errors.ts'
import { type JournalOptions, openJournal } from './journal.ts'

interface Account {
  readonly balance: number
  readonly entries: readonly string[]
}
interface Booking {
  readonly amount: number
  readonly note: string
}

const account: Machine<Account, Booking> = {
  version: 1,
  initial: { balance: 0, entries: [] },
  command: z.object({ amount: z.int(), note: z.string() }),
  state: z.object({ balance: z.int(), entries: z.array(z.string()) }),
  apply: (state, { amount, note }) =>
    state.balance + amount < 0
      ? { accepted: false, reason: 'overdrawn' }
      : { accepted: true, state: { balance: state.balance + amount, entries: [...state.entries, note] } },
}

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)

function open(
  topic: ReturnType<typeof createMemoryTopic>,
  fate?: () => AppendFate,
  more: Partial<JournalOptions<Account, Booking>> = {},
) {
  return openJournal({ machine: account, log: topic.open(fate), ...more })
}

/** Until nothing is appended any more, such as a snapshot that was begun. A memory log takes no time, only turns. */
async function atRest({ everything }: ReturnType<typeof createMemoryTopic>): Promise<void> {
  for (let length = -1; length !== everything.length; await turn()) length = everything.length
}

test('a command has happened when it is read back, and its refusal says why', async () => {
  await using journal = await open(createMemoryTopic())
  const booked = await journal.submit({ amount: 5, note: 'in' })
  assert(booked.accepted)
  assert.deepEqual(booked.state, { balance: 5, entries: ['in'] })
  const refused = await journal.submit({ amount: -6, note: 'out' })
  assert.deepEqual(refused, { accepted: false, offset: 1, by: 'machine', reason: 'overdrawn' })
})

test(`each command of three writers happens once, though appends get lost, doubled and unacknowledged (seed ${SEED})`, async () => {
  const topic = createMemoryTopic()
  const random = seededRandom(SEED)
  const fates: readonly AppendFate[] = ['written', 'written', 'lost', 'unacknowledged', 'twice']
  const fate = () => random.pick(fates)
  const journals = await Promise.all([open(topic, fate), open(topic, fate), open(topic, fate)])
  const notes = journals.flatMap((_, writer) =>
    Array.from({ length: 30 }, (_, index) => `${writer}.${index}`),
  )
  const outcomes = await Promise.all(
    notes.map(note => journals[Number(note[0])]!.submit({ amount: 1, note })),
  )
  assert(outcomes.every(outcome => outcome.accepted))
  await Promise.all(journals.map(journal => journal.sync()))
  for (const journal of journals) {
    assert.equal(journal.state().balance, notes.length)
    assert.deepEqual([...journal.state().entries].sort(), [...notes].sort())
  }
  await Promise.all(journals.map(journal => journal.close()))
})

test('update decides anew when another writer was faster', async () => {
  const topic = createMemoryTopic()
  const [first, second] = await Promise.all([open(topic), open(topic)])
  const addOne = (state: Account) => ({ amount: 1, note: `after ${state.balance}` })
  await Promise.all(Array.from({ length: 5 }, () => [first!.update(addOne), second!.update(addOne)]).flat())
  assert.deepEqual(
    (await first!.sync()).entries,
    Array.from({ length: 10 }, (_, index) => `after ${index}`),
  )
  assert.equal(await first!.update(() => undefined), undefined)
  await Promise.all([first!.close(), second!.close()])
})

test('sync shows what anyone had accepted before', async () => {
  const topic = createMemoryTopic()
  const [writer, reader] = await Promise.all([open(topic), open(topic)])
  await writer!.submit({ amount: 3, note: 'in' })
  assert.equal((await reader!.sync()).balance, 3)
  await Promise.all([writer!.close(), reader!.close()])
})

test('a journal opened from a snapshot is the journal replayed from its beginning', async () => {
  const topic = createMemoryTopic()
  const writer = await open(topic, undefined, { snapshotEvery: 20 })
  for (let index = 0; index < 200; index++) await writer.submit({ amount: 1, note: `n${index % 3}` })
  const late = await open(topic)
  await late.sync()
  await writer.sync()
  await atRest(topic)
  assert(
    topic.records.length < 120,
    `records behind the previous snapshot are deleted, ${topic.records.length} stand`,
  )
  assert.notEqual(topic.records[0]?.offset, 0)

  // A snapshot may still be under way: compared are those that stand at the same record.
  const end = (): number => topic.everything.length
  while (writer.digest().next !== end() || late.digest().next !== end()) await sleep(1)
  const digests = [writer.digest(), late.digest()]
  const whole = createMemoryTopic()
  for (const { value } of topic.everything) whole.put(value)
  const replayed = await open(whole)
  assert.deepEqual(replayed.digest().next, whole.everything.length)
  assert.deepEqual(digests, [replayed.digest(), replayed.digest()])
  await Promise.all([writer.close(), late.close(), replayed.close()])
})

test('a log whose head is gone without a snapshot is not mistaken for an empty one', async () => {
  const topic = createMemoryTopic()
  const writer = await open(topic)
  await writer.submit({ amount: 1, note: 'a' })
  await writer.submit({ amount: 1, note: 'b' })
  await writer.close()
  await topic.open().deleteBefore(1, new AbortController().signal)
  await assert.rejects(open(topic), error => isAjnaError(error, JOURNAL_LOG_LOST))
})

test('a process that applied the log differently is stopped by the next snapshot', async () => {
  const topic = createMemoryTopic()
  const lenient: Machine<Account, Booking> = {
    ...account,
    apply: (state, { amount, note }) => ({
      accepted: true,
      state: { balance: state.balance + amount, entries: [...state.entries, note] },
    }),
  }
  const honest = await open(topic, undefined, { snapshotEvery: 10 })
  const divergent = await openJournal({ machine: lenient, log: topic.open() })
  assert.equal((await honest.submit({ amount: -1, note: 'overdrawn' })).accepted, false)
  for (let index = 0; index < 20; index++) await honest.submit({ amount: 1, note: 'n' })
  await honest.sync()
  await turn()
  assert(divergent.stopped.aborted)
  assert(isAjnaError(divergent.stopped.reason, JOURNAL_DIVERGED))
  await assert.rejects(divergent.submit({ amount: 1, note: 'x' }), error =>
    isAjnaError(error, JOURNAL_DIVERGED),
  )
  await Promise.all([honest.close(), divergent.close()])
})

test('a wait that ends says whether the command can still happen', async () => {
  const topic = createMemoryTopic()
  let reachable = false
  await using journal = await open(topic, () => (reachable ? 'written' : 'lost'))
  const stuck = new AbortController()
  const sealed = journal.submit({ amount: 1, note: 'sealed' }, { signal: stuck.signal })
  await turn()
  const queued = journal.submit({ amount: 1, note: 'queued' }, { signal: stuck.signal })
  await turn()
  stuck.abort(new Error('enough'))
  await assert.rejects(sealed, error => isAjnaError(error, JOURNAL_OUTCOME_UNKNOWN))
  await assert.rejects(queued, error => isAjnaError(error, JOURNAL_NOT_SENT))
  reachable = true
  assert((await journal.submit({ amount: 1, note: 'next' })).accepted)
  assert(!(await journal.sync()).entries.includes('queued'))
})

test('closing ends every wait, and what is too large is refused before it is sent', async () => {
  const journal = await open(createMemoryTopic(), () => 'lost')
  await assert.rejects(journal.submit({ amount: 1, note: 'x'.repeat(5_000_000) }), error =>
    isAjnaError(error, JOURNAL_TOO_LARGE),
  )
  const waiting = journal.submit({ amount: 1, note: 'a' })
  const ended = assert.rejects(waiting, error => isAjnaError(error, JOURNAL_OUTCOME_UNKNOWN, JOURNAL_CLOSED))
  await turn()
  await journal.close()
  await ended
  await assert.rejects(journal.submit({ amount: 1, note: 'b' }), error => isAjnaError(error, JOURNAL_CLOSED))
})

test('a state too large for a snapshot raises an alarm and the journal goes on', async () => {
  const alarms: AjnaError[] = []
  await using journal = await open(createMemoryTopic(), undefined, {
    snapshotEvery: 2,
    onAlarm: alarm => alarms.push(alarm),
  })
  for (let index = 0; index < 4; index++) await journal.submit({ amount: 1, note: 'x'.repeat(1_500_000) })
  await journal.sync()
  assert(alarms.some(alarm => isAjnaError(alarm, JOURNAL_TOO_LARGE)))
  assert((await journal.submit({ amount: 1, note: 'still here' })).accepted)
})

test('changes begin with the state, follow in log order, and start over for a consumer that fell behind', async () => {
  await using journal = await open(createMemoryTopic())
  await journal.submit({ amount: 1, note: 'before' })
  const end = new AbortController()
  const changes = journal.changes(end.signal)[Symbol.asyncIterator]()
  const next = async () => {
    const { value } = await changes.next()
    return value as ChangeEvent<Account, Booking>
  }
  assert.equal((await next()).state.balance, 1)
  await Promise.all(Array.from({ length: 3 }, (_, index) => journal.submit({ amount: 1, note: `${index}` })))
  for (const index of [0, 1, 2]) {
    const event = await next()
    assert(event.kind === 'change')
    assert.equal(event.command.note, `${index}`)
    assert.equal(event.state.balance, index + 2)
  }
  await Promise.all(Array.from({ length: 1_500 }, () => journal.submit({ amount: 1, note: '' })))
  const kinds = new Set<string>()
  let last = 0
  while (last < 1_504) {
    const event = await next()
    kinds.add(event.kind)
    assert(event.state.balance >= last)
    last = event.state.balance
  }
  assert(kinds.has('reset'))
  end.abort()
  assert.equal((await changes.next()).done, true)
})

test('a reader whose records were deleted while it was away goes on from the snapshot', async () => {
  const topic = createMemoryTopic()
  const writer = await open(topic, undefined, { snapshotEvery: 10 })
  const log = topic.open()
  let asleep = Promise.withResolvers<void>()
  asleep.resolve()
  const sleepy = await openJournal({
    machine: account,
    log: {
      ...log,
      async *read(from, signal) {
        for await (const group of log.read(from, signal)) {
          await asleep.promise
          // As a broker would: what was deleted meanwhile cannot be fetched any more.
          if ((await log.bounds(signal)).start > group[0]!.offset) yield* log.read(group[0]!.offset, signal)
          yield group
        }
      },
    },
  })
  const events: ChangeEvent<Account, Booking>[] = []
  sleepy.observe(event => events.push(event))
  asleep = Promise.withResolvers()
  for (let index = 0; index < 60; index++) await writer.submit({ amount: 1, note: 'n' })
  await writer.sync()
  await turn()
  assert.notEqual(topic.records[0]?.offset, 0)
  asleep.resolve()
  assert.equal((await sleepy.sync()).balance, 60)
  assert(events.some(event => event.kind === 'reset'))
  assert(!isAjnaError(sleepy.stopped.reason, JOURNAL_BEHIND))
  await Promise.all([writer.close(), sleepy.close()])
})
