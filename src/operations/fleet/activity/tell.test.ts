import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import { ACTIVITY_NOT_RECORDED } from '../errors.ts'
import type { Activity } from './contract.ts'
import { createHostEntries } from './host-entries.ts'
import { openOutbox } from './outbox.ts'
import { createProcessEntries, type ProcessEvent } from './process-entries.ts'
import { openTelling } from './tell.ts'
import { entry } from './testing.ts'

const teller = { actor: 'agent', host: 'edge-01' }
const since = '2026-01-01T00:00:00.000Z'
const died: ProcessEvent = { at: 1, name: 'mirror', kind: 'exited', pid: 7, since, code: 1, expected: false }

async function openBox(t: TestContext) {
  return openOutbox({ directory: join(await temporaryFolder(t), 'outbox'), host: 'edge-01' })
}

test('what a teller had begun it tells to its end after it was started anew, carried meanwhile or not', async t => {
  const outbox = await openBox(t)
  const options = { outbox, teller, entriesOf: createProcessEntries, logger: silentLogger }
  await (await openTelling(options))(died)
  await outbox.markTold((await outbox.look())[0]!)
  const next = await openTelling(options)
  await next({ at: 2_000, name: 'mirror', kind: 'ready' })
  const [told, ...more] = await outbox.look()
  assert.deepEqual([told?.entry.outcome, told?.entry.revision, more.length], ['done', 1, 0])
  assert.equal(told?.entry.summary, 'mirror ended with exit code 1; ready again after 2.0 s')
})

test('entries are put in the order of their events, and one that cannot be put does not hold up the next', async t => {
  const put: string[] = []
  const outbox = {
    ...(await openBox(t)),
    async put(told: Activity) {
      if (told.id === 'e1') throw new Error('the disk is full')
      put.push(told.id)
      return told
    },
  }
  const tell = await openTelling<number>({
    outbox,
    teller,
    entriesOf: () => number => [entry({ id: `e${number}` })],
    logger: silentLogger,
  })
  const told = await Promise.allSettled([0, 1, 2].map(tell))
  assert.deepEqual(put, ['e0', 'e2'])
  assert.deepEqual(
    told.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('an end that cannot be put is an error: it was not told', async t => {
  const nowhere = openOutbox({ directory: join(await temporaryFolder(t), '\0'), host: 'edge-01' })
  const tell = await openTelling({
    outbox: nowhere,
    teller,
    entriesOf: createProcessEntries,
    logger: silentLogger,
  })
  await assert.rejects(tell(died), error => isAjnaError(error, ACTIVITY_NOT_RECORDED))
})

test('bytes that were gone before they could be read are an entry, the same however often they are told', () => {
  const tell = createHostEntries(teller, [])
  const gap = {
    at: 5,
    host: 'edge-01',
    kind: 'gap',
    subject: '/var/log/a.log',
    text: '7 bytes of a.log',
    details: {},
  }
  const [lost, ...more] = tell(gap)
  assert.deepEqual([lost?.action, lost?.outcome, more.length], ['shipping.gap', 'failed', 0])
  assert.deepEqual(tell(gap), [lost])
  assert.deepEqual(tell({ ...gap, kind: 'order' }), [])
})
