import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import { buildClock, clockEnvironment, newClock, rightClock, setClock, whyNoClocks } from './clock.ts'

const unavailable = await whyNoClocks()
const HOUR_MS = 3_600_000
/** Tells its wall clock and what counts time by itself, each time that it is asked. */
const TELL = `process.stdin.on('data', () => console.log(JSON.stringify([Date.now(), performance.now()])))`

test('a running process sees its wall clock set, and right again; what counts time by itself goes on', {
  skip: unavailable ?? false,
}, async t => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'clock')
  await newClock(file)
  const library = await buildClock(join(folder, 'built'))
  assert.equal(await buildClock(join(folder, 'built')), library, 'built once')
  const env = { ...process.env, ...clockEnvironment(library, file) }
  const child = spawn(process.execPath, ['-e', TELL], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const ask = async (): Promise<{ wrongByMs: number; monotonicMs: number }> => {
    child.stdin.write('?\n')
    const [line] = (await once(lines, 'line')) as [string]
    const [wall, monotonicMs] = JSON.parse(line) as [number, number]
    return { wrongByMs: wall - Date.now(), monotonicMs }
  }
  const near = (found: number, wanted: number): void =>
    assert.ok(Math.abs(found - wanted) < HOUR_MS / 2, `wrong by ${found} ms`)

  const first = await ask()
  near(first.wrongByMs, 0)
  for (const wrong of [10 * HOUR_MS, -10 * HOUR_MS]) {
    await setClock(file, wrong)
    const { wrongByMs, monotonicMs } = await ask()
    near(wrongByMs, wrong)
    near(monotonicMs, first.monotonicMs)
  }
  assert.match(await rightClock(file), /is right/)
  near((await ask()).wrongByMs, 0)
})

test('a clock whose cluster is gone is nobody’s: its fault can still be taken back', async t => {
  assert.match(await rightClock(join(await temporaryFolder(t), 'clock')), /nothing is left/)
})
