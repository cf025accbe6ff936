import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type SharedCluster, sharedCluster } from '../../../test/fleets/cluster.ts'
import { claimPorts } from '../../../test/fleets/ports.ts'
import type { HolderSays, HolderTask } from '../../../test/heal/lease-holder.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { Domain, Interlock, Lease } from '../../operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import { type Keeper, startKeeper } from '../../operations/hosts/keeper.ts'
import { hostAgent } from './host-agent.ts'

const DEADLINE_MS = 120_000
const LOOK_MS = 100
const LEASE_MS = 2_000
const DOMAIN: Domain = { kind: 'broker', cluster: 'edge', rack: 'a', broker: 1 }
const OTHER_RACK: Domain = { kind: 'broker', cluster: 'edge', rack: 'b', broker: 2 }
const HOLDER = fileURLToPath(new URL('../../../test/heal/lease-holder.ts', import.meta.url))

/** The journal is on real brokers, each holder and the process that an agent keeps are processes. */
describe('the interlock survives whoever holds it', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  const topic = `interlock.${randomUUID()}`
  let keys: SharedCluster
  let keeper: Keeper
  let second: Interlock

  before(async () => {
    keys = stack.use(await sharedCluster())
    keeper = stack.use(await startAgent(stack))
    await createTopic(keys.bootstrap, topic, { replicas: 3 })
    const wire = stack.use(openWire({ bootstrap: keys.bootstrap, clientId: 'second' }))
    const log = openKafkaLog({ wire, topic })
    const journal = stack.use(await openJournal({ log, machine: interlockMachine }))
    second = stack.use(openInterlock({ journal, holder: 'second', lookMs: LOOK_MS }))
    await until('the process that is kept is ready', () => kept().state === 'ready')
  })
  after(() => stack.disposeAsync())

  test('a holder that is killed: nobody acts while its lease lasts, then it expires, and that is recorded', async () => {
    await using holder = await startHolder()
    holder.child.kill('SIGKILL')
    for (const domain of [DOMAIN, OTHER_RACK]) {
      const refused = await second.acquire({ domain, leaseMs: LEASE_MS, purpose: 'heal' }, signal)
      assert.ok(!refused.granted)
      assert.match(refused.reason, /holder \d+ holds broker 1 of edge \(rack a\): a test/)
    }
    const lease = await granted()
    assert.ok(lease.fence.token > holder.token)
    const [expired] = second.history()
    assert.deepEqual([expired!.token, expired!.outcome], [holder.token, 'expired'])
    assert.ok(await lease.release({ outcome: 'done' }))
  })

  test('a holder that is frozen is overtaken; woken, it has lost its right, and its order is refused by the agent', async () => {
    await using holder = await startHolder()
    holder.child.kill('SIGSTOP')
    const lease = await granted()
    const { pid } = kept()
    await hostAgent(keeper).kill('kept', pid!, lease.fence, 'overtaken', signal)
    await until('it runs again', () => kept().state === 'ready' && kept().pid !== pid)
    const successor = kept().pid

    holder.child.stdin.write('go\n')
    holder.child.kill('SIGCONT')
    const { order } = await holder.next()
    assert.equal(order!.holds, false, 'it knows by its own clock')
    assert.match(
      order!.problem!,
      new RegExp(`token ${holder.token} of keeper .+ comes after ${lease.fence.token}`),
    )
    assert.equal(kept().pid, successor)
    assert.ok(lease.holds(), 'whoever has overtaken it goes on')
    assert.ok(await lease.release({ outcome: 'done' }))
  })

  const kept = () => keeper.status()[0]!

  async function granted(): Promise<Lease> {
    for (;;) {
      const answer = await second.acquire({ domain: DOMAIN, leaseMs: LEASE_MS, purpose: 'heal' }, signal)
      if (answer.granted) return answer.lease
      await sleep(100, undefined, { signal })
    }
  }

  async function until(what: string, holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (signal.aborted) throw new Error(`not in time: ${what}`)
      await sleep(25)
    }
  }

  async function startHolder() {
    const { port, token } = keeper
    const task: HolderTask = {
      ...{ bootstrap: keys.bootstrap, topic, domain: DOMAIN, leaseMs: LEASE_MS, lookMs: LOOK_MS },
      ...{ agent: { port, token }, process: 'kept', pid: kept().pid! },
    }
    const child = spawn(process.execPath, [HOLDER], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<HolderSays> => {
      const { value, done } = await lines.next()
      if (done) throw new Error('the holder has ended')
      return JSON.parse(value) as HolderSays
    }
    child.stdin.write(`${JSON.stringify(task)}\n`)
    return {
      child,
      next,
      token: (await next()).token,
      async [Symbol.asyncDispose]() {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      },
    }
  }
})

/** An agent that keeps one small process. */
async function startAgent(stack: AsyncDisposableStack): Promise<Keeper> {
  const root = await mkdtemp(join(tmpdir(), 'ajna-interlock-'))
  stack.defer(() => rm(root, { recursive: true, force: true }))
  const [port] = await claimPorts(1)
  const spec = {
    name: 'kept',
    command: process.execPath,
    args: ['-e', `require('node:net').createServer().listen(${port}, '127.0.0.1')`],
    runDir: join(root, 'run'),
    consoleFile: join(root, 'kept.log'),
  }
  const keeper = await startKeeper({
    host: 'one',
    folder: join(root, 'agent'),
    processes: [{ spec, port: port! }],
  })
  // What it keeps outlives it.
  stack.defer(() => {
    const [last] = keeper.status()
    if (last?.pid) process.kill(last.pid, 'SIGKILL')
  })
  return keeper
}
