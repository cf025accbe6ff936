import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { createTopic, deleteTopic } from '../../../test/wire/topics.ts'
import { isAjnaError } from '../errors/errors.ts'
import { openWire } from '../wire/wire.ts'
import { JOURNAL_TOPIC_CONFIG, type Machine } from './contract.ts'
import { JOURNAL_BEHIND, JOURNAL_LOG_LOST, JOURNAL_REFUSED } from './errors.ts'
import { openJournal } from './journal.ts'
import { openKafkaLog } from './kafka-log.ts'

const sum: Machine<number, { add: number; note?: string | undefined }> = {
  version: 1,
  initial: 0,
  command: z.object({ add: z.int(), note: z.string().optional() }),
  state: z.int(),
  apply: (state, { add }) => ({ accepted: true, state: state + add }),
}

const cluster = await sharedCluster()
after(() => cluster[Symbol.asyncDispose]())

async function newTopic(config: Readonly<Record<string, string>> = {}) {
  const topic = `ajna.test.journal-${process.pid}-${Math.random().toString(36).slice(2)}`
  await createTopic(cluster.bootstrap, topic, { replicas: 3, config: { ...JOURNAL_TOPIC_CONFIG, ...config } })
  const wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'journal-test' })
  let removed: Promise<void> | undefined
  const remove = () => (removed ??= deleteTopic(cluster.bootstrap, topic))
  return {
    log: () => openKafkaLog({ wire, topic }),
    remove,
    async makeAnew() {
      await deleteTopic(cluster.bootstrap, topic)
      await createTopic(cluster.bootstrap, topic, { replicas: 3, config: JOURNAL_TOPIC_CONFIG })
    },
    async [Symbol.asyncDispose]() {
      await remove()
      await wire.close()
    },
  }
}

const deadline = () => AbortSignal.timeout(60_000)

test('two writers on one Kafka partition agree, and a third opens from a snapshot after the head was deleted', async () => {
  await using at = await newTopic()
  const [first, second] = await Promise.all([
    openJournal({ log: at.log(), machine: sum, snapshotEvery: 100 }),
    openJournal({ log: at.log(), machine: sum, snapshotEvery: 100 }),
  ])
  let start = 0
  let submitted = 0
  while (start === 0) {
    const outcomes = await Promise.all(
      [first!, second!, first!, second!].map(journal => journal.submit({ add: 1 })),
    )
    assert(outcomes.every(outcome => outcome.accepted))
    submitted += outcomes.length
    start = (await at.log().bounds(deadline())).start
    assert(submitted < 5_000, 'the head of the log should be deleted by now')
  }
  await using late = await openJournal({ log: at.log(), machine: sum })
  assert.equal(await late.sync(), submitted)
  // At rest all stand at the same offset, as soon as they have read it.
  for (const journal of [first!, second!])
    while (journal.digest().next < late.digest().next) await sleep(10, undefined, { signal: deadline() })
  assert.deepEqual([first!.digest(), second!.digest()], [late.digest(), late.digest()])
  await assert.rejects(readFirst(at.log(), 0), error => isAjnaError(error, JOURNAL_BEHIND))
  await Promise.all([first!.close(), second!.close()])
})

async function readFirst(log: ReturnType<typeof openKafkaLog>, from: number) {
  for await (const records of log.read(from, deadline())) return records
  return []
}

test('what the broker refuses for good is said at once, and the journal goes on', async () => {
  await using at = await newTopic({ 'max.message.bytes': '20000' })
  await using journal = await openJournal({ log: at.log(), machine: sum })
  // Random text, since the batch is compressed.
  const note = Array.from({ length: 4_000 }, () => Math.random().toString(36)).join('')
  await assert.rejects(journal.submit({ add: 1, note }), error => isAjnaError(error, JOURNAL_REFUSED))
  assert((await journal.submit({ add: 2 })).accepted)
  assert.equal(await journal.sync(), 2)
})

test('a journal whose topic is deleted stops instead of waiting for ever', async () => {
  await using at = await newTopic()
  await using journal = await openJournal({ log: at.log(), machine: sum })
  await journal.submit({ add: 1 })
  await at.remove()
  await new Promise<void>(resolve => journal.stopped.addEventListener('abort', () => resolve()))
  assert(isAjnaError(journal.stopped.reason, JOURNAL_LOG_LOST))
})

test('all who have a log open name it alike; made anew under its name it is another, and nothing of it is read for the old one', async () => {
  await using at = await newTopic()
  await using journal = await openJournal({ log: at.log(), machine: sum })
  await using other = await openJournal({ log: at.log(), machine: sum })
  assert.equal(journal.identity, other.identity)
  const before = at.log()
  assert.equal(await before.identity(deadline()), journal.identity)
  await at.makeAnew()
  await using after = await openJournal({ log: at.log(), machine: sum })
  assert.notEqual(after.identity, journal.identity)
  assert((await after.submit({ add: 1 })).accepted)
  await assert.rejects(readFirst(before, 0), error => isAjnaError(error, JOURNAL_LOG_LOST))
  for (const { stopped } of [journal, other]) {
    if (!stopped.aborted) await once(stopped, 'abort', { signal: deadline() })
    assert(isAjnaError(stopped.reason, JOURNAL_LOG_LOST))
  }
})
