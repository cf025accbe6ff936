import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { lastConsoleLines } from './console.ts'
import type { RestartPolicy } from './decide.ts'
import { adopt, endedUntold, type ProcessSpec, start } from './run.ts'
import { type SupervisionEvent, type SupervisionOptions, type Supervisor, supervise } from './supervise.ts'
import { temporaryFolder } from './testing.ts'

const impatient: RestartPolicy = {
  firstDelayMs: 5,
  maxDelayMs: 20,
  stableMs: 60_000,
  maxCrashes: 3,
  windowMs: 60_000,
}

interface Stage {
  readonly spec: ProcessSpec
  readonly events: SupervisionEvent[]
  run(options?: Partial<SupervisionOptions>, spec?: () => Promise<ProcessSpec>): Supervisor
  /** The next event of that kind that was not waited for yet. */
  next<Kind extends SupervisionEvent['kind']>(kind: Kind): Promise<Extract<SupervisionEvent, { kind: Kind }>>
}

async function stage(t: TestContext, script: string): Promise<Stage> {
  const folder = await temporaryFolder(t)
  const spec: ProcessSpec = {
    name: 'worker',
    command: 'sh',
    args: ['-c', script],
    runDir: join(folder, 'run'),
    consoleFile: join(folder, 'console.log'),
  }
  const events: SupervisionEvent[] = []
  const supervisors: Supervisor[] = []
  let seen = 0
  let arrived = Promise.withResolvers<void>()
  t.after(async () => {
    await Promise.all(supervisors.map(one => one.stop({ deadlineMs: 0 })))
    await (await adopt(spec.runDir, spec.name))?.stop({ deadlineMs: 0 })
  })
  return {
    spec,
    events,
    run(options = {}, ask = async () => spec) {
      const onEvent = (event: SupervisionEvent): void => {
        events.push(event)
        arrived.resolve()
        arrived = Promise.withResolvers()
      }
      const one = supervise(spec.name, ask, { policy: impatient, ...options, onEvent })
      supervisors.push(one)
      return one
    },
    async next(kind) {
      for (;;) {
        while (seen < events.length) {
          const event = events[seen++]!
          if (event.kind === kind) return event as Extract<SupervisionEvent, { kind: typeof kind }>
        }
        await arrived.promise
      }
    },
  }
}

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await delay(10)
  }
}

test('starts it again when it is killed, and says by what it ended', async t => {
  const { run, next } = await stage(t, 'exec sleep 100')
  const supervisor = run()
  const { pid } = await next('started')
  await next('ready')
  assert.equal(supervisor.state(), 'ready')
  process.kill(pid, 'SIGKILL')
  const exited = await next('exited')
  assert.deepEqual([exited.signal, exited.code, exited.expected], ['SIGKILL', null, false])
  const again = await next('started')
  assert.equal(again.attempt, 2)
  assert.notEqual(again.pid, pid)
})

test('starts one again that had run for long', async t => {
  const { run, next } = await stage(t, 'exec sleep 100')
  const supervisor = run({ policy: { ...impatient, stableMs: 0 } })
  for (let life = 1; life <= 5; life++) {
    const { pid, attempt } = await next('started')
    assert.equal(attempt, life)
    process.kill(pid, 'SIGKILL')
    assert.equal((await next('restarting')).afterMs, impatient.firstDelayMs)
  }
  assert.notEqual(supervisor.state(), 'gave-up')
})

test('gives up on one that dies at each start, shows its last words, and tries again when asked', async t => {
  const { run, next, events } = await stage(t, 'echo starting; echo "cannot bind port 9092" >&2; exit 7')
  const supervisor = run({ explain: async () => 'the port is taken' })
  const gaveUp = await next('gave-up')
  assert.match(gaveUp.reason, /^crashed 3 times in \d+\.\d s$/)
  assert.equal(supervisor.state(), 'gave-up')
  const exits = events.filter(event => event.kind === 'exited')
  assert.equal(exits.length, 3)
  assert.equal(exits[0]!.code, 7)
  assert.equal(exits[0]!.reason, 'the port is taken')
  assert.deepEqual(exits[0]!.lastLines, ['starting', 'cannot bind port 9092'])
  supervisor.retry()
  await next('started')
  await next('gave-up')
})

test('one that cannot even be prepared or started is reported, retried, given up', async t => {
  const { run, next, events } = await stage(t, '')
  run({}, async () => {
    throw new Error('the directory belongs to another cluster')
  })
  await next('gave-up')
  const failures = events.filter(event => event.kind === 'start-failed')
  assert.deepEqual(
    failures.map(({ error }) => error),
    Array(3).fill('the directory belongs to another cluster'),
  )
})

test('adopts what runs already instead of starting a second one', async t => {
  const { spec, run, next } = await stage(t, 'exec sleep 100')
  const { record } = await start(spec)
  run()
  const started = await next('started')
  assert.deepEqual([started.pid, started.adopted], [record.pid, true])
  process.kill(record.pid, 'SIGKILL')
  assert.equal((await next('exited')).signal, null)
  assert.equal((await next('started')).adopted, false)
})

test('an end that its supervisor could not tell of is told before the next start, once', async t => {
  const { spec, run, next, events } = await stage(t, 'echo last words >&2; exec sleep 100')
  const { record } = await start(spec)
  await until(async () => (await lastConsoleLines(spec.consoleFile)).length > 0)
  process.kill(record.pid, 'SIGKILL')
  await until(() => endedUntold(spec.runDir, spec.name))
  const first = run({ explain: async ({ pid }) => `it was ${pid}` })
  const found = await next('found-ended')
  assert.deepEqual(
    [found.pid, found.since, found.rebooted, found.lastLines, found.reason],
    [record.pid, record.since, false, ['last words'], `it was ${record.pid}`],
  )
  assert.equal((await next('started')).adopted, false)
  await first.stop()
  run()
  await next('started')
  assert.equal(events.filter(({ kind }) => kind === 'found-ended').length, 1)
})

test('an end counts as told only once it was taken: else the next start tells it again', async t => {
  const { spec, run, next } = await stage(t, 'exec sleep 100')
  const heard: SupervisionEvent[] = []
  const full = supervise(spec.name, async () => spec, {
    policy: impatient,
    async onEvent(event) {
      heard.push(event)
      if (event.kind === 'exited') throw new Error('the disk is full')
    },
  })
  t.after(() => full.stop({ deadlineMs: 0 }))
  const { pid } = await until(async () => heard.find(({ kind }) => kind === 'started') as { pid: number })
  process.kill(pid, 'SIGKILL')
  const found = await until(async () => heard.find(event => event.kind === 'found-ended'))
  assert.equal(found.pid, pid)
  await until(async () => heard.filter(({ kind }) => kind === 'started').length === 2 || undefined)
  await full.release()
  run()
  await next('started')
})

test('replaces one that runs from another command line than is wanted now', async t => {
  const { spec, run, next } = await stage(t, 'exec sleep 100')
  const { record } = await start({ ...spec, args: ['-c', 'exec sleep 99'] })
  run()
  assert.equal((await next('replaced')).pid, record.pid)
  const started = await next('started')
  assert.equal(started.adopted, false)
  assert.notEqual(started.pid, record.pid)
})

test('lets it run on when released, for another supervisor to adopt', async t => {
  const { run, next } = await stage(t, 'exec sleep 100')
  const first = run()
  const { pid } = await next('started')
  await first.release()
  assert.equal(first.state(), 'ended')
  run()
  assert.equal((await next('started')).pid, pid)
})

test('stops while it waits to restart, and while it has given up', async t => {
  const { run, next } = await stage(t, 'exit 1')
  const waiting = run({ policy: { ...impatient, firstDelayMs: 600_000, maxDelayMs: 600_000 } })
  await next('restarting')
  await waiting.stop()
  assert.equal(waiting.state(), 'ended')
  const hopeless = run()
  await next('gave-up')
  await hopeless.stop()
  assert.equal(hopeless.state(), 'ended')
})

test('an asked-for end is told as such, and not repaired', async t => {
  const { run, next, events } = await stage(t, 'exec sleep 100')
  const supervisor = run()
  await next('started')
  await supervisor.stop()
  assert.equal((await next('exited')).expected, true)
  assert.equal(events.at(-1)?.kind, 'exited')
})

test('tells when it is ready, when it falls silent, when it is back; a probe that throws says why', async t => {
  const { run, next } = await stage(t, 'exec sleep 100')
  let answer: () => Promise<boolean> = async () => false
  const supervisor = run({ probe: () => answer(), readyWithinMs: 1, probeEveryMs: 10 })
  assert.equal((await next('not-ready')).why, undefined)
  answer = async () => true
  await next('ready')
  answer = async () => {
    throw new Error('certificate expired')
  }
  assert.equal((await next('unhealthy')).why, 'certificate expired')
  assert.equal(supervisor.state(), 'unhealthy')
  answer = async () => true
  await next('healthy')
  assert.equal(supervisor.state(), 'ready')
})

test('a probe that never answers holds up neither a restart nor a stop', async t => {
  const { run, next } = await stage(t, 'exec sleep 100')
  const supervisor = run({ probe: () => new Promise(() => {}) })
  const { pid } = await next('started')
  process.kill(pid, 'SIGKILL')
  await next('started')
  await supervisor.stop()
})

test('asks for the spec before each start, so that what changed takes effect', async t => {
  const { spec, run, next } = await stage(t, '')
  const marker = join(spec.runDir, '..', 'marker')
  let starts = 0
  run({}, async () => {
    await writeFile(marker, String(++starts))
    return { ...spec, args: ['-c', starts === 1 ? 'exit 1' : 'exec sleep 100'] }
  })
  assert.equal((await next('exited')).code, 1)
  await next('started')
  assert.equal(starts, 2)
})

test('what a full disk keeps from running is tried for as long as it is full, and counted afterwards', async t => {
  const { run, next, events } = await stage(t, 'exit 1')
  let hindrance: string | undefined = 'the disk is full'
  const supervisor = run({ hindrance: async () => hindrance })
  for (let life = 1; life <= 3 * impatient.maxCrashes; life++)
    assert.equal((await next('restarting')).reason, 'the disk is full')
  assert.ok(events.every(({ kind }) => kind !== 'gave-up'))
  hindrance = undefined
  await next('gave-up')
  assert.equal(supervisor.state(), 'gave-up')
})
