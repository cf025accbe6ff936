import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { adopt, type ProcessSpec, start } from '../../../foundation/process/run.ts'
import type { FaultKind, TestedCluster } from '../contract.ts'
import { armFault } from '../inject.ts'
import { leaseFault } from '../leases/lease.ts'
import { activeFaults, endedFaults } from '../leases/record.ts'
import { revert } from '../leases/revert.ts'
import { buildDisk, whyUnavailable } from './build.ts'
import { diskAt, type FaultyDisk, faultsOn, loseDisk, mountDisk, unmountDisk } from './disk.ts'

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

describe('faults on the disk of a broker are leased', { skip: (await whyUnavailable()) ?? false }, () => {
  let folder: string
  let faults: string
  let disk: FaultyDisk
  let cluster: TestedCluster

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ajna-disk-lease-'))
    faults = join(folder, 'faults')
    const runDir = join(folder, 'run')
    const consoleFile = join(folder, 'console.log')
    disk = diskAt({
      program: await buildDisk(join(folder, 'cache')),
      name: 'disk-idle-1',
      mountPoint: join(folder, 'cluster', 'mounted'),
      directory: join(folder, 'cluster', 'below'),
      ...{ runDir, consoleFile },
    })
    await mountDisk(disk)
    await writeFile(join(disk.mountPoint, 'a'), 'kept')
    const process: ProcessSpec = {
      name: 'kafka-idle-1',
      command: 'sleep',
      args: ['1000'],
      runDir,
      consoleFile,
    }
    await start(process)
    cluster = {
      name: 'idle',
      version: '0',
      bootstrap: ['127.0.0.1:1'],
      nodes: [{ id: 1, process, settings: '/dev/null', disk }],
    }
  })
  after(async () => {
    for (const { id } of await activeFaults(faults)) await revert(faults, id, 'sweep', 'the test is over')
    const { runDir, name } = cluster.nodes[0]!.process
    await (await adopt(runDir, name))?.stop({ signal: 'SIGKILL' })
    await loseDisk(disk)
    await unmountDisk(disk.mountPoint)
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })

  for (const [kind, begun] of [
    ['disk-error', async () => ((await faultsOn(disk))?.length ?? 0) > 0],
    ['disk-gone', async () => (await faultsOn(disk)) === undefined],
  ] as const satisfies readonly (readonly [FaultKind, () => Promise<boolean>])[])
    test(`kill -9 of the coordinator in the middle of ${kind}: the disk is well again, with what was on it`, async () => {
      const argv = [COORDINATOR, faults, JSON.stringify(cluster), '1', kind, `${LONG_MS}`]
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout!, 'data')
      assert.ok(await begun(), 'the fault is there')
      child.kill('SIGKILL')
      await until('nothing is left', async () => (await activeFaults(faults)).length === 0)
      assert.deepEqual(await faultsOn(disk), [])
      assert.equal(await readFile(join(disk.mountPoint, 'a'), 'utf8'), 'kept')
      assert.match((await endedFaults(faults))[0]!.why, /its controller, process \d+, is gone/)
    })

  test('a broker that has given its log dir up is started anew when the disk is mended, if nobody else does so', async () => {
    const node = cluster.nodes[0]!
    const pid = async () => (await adopt(node.process.runDir, node.process.name))?.record.pid
    const before = await pid()
    const plan = { kind: 'disk-full', times: 1, everyMs: 0, restarts: true } as const
    const task = { folder: faults, cluster, node, plan, purpose: 'a test', leaseMs: LONG_MS }
    const fault = await armFault(task)
    await fault.begin(new AbortController().signal)
    assert.equal(await pid(), before)
    await fault.revert('enough')
    assert.deepEqual(await faultsOn(disk), [])
    assert.ok(![undefined, before].includes(await pid()))
  })

  test('a broker without such a disk is no victim, and that is said', async () => {
    const { id, process, settings } = cluster.nodes[0]!
    const plan = { kind: 'disk-full', times: 1, everyMs: 0, delayMs: 0 } as const
    const task = {
      folder: faults,
      cluster,
      node: { id, process, settings },
      plan,
      purpose: 'a test',
      leaseMs: LONG_MS,
    }
    await assert.rejects(armFault(task), { code: 'FAULT_DISK_NONE' })
    assert.deepEqual(await activeFaults(faults), [])
  })

  test('the end of a test\u2019s cluster takes its disks away, whatever state they are in', async () => {
    const { runDir, name } = disk.daemon
    await loseDisk(disk)
    const lease = await leaseFault({
      folder: faults,
      kind: 'cluster',
      cluster: 'idle',
      node: null,
      purpose: 'a test',
      leaseMs: LONG_MS,
      back: {
        kind: 'end',
        runDir,
        processes: ['kafka-idle-1', name],
        mounts: [disk.mountPoint],
        folder: join(folder, 'cluster'),
      },
    })
    await lease.revert('the test is over')
    assert.ok(!(await readdir(folder)).includes('cluster'))
    assert.ok(!(await readFile('/proc/self/mounts', 'utf8')).includes(folder))
  })
})
