import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../../../../test/wire/random.ts'
import { identify } from '../../../foundation/process/identity.ts'
import { adopt, type ProcessSpec, start } from '../../../foundation/process/run.ts'
import { newClock } from '../clock/clock.ts'
import { type FaultKind, faultKinds, type TestedCluster } from '../contract.ts'
import { isDiskFault } from '../disk/kibosh.ts'
import { type ArmedFault, armFault, isStopped } from '../inject.ts'
import { isOfNetwork } from '../scenario.ts'
import { leaseFault } from './lease.ts'
import { activeFaults, activeFile, endedFaults, writeActive } from './record.ts'
import { revert, sweep } from './revert.ts'

/** Long enough on any machine; what is waited for comes in a fraction of it. */
const DEADLINE_MS = 60_000
const LONG_MS = 600_000
const COORDINATOR = fileURLToPath(new URL('../testing/coordinator.ts', import.meta.url))

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${DEADLINE_MS} ms`)
    await delay(20)
  }
}

interface Bed {
  readonly faults: string
  readonly cluster: TestedCluster
  /** Killed when the test is over. */
  readonly coordinators: ChildProcess[]
  pid(): Promise<number | undefined>
}

/** A cluster of one process that does nothing, and is not missed. */
async function bedOf(t: TestContext): Promise<Bed> {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-test-'))
  const process: ProcessSpec = {
    name: 'kafka-idle-1',
    command: 'sleep',
    args: ['1000'],
    runDir: join(folder, 'run'),
    consoleFile: join(folder, 'console.log'),
  }
  const pid = async (): Promise<number | undefined> => (await adopt(process.runDir, process.name))?.record.pid
  const faults = join(folder, 'faults')
  const coordinators: ChildProcess[] = []
  // All in one, in this order: a watchdog may still be at work in the folder.
  t.after(async () => {
    for (const child of coordinators) child.kill('SIGKILL')
    for (const { id } of await activeFaults(faults)) await revert(faults, id, 'sweep', 'the test is over')
    await (await adopt(process.runDir, process.name))?.stop({ signal: 'SIGKILL' })
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })
  await start(process)
  const settings = join(folder, 'server.properties')
  const clock = join(folder, 'clock')
  await newClock(clock)
  await writeFile(settings, 'node.id=1\n')
  const cluster = {
    name: 'idle',
    version: '0',
    bootstrap: ['127.0.0.1:1'],
    nodes: [{ id: 1, process, settings, clock }],
  }
  return { faults, cluster, coordinators, pid }
}

/** The lease of the one fault is over now. */
async function endLease(bed: Bed): Promise<void> {
  const [fault] = await activeFaults(bed.faults)
  await writeActive(bed.faults, { ...fault!, until: Date.now() })
}

const arm = (bed: Bed, kind: FaultKind, keptBy?: string, leave?: () => Promise<void>): Promise<ArmedFault> =>
  armFault({
    folder: bed.faults,
    cluster: bed.cluster,
    node: bed.cluster.nodes[0]!,
    keptBy,
    leave,
    unregister: async () => undefined,
    plan: { kind, times: 3, everyMs: 50, skewMs: 600_000 },
    purpose: 'a test',
    leaseMs: LONG_MS,
  })

const never = new AbortController().signal

/** Those that need no network and no disk of their own. */
const kindsOfProcesses = faultKinds.filter(kind => !isOfNetwork(kind) && !isDiskFault(kind))

test('a frozen process is listed while it is frozen, wakes when its fault is taken back, and that is kept', async t => {
  const bed = await bedOf(t)
  const pid = (await bed.pid())!
  const fault = await arm(bed, 'freeze')
  assert.equal(await isStopped(pid), false, 'written down before it is done')
  await fault.begin(never)
  assert.ok(await isStopped(pid))
  assert.deepEqual(
    (await activeFaults(bed.faults)).map(({ kind, node }) => [kind, node]),
    [['freeze', 1]],
  )
  const revertedAt = await fault.revert('enough')
  assert.equal(await isStopped(pid), false)
  assert.deepEqual(await activeFaults(bed.faults), [])
  const [ended] = await endedFaults(bed.faults)
  assert.deepEqual([ended?.by, ended?.why, ended?.undone], ['controller', 'enough', `woke process ${pid}`])
  assert.equal(await fault.revert('again'), revertedAt, 'it was, once')
  assert.equal((await endedFaults(bed.faults)).length, 1)
})

test('a frozen process wakes by itself when its lease is over', async t => {
  const bed = await bedOf(t)
  const pid = (await bed.pid())!
  const fault = await arm(bed, 'freeze')
  await fault.begin(never)
  assert.ok(await isStopped(pid))
  await endLease(bed)
  await until('it wakes', async () => !(await isStopped(pid)))
  await until('it is recorded', async () => (await endedFaults(bed.faults)).length === 1)
  const [ended] = await endedFaults(bed.faults)
  assert.deepEqual([ended?.by, ended?.why], ['watchdog', 'its time was over'])
  await assert.rejects(fault.begin(never), { code: 'FAULT_LEASE_OVER' })
  assert.equal(await isStopped(pid), false)
})

/** A process that freezes the bed's broker and then only waits. */
async function coordinator(bed: Bed, kind: FaultKind): Promise<ChildProcess> {
  const child = spawnCoordinator(bed, kind)
  const [said] = (await once(child.stdout!, 'data')) as [Buffer]
  assert.equal(said.toString().trim(), 'begun')
  return child
}

function spawnCoordinator(bed: Bed, kind: FaultKind): ChildProcess {
  const child = spawn(
    process.execPath,
    [COORDINATOR, bed.faults, JSON.stringify(bed.cluster), '1', kind, `${LONG_MS}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  bed.coordinators.push(child)
  return child
}

test('kill -9 of the coordinator in the middle of a freeze: the process wakes by itself', async t => {
  const bed = await bedOf(t)
  const pid = (await bed.pid())!
  const child = await coordinator(bed, 'freeze')
  assert.ok(await isStopped(pid))
  child.kill('SIGKILL')
  await until('it wakes', async () => !(await isStopped(pid)))
  await until('nothing is left', async () => (await activeFaults(bed.faults)).length === 0)
  assert.match((await endedFaults(bed.faults))[0]!.why, /its controller, process \d+, is gone/)
  assert.equal(await bed.pid(), pid, 'the same process')
})

test('kill -9 of the coordinator after it killed a broker: the broker is started', async t => {
  const bed = await bedOf(t)
  const pid = (await bed.pid())!
  const child = await coordinator(bed, 'kill')
  assert.equal(await bed.pid(), undefined)
  child.kill('SIGKILL')
  await until('it runs again', async () => (await bed.pid()) !== undefined)
  assert.notEqual(await bed.pid(), pid)
})

test('a frozen coordinator keeps nothing frozen beyond the lease', async t => {
  const bed = await bedOf(t)
  const pid = (await bed.pid())!
  const child = await coordinator(bed, 'freeze')
  child.kill('SIGSTOP')
  await until('the coordinator is frozen', () => isStopped(child.pid!))
  assert.ok(await isStopped(pid))
  await endLease(bed)
  await until('it wakes', async () => !(await isStopped(pid)))
  await until('it is recorded', async () => (await endedFaults(bed.faults)).length === 1)
})

test('with coordinator and watchdog both killed, the next sweep undoes the fault', async t => {
  const bed = await bedOf(t)
  const pid = (await bed.pid())!
  const child = await coordinator(bed, 'freeze')
  const [fault] = await activeFaults(bed.faults)
  await killWatchdogOf(fault!.id)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(await isStopped(pid), 'nobody is left to wake it')
  const [ended] = await sweep(bed.faults)
  assert.equal(ended?.by, 'sweep')
  assert.equal(await isStopped(pid), false)
})

async function killWatchdogOf(id: string): Promise<void> {
  for (const entry of await readdir('/proc')) {
    const argv = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')
    if (argv.includes('watchdog-process') && argv.split('\0').includes(id))
      process.kill(Number(entry), 'SIGKILL')
  }
}

test('kill -9 of the coordinator at any moment leaves a process that runs', async t => {
  const random = seededRandom()
  t.diagnostic(`seed ${random.seed}`)
  const bed = await bedOf(t)
  for (let round = 0; round < 6; round++) {
    const kind = random.pick(kindsOfProcesses)
    const child = spawnCoordinator(bed, kind)
    // From before its first line to the middle of a crash-loop.
    await delay(random.integer(900))
    const exited = once(child, 'exit')
    // It may have ended by itself, with what it could not do.
    if (child.kill('SIGKILL')) await exited
    const what = `round ${round}, ${kind}, seed ${random.seed}`
    await until(what, async () => {
      // A watchdog that had not begun has nothing to undo, and what is recorded is swept.
      await sweep(bed.faults)
      const pid = await bed.pid()
      return pid !== undefined && !(await isStopped(pid)) && (await activeFaults(bed.faults)).length === 0
    })
    const clock = await readFile(bed.cluster.nodes[0]!.clock!)
    assert.equal(clock.readBigInt64LE(), 0n, `${what}: its clock is right`)
  }
})

test('a sweep leaves alone what is under way', async t => {
  const bed = await bedOf(t)
  const fault = await arm(bed, 'freeze')
  await fault.begin(never)
  assert.deepEqual(await sweep(bed.faults), [])
  assert.ok(await isStopped((await bed.pid())!))
  await fault.revert('enough')
})

test('a broker that its keeper was told to leave is started when the fault is taken back, whatever became of the keeper', async t => {
  const bed = await bedOf(t)
  const before = await bed.pid()
  let told = 0
  const fault = await arm(bed, 'down', 'an agent', async () => void told++)
  await fault.begin(never)
  assert.deepEqual([await bed.pid(), told], [undefined, 1])
  await fault.revert('enough')
  const pid = await bed.pid()
  assert.ok(pid !== undefined && pid !== before)
  await fault.revert('again')
  assert.equal(await bed.pid(), pid, 'once')
})

test('a crash-loop kills as often as it is to, and leaves a process that runs', async t => {
  const bed = await bedOf(t)
  const seen = new Set([await bed.pid()])
  const fault = await arm(bed, 'crash-loop')
  await fault.begin(never)
  assert.equal(await bed.pid(), undefined, 'it has died')
  await fault.raged
  assert.equal(await bed.pid(), undefined, 'it has died for the last time')
  await fault.revert('enough')
  const pid = await bed.pid()
  assert.ok(pid !== undefined && !seen.has(pid))
  const console = await readFile(bed.cluster.nodes[0]!.process.consoleFile, 'utf8')
  assert.equal(console.match(/--- started/g)?.length, 4, 'once at first, twice to die, once for good')
})

test('a process that was given the pid of a dead one is never signalled', async t => {
  const bed = await bedOf(t)
  const stranger = spawn('sleep', ['1000'])
  t.after(() => stranger.kill('SIGKILL'))
  const { pid, boot } = (await identify(stranger.pid!))!
  stranger.kill('SIGSTOP')
  await until('it stops', () => isStopped(pid))
  const lease = await leaseFault({
    folder: bed.faults,
    kind: 'freeze',
    cluster: 'idle',
    node: 1,
    purpose: 'a test',
    leaseMs: LONG_MS,
    back: { kind: 'wake', process: { pid, startTime: 1, boot } },
  })
  assert.equal((await lease.revert('enough'))?.undone, `process ${pid} had ended`)
  assert.ok(await isStopped(pid), 'left as it was')
})

test('a broker that runs again by somebody else is not started twice', async t => {
  const bed = await bedOf(t)
  const fault = await arm(bed, 'kill')
  await fault.begin(never)
  await start(bed.cluster.nodes[0]!.process)
  const pid = await bed.pid()
  await Promise.all([fault.revert('enough'), revert(bed.faults, fault.lease.record.id, 'sweep', 'too')])
  assert.equal(await bed.pid(), pid)
})

test('a fault on what does not run is refused, and leaves nothing behind', async t => {
  const bed = await bedOf(t)
  await (await adopt(bed.cluster.nodes[0]!.process.runDir, 'kafka-idle-1'))!.stop({ signal: 'SIGKILL' })
  await assert.rejects(arm(bed, 'freeze'), { code: 'FAULT_TARGET_NOT_RUNNING' })
  assert.deepEqual(await activeFaults(bed.faults), [])
})

test('a cluster made for a test ends with it, processes and folder', async t => {
  const bed = await bedOf(t)
  const { runDir, name } = bed.cluster.nodes[0]!.process
  const folder = join(bed.faults, 'clusters', 'idle')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'data'), 'x')
  const lease = await leaseFault({
    folder: bed.faults,
    kind: 'cluster',
    cluster: 'idle',
    node: null,
    purpose: 'a test',
    leaseMs: LONG_MS,
    back: { kind: 'end', runDir, processes: [name], folder },
  })
  await lease.revert('enough')
  assert.equal(await bed.pid(), undefined)
  await assert.rejects(stat(folder))
})

test('settings that nobody starts with are taken back to what they were, and the process is started', async t => {
  const bed = await bedOf(t)
  const { settings } = bed.cluster.nodes[0]!
  const fault = await arm(bed, 'bad-config')
  await fault.begin(new AbortController().signal)
  assert.match(await readFile(settings, 'utf8'), /^node\.id=1\n\nprocess\.roles=nonsense\n$/)
  assert.equal(await bed.pid(), undefined)
  await fault.revert('enough')
  assert.equal(await readFile(settings, 'utf8'), 'node.id=1\n')
  assert.notEqual(await bed.pid(), undefined)
})

test('what is forgotten by its cluster is ended and started anew, and nothing else of that name is ended', async t => {
  const bed = await bedOf(t)
  const before = await bed.pid()
  const fault = await arm(bed, 'unregister')
  await fault.begin(new AbortController().signal)
  assert.equal(await bed.pid(), before)
  await fault.revert('enough')
  const after = await bed.pid()
  assert.ok(after !== undefined && after !== before)
  const again = await arm(bed, 'unregister')
  process.kill(after, 'SIGKILL')
  await again.revert('it has ended by itself meanwhile')
  assert.notEqual(await bed.pid(), after)
})

test('where an agent keeps a broker alive, nobody else starts it', async t => {
  const bed = await bedOf(t)
  for (const kind of ['kill', 'bad-config'] as const) {
    const { runDir, name } = bed.cluster.nodes[0]!.process
    if ((await bed.pid()) === undefined) await start(bed.cluster.nodes[0]!.process)
    const fault = await arm(bed, kind, 'its agent')
    await fault.begin(new AbortController().signal)
    await fault.revert('enough')
    assert.equal(await adopt(runDir, name), undefined, kind)
  }
})

test('a record that is not what was written is said, with the file', async t => {
  const bed = await bedOf(t)
  await mkdir(bed.faults, { recursive: true })
  const file = activeFile(bed.faults, 'freeze-1')
  await writeFile(file, '{"back":{"kind":"wake","process":{"pid":1}}}')
  await assert.rejects(activeFaults(bed.faults), { code: 'FAULT_RECORD_INVALID', message: new RegExp(file) })
  await rm(file)
})
