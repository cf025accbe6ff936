import assert from 'node:assert/strict'
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type RunningProcess, start } from '../../../foundation/process/run.ts'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import { stopBroker } from './stop.ts'

const times = { deadlineMs: 60_000, graceMs: 50 }

/** A program that, asked to end, does `onTerm` and then waits for ever, as a controller without a quorum does. */
async function broker(
  t: TestContext,
  onTerm: string,
): Promise<{ readonly running: RunningProcess; readonly data: string }> {
  const folder = await temporaryFolder(t)
  const data = join(folder, 'data-0')
  await mkdir(data)
  const script = `trap '${onTerm}' TERM; touch ready; while :; do sleep 0.05; done`
  const running = await start({
    name: 'kafka-test-1',
    command: 'sh',
    args: ['-c', script],
    cwd: data,
    runDir: join(folder, 'run'),
    consoleFile: join(folder, 'console.log'),
  })
  t.after(() => running.stop({ deadlineMs: 0 }))
  while ((await stat(join(data, 'ready')).catch(() => undefined)) === undefined) await delay(10)
  return { running, data }
}

test('a broker that has closed its logs is not waited for', async t => {
  const { running, data } = await broker(t, 'touch .kafka_cleanshutdown')
  const exit = await stopBroker(running, [data], times)
  assert.equal(exit.signal, 'SIGKILL')
})

test('one that ends by itself ends so', async t => {
  const { running, data } = await broker(t, 'exit 3')
  const exit = await stopBroker(running, [data], times)
  assert.equal(exit.code, 3)
})

test('the mark of an earlier stop cuts nothing short', async t => {
  const { running, data } = await broker(t, 'sleep 0.3; touch closing-done; exit 0')
  const mark = join(data, '.kafka_cleanshutdown')
  await writeFile(mark, '')
  await utimes(mark, 1, 1)
  const exit = await stopBroker(running, [data], times)
  assert.equal(exit.code, 0)
})

test('one that never closes its logs is killed when its time is over', async t => {
  const { running, data } = await broker(t, ':')
  const exit = await stopBroker(running, [data], { deadlineMs: 100, graceMs: 50 })
  assert.equal(exit.signal, 'SIGKILL')
})
