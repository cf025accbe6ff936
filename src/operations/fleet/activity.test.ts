import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryTopic } from '../../../test/journal/memory-log.ts'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { openJournal } from '../../foundation/journal/journal.ts'
import {
  type Activity,
  type ActivityLog,
  activityLog,
  activityMachine,
  type NewActivity,
} from './activity.ts'
import { ACTIVITY_NOT_RECORDED } from './errors.ts'

const restart: NewActivity = {
  at: 1_000,
  actor: 'agent-edge',
  action: 'broker.restart',
  subject: { kind: 'broker', name: '2', cluster: 'edge' },
  summary: 'Broker 2 of edge starts again',
  reason: 'it was killed',
  evidence: [{ label: 'exit', value: 'SIGKILL' }],
}

async function open(topic = createMemoryTopic()) {
  const journal = await openJournal({ log: topic.open(), machine: activityMachine, snapshotEvery: 500 })
  return { journal, log: activityLog(journal), topic }
}

function everything(log: ActivityLog): readonly Activity[] {
  return log.list({ limit: 10_000, search: '' })
}

test('a change runs, then ends once, with the evidence of both', async () => {
  const { journal, log } = await open()
  const begun = await log.begin(restart)
  assert.equal(begun.outcome, 'running')
  const how = { at: 3_000, outcome: 'done', evidence: [{ label: 'in sync after', value: '1.9 s' }] } as const
  const ended = await log.end(begun.id, how)
  assert.deepEqual(ended, {
    ...begun,
    outcome: 'done',
    endedAt: 3_000,
    evidence: [...restart.evidence, ...how.evidence],
  })
  assert.equal(await log.end(begun.id, { at: 4_000, outcome: 'failed' }), undefined)
  assert.deepEqual(log.get(begun.id), ended)
  await journal.close()
})

test('every process sees the same entries, newest first, in pages, and finds them by text', async () => {
  const { journal, log, topic } = await open()
  const other = await open(topic)
  for (let index = 0; index < 5; index++)
    await log.record({
      ...restart,
      summary: `change ${index}`,
      actor: index === 3 ? 'Ada' : 'agent-edge',
      outcome: 'done',
    })
  await other.journal.sync()
  assert.deepEqual(everything(other.log), everything(log))
  const page = other.log.list({ limit: 2, search: '' })
  assert.deepEqual(
    page.map(({ summary }) => summary),
    ['change 4', 'change 3'],
  )
  const following = other.log.list({ limit: 2, search: '', before: page[1]!.id })
  assert.deepEqual(
    following.map(({ summary }) => summary),
    ['change 2', 'change 1'],
  )
  assert.deepEqual(
    other.log.list({ limit: 9, search: 'ada' }).map(({ summary }) => summary),
    ['change 3'],
  )
  await Promise.all([journal.close(), other.journal.close()])
})

test('a subscriber is told of each new and each changed entry, until it ends', async () => {
  const { journal, log } = await open()
  const told: string[] = []
  const end = new AbortController()
  log.onEntry(({ outcome }) => told.push(outcome), end.signal)
  const { id } = await log.begin(restart)
  await log.end(id, { at: 2_000, outcome: 'failed' })
  end.abort()
  await log.record({ ...restart, outcome: 'done' })
  assert.deepEqual(told, ['running', 'failed'])
  await journal.close()
})

test('the log is bounded in entries and in bytes, the oldest go, and a snapshot holds it', async () => {
  const { journal, log, topic } = await open()
  const many = Array.from({ length: 2_300 }, (_, index) =>
    log.record({ ...restart, summary: `change ${index}`, outcome: 'done' }),
  )
  await Promise.all(many)
  assert.equal(everything(log).length, 2_000)
  assert.equal(everything(log).at(-1)?.summary, 'change 300')
  const large = Array.from({ length: 20 }, (_, index) => ({ label: `${index}`, value: 'x'.repeat(2_000) }))
  await Promise.all(
    Array.from({ length: 120 }, () => log.record({ ...restart, evidence: large, outcome: 'done' })),
  )
  const { entries, bytes } = journal.state()
  assert.equal(
    bytes,
    entries.reduce((sum, entry) => sum + Buffer.byteLength(JSON.stringify(entry)), 0),
  )
  assert(bytes <= 2 * 1024 * 1024 && bytes > 1_900_000)
  while (topic.records[0]?.offset === 0) await log.record({ ...restart, outcome: 'done' })
  await journal.sync()
  const late = await open(topic)
  assert.deepEqual(everything(late.log), everything(log))
  await Promise.all([journal.close(), late.journal.close()])
})

test('what does not fit is refused, with what to do', async () => {
  const { journal, log } = await open()
  await assert.rejects(log.begin({ ...restart, summary: 'x'.repeat(501) }), error =>
    isAjnaError(error, ACTIVITY_NOT_RECORDED),
  )
  assert.equal(everything(log).length, 0)
  await journal.close()
})
