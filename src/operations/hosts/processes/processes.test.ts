import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { SupervisionEvent } from '../../../foundation/process/supervise.ts'
import { type HostPlan, hostPlan, type PlannedProcess } from '../contract.ts'
import { planChanges } from './decide.ts'
import { createProcesses, type Processes } from './processes.ts'

const planned = (name: string, more: Partial<PlannedProcess> = {}): PlannedProcess => ({
  name,
  kind: 'broker',
  argv: [process.execPath, '-e', `setInterval(() => {}, 1e6) // ${name}`],
  env: {},
  cwd: '/',
  log: `/tmp/${name}.log`,
  readiness: { kind: 'started' },
  logDirs: [],
  stopMs: 5_000,
  ...more,
})
const planOf = (version: number, processes: PlannedProcess[]): HostPlan => ({ host: 'h', version, processes })

test('a newer plan says what to add, replace, watch anew and remove', () => {
  const before = planOf(1, [planned('a'), planned('b'), planned('c'), planned('d')])
  const after = planOf(2, [
    planned('a'),
    planned('b', { argv: ['other'] }),
    planned('c', { stopMs: 1 }),
    planned('e'),
  ])
  const changes = planChanges(before, after)!
  const names = (processes: readonly PlannedProcess[]): string[] => processes.map(({ name }) => name)
  assert.deepEqual(names(changes.add), ['e'])
  assert.deepEqual(names(changes.replace), ['b'])
  assert.deepEqual(names(changes.rewatch), ['c'])
  assert.deepEqual(changes.remove, ['d'])
})

test('an older plan is not carried out', () => {
  assert.equal(planChanges(planOf(2, [planned('a')]), planOf(1, [])), undefined)
})

interface Host {
  readonly processes: Processes
  readonly events: SupervisionEvent[]
  readonly told: string[]
  write(version: number, processes: readonly PlannedProcess[]): Promise<void>
  begin(): void
  end(): Promise<void>
}

async function host(t: TestContext): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-processes-'))
  const path = join(folder, 'plan.json')
  const events: SupervisionEvent[] = []
  const told: string[] = []
  let stop = new AbortController()
  let running: Promise<void> = Promise.resolve()
  const open = (): Processes =>
    createProcesses({
      path,
      host: 'h',
      runDirectory: join(folder, 'run'),
      onProcessEvent: event => void events.push(event),
      onPlan: (kind, text) => told.push(`${kind}: ${text}`),
    })
  let processes = open()
  const made: Host = {
    get processes() {
      return processes
    },
    events,
    told,
    async write(version, wanted) {
      const here = wanted.map(process => ({
        ...process,
        log: join(folder, `${process.name}.log`),
        cwd: folder,
      }))
      await writeFile(`${path}.new`, JSON.stringify(hostPlan.parse(planOf(version, here))))
      await rename(`${path}.new`, path)
    },
    begin() {
      stop = new AbortController()
      processes = open()
      running = processes.run(stop.signal)
    },
    async end() {
      stop.abort()
      await running
    },
  }
  t.after(async () => {
    await made.write(1_000_000, [])
    await until('all have ended', () => processes.status().length === 0)
    await made.end()
    await rm(folder, { recursive: true })
  })
  return made
}

async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  for (const end = Date.now() + 30_000; Date.now() < end; await delay(10)) {
    const found = look()
    if (found !== undefined && found !== false) return found
  }
  throw new Error(`not in time: ${what}`)
}

const pidOf = ({ processes }: Host, name: string): number | undefined =>
  processes.status().find(process => process.name === name && process.pid !== null)?.pid ?? undefined

const isAlive = async (pid: number): Promise<boolean> =>
  readFile(`/proc/${pid}/stat`, 'utf8').then(
    stat => !/\) Z/.test(stat),
    () => false,
  )

test('a killed process is started again', async t => {
  const made = await host(t)
  await made.write(1, [planned('a')])
  made.begin()
  const first = await until('a runs', () => pidOf(made, 'a'))
  process.kill(first, 'SIGKILL')
  const second = await until('a runs again', () => {
    const pid = pidOf(made, 'a')
    return pid !== first && pid
  })
  const ended = made.events.find(({ kind }) => kind === 'exited')!
  const started = made.events.findLast(({ kind }) => kind === 'started')!
  t.diagnostic(`${started.at - ended.at} ms from its end to its start`)
  assert.ok(await isAlive(second))
})

test('a changed plan is carried out live: only what changed is touched', async t => {
  const made = await host(t)
  await made.write(1, [planned('a'), planned('b'), planned('c')])
  made.begin()
  const [a, b, c] = await until('all run', () => {
    const pids = ['a', 'b', 'c'].map(name => pidOf(made, name))
    return pids.every(pid => pid !== undefined) && (pids as [number, number, number])
  })
  const other = planned('b', { argv: [process.execPath, '-e', 'setInterval(() => {}, 1e6) // another'] })
  await made.write(2, [planned('a'), other, planned('d')])
  await until('b was replaced, d added, c removed', () => {
    const now = pidOf(made, 'b')
    return now !== undefined && now !== b && pidOf(made, 'd') !== undefined && pidOf(made, 'c') === undefined
  })
  assert.equal(pidOf(made, 'a'), a)
  assert.equal(await isAlive(c), false)
  assert.equal(made.processes.plan!.version, 2)
})

test('processes outlive their agent, and the next one adopts them', async t => {
  const made = await host(t)
  await made.write(1, [planned('a')])
  made.begin()
  const pid = await until('a runs', () => pidOf(made, 'a'))
  await made.end()
  assert.ok(await isAlive(pid))
  made.begin()
  assert.equal(await until('a is adopted', () => pidOf(made, 'a')), pid)
  assert.ok(made.events.some(event => event.kind === 'started' && event.adopted))
})

test('a damaged or foreign plan is refused and told; the last good one stays', async t => {
  const made = await host(t)
  await made.write(5, [planned('a')])
  made.begin()
  const pid = await until('a runs', () => pidOf(made, 'a'))
  for (const version of [4]) await made.write(version, [])
  await until('the older plan is refused', () => made.told.some(text => text.startsWith('refused: plan 4')))
  assert.equal(pidOf(made, 'a'), pid)
})

test('a plan that does not say what a process is was made when there were only brokers', () => {
  const { kind: _, ...earlier } = planned('a')
  const plan = hostPlan.parse({
    host: 'h',
    version: 1,
    processes: [earlier, planned('b', { kind: 'other' })],
  })
  assert.deepEqual(
    plan.processes.map(({ kind }) => kind),
    ['broker', 'other'],
  )
  // What it is changes how it is ordered about, and not how it runs.
  const changes = planChanges(plan, planOf(2, [planned('a', { kind: 'other' }), planned('b')]))!
  assert.deepEqual([changes.replace.length, changes.rewatch.length], [0, 2])
})

test('an order stops, starts and restarts a process', async t => {
  const made = await host(t)
  await made.write(1, [planned('a')])
  made.begin()
  const first = await until('a runs', () => pidOf(made, 'a'))
  await made.processes.act('a', 'stop')
  assert.equal(await isAlive(first), false)
  assert.equal(made.processes.status()[0]!.state, 'stopped')
  await made.processes.act('a', 'start')
  const second = await until('a runs again', () => pidOf(made, 'a'))
  await made.processes.act('a', 'restart')
  const third = await until('a was restarted', () => pidOf(made, 'a'))
  assert.equal(new Set([first, second, third]).size, 3)
  await assert.rejects(made.processes.act('nobody', 'start'), { code: 'PROCESS_UNKNOWN' })
  assert.throws(() => made.processes.isBroker('nobody'), { code: 'PROCESS_UNKNOWN' })
})

test('a process that ends for want of its disk is started seldom and never given up; its reason is said', async t => {
  const made = await host(t)
  const logDirs = [join(tmpdir(), 'ajna-no-such-disk', 'data')]
  await made.write(1, [planned('a', { argv: [process.execPath, '-e', 'process.exit(1)'], logDirs })])
  made.begin()
  await until('its restarts are the disk’s', () =>
    made.events.some(event => event.kind === 'restarting' && /the disk of .* fails/.test(event.reason)),
  )
  const dir = made.processes.status()[0]!.dirs[0]!
  assert.deepEqual([dir.path, dir.state], [logDirs[0], 'failed'])
  assert.ok(!made.events.some(({ kind }) => kind === 'gave-up'))
})
