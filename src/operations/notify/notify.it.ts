import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { createTopic, deleteTopic } from '../../../test/wire/topics.ts'
import { JOURNAL_TOPIC_CONFIG } from '../../foundation/journal/contract.ts'
import { type WebhookStanding, webhookStanding } from './contract.ts'
import type { NotifierProcess } from './testing/notifier.ts'
import { healedAfter, startReceiver } from './testing/receiver.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes, so!').toString('base64')}`
const PROGRAM = fileURLToPath(new URL('testing/notifier.ts', import.meta.url))

const cluster = await sharedCluster()
after(() => cluster[Symbol.asyncDispose]())

test('a control process killed between sending and noting: the next sends the same id again, and a third nothing', async () => {
  const signal = AbortSignal.timeout(120_000)
  const folder = await mkdtemp(join(tmpdir(), 'ajna-notify-'))
  const topic = `ajna.test.deliveries-${process.pid}-${Date.now().toString(36)}`
  await createTopic(cluster.bootstrap, topic, { replicas: 3, config: { ...JOURNAL_TOPIC_CONFIG } })
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  stack.defer(() => deleteTopic(cluster.bootstrap, topic))
  const secretFile = join(folder, 'secret')
  await writeFile(secretFile, SECRET)
  const receiver = stack.use(await startReceiver(SECRET, () => undefined))
  const events = ['opened', 'acted', 'available', 'healed'] as const
  const options: NotifierProcess = {
    ...{ bootstrap: cluster.bootstrap, topic, timeoutMs: 2_000 },
    webhook: { name: 'pager', url: receiver.url, secretFile, events, clusters: null },
    incidents: [healedAfter('a', Date.now())],
  }
  const run = (): ChildProcess => {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    stack.defer(() => void child.kill('SIGKILL'))
    return child
  }
  const first = run()
  await receiver.until(() => receiver.received.length === 1, signal)
  first.kill('SIGKILL')
  await once(first, 'exit')

  receiver.manners = () => 200
  const second = run()
  const told = await standing(second, ({ delivered, pending }) => delivered === 4 && pending === 0)
  assert.equal(told.state, 'quiet')
  second.kill('SIGKILL')
  await once(second, 'exit')
  const ids = receiver.received.map(({ id }) => id)
  assert.deepEqual(ids, ['msg_a_opened', ...events.map(event => `msg_a_${event}`)])
  assert.ok(receiver.received.every(({ verified }) => verified))

  const third = run()
  await standing(third, ({ delivered }) => delivered === 4)
  await standing(third, ({ delivered }) => delivered === 4)
  assert.equal(receiver.received.length, ids.length, 'nothing is told anew')
})

/** The next that a process tells in which it holds. */
async function standing(
  child: ChildProcess,
  holds: (standing: WebhookStanding) => boolean,
): Promise<WebhookStanding> {
  for await (const [chunk] of chunksOf(child))
    for (const line of String(chunk).split('\n').filter(Boolean)) {
      const found = webhookStanding.safeParse(JSON.parse(line)).data
      if (found !== undefined && holds(found)) return found
    }
  throw new Error('the notifier has ended')
}

async function* chunksOf(child: ChildProcess): AsyncGenerator<[Buffer]> {
  while (child.exitCode === null) yield (await once(child.stdout!, 'data')) as [Buffer]
}
