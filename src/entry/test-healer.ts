/**
 * Healing of a test's cluster, as a fleet's is healed: an agent for each broker's host, leases and incidents on another
 * cluster (one small broker), and the healer itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AjnaError } from '../foundation/errors/errors.ts'
import { openCluster } from '../foundation/kafka/admin.ts'
import { silentLogger } from '../foundation/log/log.ts'
import { identify } from '../foundation/process/identity.ts'
import { adopt, start } from '../foundation/process/run.ts'
import type { Healer, Healing, Impairment } from '../operations/faults/contract.ts'
import { TEST_HEALER_NOT_READY } from '../operations/faults/errors.ts'
import { leaseFault } from '../operations/faults/leases/lease.ts'
import { awaitReady } from '../operations/fleet/brokers/driver.ts'
import { INTERLOCK_TOPIC } from '../operations/fleet/interlock/machine.ts'
import { INCIDENTS_TOPIC, policyOf } from '../operations/heal/contract.ts'
import type { HealedBroker, HealerOptions, HostAgent, IncidentBook } from '../operations/heal/ends.ts'
import { heal } from '../operations/heal/run.ts'
import { type Keeper, startKeeper } from '../operations/hosts/keeper.ts'
import { AGENT_UNREACHABLE, type AgentAddress } from './control/agents.ts'
import { healedBrokers, QUICK } from './control/heal.ts'
import { type Host, hostAgent, hostAgents } from './control/host-agent.ts'
import { type KeptKeys, keepKeys } from './control/keys.ts'
import type { Home } from './home.ts'
import { prepareBrokerDir } from './log-dirs.ts'
import { type StartedTestCluster, startTestCluster } from './test-cluster.ts'

export interface TestHealerTask {
  readonly home: Home
  readonly cluster: StartedTestCluster
  readonly leaseMs: number
  readonly note: (what: string) => void
  readonly signal: AbortSignal
}

const READY_MS = 60_000
const LOOK_MS = 50
/** Of an agent before a fault: what it said is forgotten by then. */
const AGENT_GONE_MS = 2_000
/** What a fleet's file says by default. */
const POLICY = policyOf('automatic', { 'disk-slow': 'propose' })
const PROCESS = fileURLToPath(new URL(`./test-healer-process${extname(import.meta.url)}`, import.meta.url))

/** Starts the cluster that keeps leases and incidents; gone when it is disposed. */
export async function startTestHealer(task: TestHealerTask): Promise<Healer & AsyncDisposable> {
  const { home, cluster, leaseMs, note, signal } = task
  note('starting the broker that keeps leases and incidents')
  const keys = await startTestCluster({ home, role: 'keeper', nodes: 1, leaseMs, note, signal })
  let runs = 0
  try {
    await using admin = openCluster({ bootstrap: keys.bootstrap, clientId: 'ajna-test' })
    const layout = { partitions: 1, replicationFactor: 1 }
    const topics = [INTERLOCK_TOPIC, INCIDENTS_TOPIC].map(name => ({ name, layout }))
    const failed = (await admin.createTopics(topics, { signal })).find(({ error }) => error !== null)
    if (failed?.error) throw failed.error
  } catch (error) {
    await keys[Symbol.asyncDispose]()
    throw error
  }
  return {
    name: 'ajna',
    begin: impaired => beginHealing({ ...task, keys, name: `${cluster.name}-${++runs}`, impaired }),
    [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose](),
  }
}

interface RunOptions extends TestHealerTask {
  readonly keys: StartedTestCluster
  /** Of the cluster, in this run's leases and incidents: so nothing is remembered of earlier ones. */
  readonly name: string
  readonly impaired: Impairment | undefined
}

async function beginHealing(options: RunOptions): Promise<Healing> {
  const { cluster, keys: keeper, name, impaired, note, signal } = options
  const stack = new AsyncDisposableStack()
  const stopping = new AbortController()
  const until = AbortSignal.any([signal, stopping.signal])
  stack.defer(() => stopping.abort())
  try {
    const hosts = await startHosts(options, stack)
    const keys = keepKeys({
      ...{ cluster: name, keptAt: keeper.name, holder: `test ${process.pid}`, log: silentLogger },
      ...{ changed: () => undefined, signal: until },
      address: async () => ({ bootstrap: keeper.bootstrap }),
    })
    await reached('leases and incidents are open', () => keys.interlock() !== undefined, until)
    const first = impaired === 'healer-dies' || impaired === 'healer-freezes' ? impaired : undefined
    const other = first === undefined ? undefined : await startOther(options, first, hosts, stack, note)
    // The other one is to act first: until it has stalled, this one only follows.
    const book = other === undefined ? keys.book : followed(keys.book, other.stalled)
    const brokers = healedBrokers(cluster.placed)
    const agent = hostAgents(
      hosts.map(({ host }) => host),
      until,
    )
    const healing = healTested({
      name,
      bootstrap: cluster.bootstrap,
      brokers,
      agent,
      keys,
      book,
      signal: until,
    })
    stack.defer(async () => {
      stopping.abort()
      await healing
    })
    return {
      incidents: () => keys.seen().incidents.filter(each => each.cluster === name),
      process: broker => hosts.find(({ id }) => id === broker)?.running(),
      restart: async broker => hosts.find(({ id }) => id === broker)?.restart(),
      leave: async broker => hosts.find(({ id }) => id === broker)?.leave(),
      reload: async broker => hosts.find(({ id }) => id === broker)?.reload(),
      async impair(hit) {
        const hurt = hosts.filter(({ id }) => hit.includes(id))
        if (impaired === 'leases') await endBroker(keeper)
        if (impaired === 'host') for (const each of hurt) void each.close()
        if (impaired !== 'agent') return
        await Promise.all(hurt.map(each => each.close()))
        await delay(AGENT_GONE_MS, undefined, { signal })
      },
      async repair() {
        if (impaired === 'leases') await startBroker(keeper, signal)
        if (impaired === 'host' || impaired === 'agent') await Promise.all(hosts.map(each => each.open()))
        other?.wake()
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

export interface HealTask {
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly brokers: readonly HealedBroker[]
  readonly agent: HostAgent
  readonly keys: KeptKeys
  readonly book: IncidentBook
  readonly beforeAct?: () => void
  readonly signal: AbortSignal
}

/** The healer as the control process has it. */
export async function healTested(task: HealTask): Promise<void> {
  const { name, bootstrap, brokers, agent, keys, book, beforeAct, signal } = task
  await using admin = openCluster({ bootstrap, clientId: 'ajna-healer', ...QUICK })
  const before =
    <Args extends unknown[], T>(act: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      beforeAct?.()
      return act(...args)
    }
  const options: HealerOptions = {
    cluster: name,
    brokers,
    admin: { ...admin, unregisterBroker: before(admin.unregisterBroker) },
    tls: undefined,
    agent: { ...agent, kill: before(agent.kill) },
    interlock: keys.interlock,
    book,
    policy: POLICY,
    now: Date.now,
    log: silentLogger,
    signal,
  }
  await heal(options)
}

/** Tells of nothing new while `stalled` is not so: another one is first. */
const followed = (book: IncidentBook, stalled: () => boolean): IncidentBook => ({
  ...book,
  tell: async (incident, signal) =>
    incident.revision > 0 || stalled() ? book.tell(incident, signal) : 'another healer is first',
})

/* ---- hosts ---- */

interface TestHost {
  readonly id: number
  readonly host: Host
  /** Where its agent is; it moves when that was gone. */
  address(): AgentAddress
  running(): { readonly pid: number; readonly ready: boolean } | undefined
  restart(): Promise<void>
  leave(): Promise<void>
  /** @throws AjnaError AGENT_UNREACHABLE */
  reload(): Promise<void>
  open(): Promise<void>
  close(): Promise<void>
}

/** A host for each broker; its agent adopts the broker. */
async function startHosts(
  { cluster, home, signal }: RunOptions,
  stack: AsyncDisposableStack,
): Promise<readonly TestHost[]> {
  const folder = join(home.faults, 'clusters', cluster.name)
  const hosts = cluster.placed.nodes.map(({ id, ports, dataDirs }): TestHost => {
    const spec = cluster.nodes.find(node => node.id === id)!.process
    let keeper: Keeper | undefined
    const address = (): AgentAddress => {
      if (keeper === undefined) throw new AjnaError(AGENT_UNREACHABLE, `the agent of host-${id} is gone`)
      return keeper
    }
    const agent = (): HostAgent => hostAgent(address())
    const close = async (): Promise<void> => {
      const open = keeper
      keeper = undefined
      await open?.[Symbol.asyncDispose]()
    }
    stack.defer(close)
    return {
      id,
      host: {
        processes: [spec.name],
        agent: {
          processes: async (...args) => agent().processes(...args),
          ran: async (...args) => agent().ran(...args),
          replicas: async (...args) => agent().replicas(...args),
          verify: async (...args) => agent().verify(...args),
          kill: async (...args) => agent().kill(...args),
          prepareLogDir: async (...args) => agent().prepareLogDir(...args),
        },
      },
      address,
      running() {
        const [status] = keeper?.status() ?? []
        return status?.pid ? { pid: status.pid, ready: status.state === 'ready' } : undefined
      },
      async restart() {
        await keeper?.retry(spec.name)
      },
      async leave() {
        await keeper?.stop(spec.name)
      },
      async reload() {
        if (keeper === undefined) throw new AjnaError(AGENT_UNREACHABLE, `the agent of host-${id} is gone`)
        await keeper.restart(spec.name)
      },
      async open() {
        keeper ??= await startKeeper({
          host: `host-${id}`,
          folder: join(folder, `host-${id}`),
          processes: [{ spec, port: ports.client, logDirs: dataDirs }],
          prepareLogDir: (process, path) => prepareBrokerDir([cluster.placed], process, path),
        })
      },
      close,
    }
  })
  await Promise.all(hosts.map(host => host.open()))
  await reached('every agent has its broker', () => hosts.every(host => host.running()?.ready), signal)
  return hosts
}

/* ---- the cluster that keeps the keys ---- */

async function endBroker({ nodes }: StartedTestCluster): Promise<void> {
  const { runDir, name } = nodes[0]!.process
  const found = await adopt(runDir, name)
  await found?.stop({ signal: 'SIGKILL' })
}

async function startBroker({ nodes, placed }: StartedTestCluster, signal: AbortSignal): Promise<void> {
  const spec = nodes[0]!.process
  if ((await adopt(spec.runDir, spec.name)) !== undefined) return
  await awaitReady(placed, placed.nodes[0]!, await start(spec), { deadlineMs: READY_MS, signal })
}

/* ---- a healer that fails in the middle of its act ---- */

interface OtherHealer {
  stalled(): boolean
  wake(): void
}

/** What its process is told: {@link PROCESS} with it as JSON. */
export interface OtherHealerTask {
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly keys: readonly string[]
  readonly brokers: readonly HealedBroker[]
  readonly hosts: readonly { readonly processes: readonly string[]; readonly address: AgentAddress }[]
  readonly ends: 'healer-dies' | 'healer-freezes'
}

/** A healer in a process of its own, which ends or stops itself at its first act. It is woken and ended, however this one ends. */
async function startOther(
  { home, cluster, keys, name, leaseMs, signal }: RunOptions,
  ends: OtherHealerTask['ends'],
  hosts: readonly TestHost[],
  stack: AsyncDisposableStack,
  note: (what: string) => void,
): Promise<OtherHealer> {
  const task: OtherHealerTask = {
    name,
    bootstrap: cluster.bootstrap,
    keys: keys.bootstrap,
    brokers: healedBrokers(cluster.placed),
    hosts: hosts.map(({ host, address }) => {
      const { port, token } = address()
      return { processes: host.processes, address: { port, token } }
    }),
    ends,
  }
  const child = spawn(process.execPath, [PROCESS], { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => endChild(child))
  child.stdin.write(`${JSON.stringify(task)}\n`)
  const identity = (await identify(child.pid!))!
  // Frozen, it would not see that this process is gone.
  const lease = await leaseFault({
    folder: home.faults,
    kind: 'healer',
    cluster: cluster.name,
    node: null,
    purpose: 'a healer that fails in the middle of its act',
    leaseMs,
    back: { kind: 'wake', process: identity },
  })
  stack.defer(async () => void (await lease.revert('the run is over')))
  let said = ''
  child.stdout.on('data', (text: Buffer) => {
    if (!said.includes('stalled') && text.includes('stalled'))
      note(
        ends === 'healer-dies' ? 'the healer has died before its act' : 'the healer is frozen before its act',
      )
    said += text
  })
  await reached('the other healer watches', () => said.includes('watching'), signal)
  return {
    stalled: () => said.includes('stalled'),
    wake: () => void child.kill('SIGCONT'),
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** @throws AjnaError TEST_HEALER_NOT_READY; the signal's reason */
async function reached(what: string, holds: () => boolean | undefined, signal: AbortSignal): Promise<void> {
  const until = performance.now() + READY_MS
  while (!holds()) {
    if (performance.now() > until) throw new AjnaError(TEST_HEALER_NOT_READY, `not in time: ${what}`)
    await delay(LOOK_MS, undefined, { signal })
  }
}
