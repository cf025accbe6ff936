import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isAjnaError } from '../errors/errors.ts'
import { lastConsoleLines, rotateConsole } from './console.ts'
import { PROCESS_NOT_STARTED } from './errors.ts'
import { identify, isAlive, parseStat } from './identity.ts'
import {
  adopt,
  endedUntold,
  isOfEarlierBoot,
  noteEndTold,
  type ProcessRecord,
  type ProcessSpec,
  pidFile,
  start,
} from './run.ts'
import { temporaryFolder } from './testing.ts'

async function specIn(t: TestContext, script: string): Promise<ProcessSpec> {
  const folder = await temporaryFolder(t)
  const spec = {
    name: 'worker',
    command: 'sh',
    args: ['-c', script],
    runDir: join(folder, 'run'),
    consoleFile: join(folder, 'logs', 'console.log'),
  }
  t.after(async () => (await adopt(spec.runDir, spec.name))?.stop({ deadlineMs: 0 }))
  return spec
}

test('a process outlives nothing but its stop: it is recorded, runs in its own session, ends when asked', async t => {
  const spec = await specIn(t, 'echo to the console; echo and this >&2; exec sleep 100')
  const process = await start(spec)
  const recorded = JSON.parse(await readFile(pidFile(spec.runDir, spec.name), 'utf8')) as ProcessRecord
  assert.deepEqual(recorded, process.record)
  assert.equal(parseStat(await readFile(`/proc/${recorded.pid}/stat`, 'utf8'))?.session, recorded.pid)
  assert.equal(await isAlive(recorded), true)
  // It may be slow to say what it has to say.
  await until(async () => (await lastConsoleLines(spec.consoleFile)).length === 2 || undefined)
  assert.deepEqual(await process.stop(), { code: null, signal: 'SIGTERM' })
  assert.equal(await isAlive(recorded), false)
  assert.deepEqual(await lastConsoleLines(spec.consoleFile), ['to the console', 'and this'])
})

test('one that ignores SIGTERM is killed after the deadline, what it started with it', async t => {
  const spec = await specIn(t, `trap '' TERM; sleep 100 & echo $!; wait; wait`)
  const process = await start(spec)
  const childPid = await until(async () => Number((await lastConsoleLines(spec.consoleFile))[0]) || undefined)
  assert.ok(await identify(childPid))
  assert.deepEqual(await process.stop({ deadlineMs: 200 }), { code: null, signal: 'SIGKILL' })
  await until(async () => (await identify(childPid)) === undefined || undefined)
})

test('stopping one that has ended already answers how it ended', async t => {
  const process = await start(await specIn(t, 'exit 3'))
  assert.deepEqual(await process.exited, { code: 3, signal: null })
  assert.deepEqual(await process.stop(), { code: 3, signal: null })
  assert.equal(await process.kill('SIGTERM'), false)
})

test('when its starter is killed it runs on, is adopted, and its end is noticed', async t => {
  const spec = await specIn(t, 'exec sleep 100')
  const script = `const { start } = await import(${JSON.stringify(import.meta.resolve('./run.ts'))})
    console.log((await start(${JSON.stringify(spec)})).record.pid); setInterval(() => {}, 1000)`
  const starter = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [pid] = (await once(starter.stdout, 'data')).map(Number)
  starter.kill('SIGKILL')
  await once(starter, 'exit')
  const adopted = await adopt(spec.runDir, spec.name)
  assert.equal(adopted?.record.pid, pid)
  assert.equal(adopted?.adopted, true)
  process.kill(pid!, 'SIGKILL')
  // How it ended is known to its parent alone.
  assert.deepEqual(await adopted?.stop(), { code: null, signal: null })
  assert.equal(await adopt(spec.runDir, spec.name), undefined)
})

test('one whose starter was killed before it wrote the pid file is found all the same', async t => {
  const spec = await specIn(t, 'exec sleep 100')
  const file = pidFile(spec.runDir, spec.name)
  const orphan = spawn('sleep', ['100'], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, AJNA_PROCESS: file },
  })
  t.after(() => orphan.kill('SIGKILL'))
  await once(orphan, 'spawn')
  const adopted = await adopt(spec.runDir, spec.name)
  assert.equal(adopted?.record.pid, orphan.pid)
  assert.equal((JSON.parse(await readFile(file, 'utf8')) as ProcessRecord).pid, orphan.pid)
  await adopted?.stop()
})

test('a pid that was given to another process since is never taken for ours, nor signalled', async t => {
  const spec = await specIn(t, 'exit 0')
  const stranger = spawn('sleep', ['100'], { stdio: 'ignore' })
  t.after(() => stranger.kill('SIGKILL'))
  await once(stranger, 'spawn')
  const identity = (await identify(stranger.pid!))!
  await start(spec).then(ended => ended.exited)
  const file = pidFile(spec.runDir, spec.name)
  for (const old of [{ startTime: identity.startTime - 1 }, { boot: 'another boot' }]) {
    const stale: ProcessRecord = {
      ...identity,
      ...old,
      name: spec.name,
      argv: ['sleep', '100'],
      since: '2026-01-01',
    }
    await writeFile(file, JSON.stringify(stale))
    assert.equal(await adopt(spec.runDir, spec.name), undefined)
    assert.equal(await isOfEarlierBoot(stale), 'boot' in old)
  }
  assert.equal(await isAlive(identity), true)
})

test('a process whose end nobody has told of is found by its pid file, until that is noted', async t => {
  const spec = await specIn(t, 'exec sleep 100')
  const { record } = await start(spec)
  assert.equal(await endedUntold(spec.runDir, spec.name), undefined)
  process.kill(record.pid, 'SIGKILL')
  const found = await until(() => endedUntold(spec.runDir, spec.name))
  assert.deepEqual(found, record)
  await noteEndTold(spec.runDir, { ...record, startTime: record.startTime - 1 })
  assert.deepEqual(await endedUntold(spec.runDir, spec.name), record)
  await noteEndTold(spec.runDir, record)
  assert.equal(await endedUntold(spec.runDir, spec.name), undefined)
  // Whoever asks a process to end knows of its end.
  await start(spec).then(running => running.stop())
  assert.equal(await endedUntold(spec.runDir, spec.name), undefined)
})

for (const [what, content] of [
  ['empty', ''],
  ['cut off', '{"pid": 1'],
  ['of another shape', '{"pid": "1", "startTime": null}'],
])
  test(`a pid file that is ${what} is no evidence of a process`, async t => {
    const spec = await specIn(t, 'exec sleep 100')
    await start(spec).then(running => running.stop())
    await writeFile(pidFile(spec.runDir, spec.name), content!)
    assert.equal(await adopt(spec.runDir, spec.name), undefined)
  })

test('a program that is not there is an error, not a crash', async t => {
  const spec = { ...(await specIn(t, '')), command: '/nowhere/at/all' }
  await assert.rejects(start(spec), error => isAjnaError(error, PROCESS_NOT_STARTED))
})

test("a command's name may hold anything", () => {
  const stat = `7 (a) Z 1 2 (b) S 1 7 42 ${'0 '.repeat(15)}987654 1 2 3`
  assert.deepEqual(parseStat(stat), { state: 'S', session: 42, startTime: 987654 })
})

test('a console stays within its bound while its writer holds it open', async t => {
  const spec = await specIn(t, 'while :; do echo 0123456789012345678901234567890123456789; sleep 0.001; done')
  const process = await start(spec)
  const limit = 2_000
  for (let rotations = 0; rotations < 4; ) {
    if (await rotateConsole(spec.consoleFile, limit)) rotations++
    await delay(10)
  }
  await process.stop()
  for (const file of ['', '.1', '.2']) {
    const text = await readFile(spec.consoleFile + file, 'utf8')
    assert.ok(text.length < limit * 10, `${file}: ${text.length}`)
    assert.ok(!text.includes('\0'), 'the writer appends: no hole where the truncated part was')
  }
  await assert.rejects(stat(`${spec.consoleFile}.3`), { code: 'ENOENT' })
})

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await delay(10)
  }
}
