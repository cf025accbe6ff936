import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sharedCluster, startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { batchOf } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { ensureKafka } from '../../foundation/kafka-dist/kafka-dist.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { prepareNode } from '../../operations/fleet/brokers/driver.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import type { HealPolicy, Incident } from '../../operations/heal/contract.ts'
import { incidentsMachine } from '../../operations/heal/machine.ts'
import { heal } from '../../operations/heal/run.ts'
import { createProcesses } from '../../operations/hosts/processes/processes.ts'
import { createStatusServer } from '../../operations/hosts/status.ts'
import { hostAgent } from './host-agent.ts'
import { bookOf } from './incidents.ts'

const DEADLINE_MS = 240_000
const AUTOMATIC: HealPolicy = {
  'broker-dead': 'automatic',
  'broker-frozen': 'automatic',
  'broker-unregistered': 'automatic',
}

describe('the healer', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  let cluster: TestCluster
  let incidents: () => readonly Incident[]

  before(async () => {
    cluster = stack.use(await startCluster({ nodes: 3, name: 'heal' }))
    const keys = stack.use(await sharedCluster())
    const folder = await mkdtemp(join(tmpdir(), 'ajna-heal-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const stop = new AbortController()
    const agent = await startAgent(cluster, folder, stop.signal)
    const names = { interlock: `heal.interlock.${randomUUID()}`, incidents: `heal.incidents.${randomUUID()}` }
    for (const name of Object.values(names))
      await createTopic(keys.bootstrap, name, { partitions: 1, replicas: 3 })
    const wire = stack.use(openWire({ bootstrap: keys.bootstrap, clientId: 'heal-it' }))
    const leases = stack.use(
      await openJournal({ log: openKafkaLog({ wire, topic: names.interlock }), machine: interlockMachine }),
    )
    const kept = stack.use(
      await openJournal({ log: openKafkaLog({ wire, topic: names.incidents }), machine: incidentsMachine }),
    )
    const interlock = stack.use(openInterlock({ journal: leases, holder: 'heal-it' }))
    const admin = stack.use(
      openCluster({
        bootstrap: cluster.bootstrap,
        clientId: 'heal-it',
        connectTimeoutMs: 500,
        requestTimeoutMs: 800,
      }),
    )
    const book = bookOf(kept)
    incidents = book.list
    const healing = heal({
      cluster: cluster.name,
      brokers: cluster.placed.nodes.map(({ id, rack, ports }) => ({
        id,
        rack,
        host: '127.0.0.1',
        port: ports.client,
        process: `kafka-${cluster.name}-${id}`,
      })),
      admin,
      tls: undefined,
      agent: hostAgent(agent),
      interlock: () => interlock,
      book,
      policy: AUTOMATIC,
      now: Date.now,
      log: silentLogger,
      signal: stop.signal,
    })
    stack.defer(async () => {
      stop.abort()
      await healing
    })
  })
  after(() => stack.disposeAsync())

  for (const [what, hurt, cause] of [
    ['killed', 'SIGKILL', 'broker-dead'],
    ['frozen', 'SIGSTOP', 'broker-frozen'],
  ] as const) {
    test(`a ${what} broker: writes flow to every partition again, and it comes back`, async () => {
      const topic = `heal-${what}`
      await createTopic(cluster.bootstrap, topic, { partitions: 6, replicas: 3 })
      await using wire = openWire({
        bootstrap: cluster.bootstrap,
        clientId: 'heal-load',
        requestTimeoutMs: 1_500,
      })
      await using producer = await wire.producer({}, signal)
      const [seen] = await wire.metadata([topic], signal)
      const victim = cluster.placed.nodes.find(({ id }) => id === seen!.partitions[0]!.leader)!
      const processOf = `kafka-${cluster.name}-${victim.id}`
      const pid = await pidOf(processOf)
      const known = new Set(incidents().map(({ id }) => id))
      const at = Date.now()
      process.kill(pid, hurt)
      const gaps = await Promise.all(
        Array.from({ length: 6 }, async (_, partition) => {
          await producer.append(topic, partition, batchOf(`${what}-${partition}`), signal)
          return Date.now() - at
        }),
      )
      const mine = (): Incident | undefined => incidents().find(({ id }) => !known.has(id))
      while (mine()?.state !== 'healed') await sleep(100, undefined, { signal })
      const incident = mine()!
      console.log(
        `# ${what}: first acknowledgements after ${Math.min(...gaps)} to ${Math.max(...gaps)} ms; found ${incident.detectedAt - at}, acted ${incident.actedAt! - at}, available ${incident.availableAt! - at}, healed ${incident.healedAt! - at}`,
      )
      console.log(JSON.stringify(incident, null, 1))
      assert.equal(incident.cause, cause)
      assert.equal(incident.broker, victim.id)
    })
  }

  async function pidOf(name: string): Promise<number> {
    const { readPidFile, pidFile } = await import('../../foundation/process/run.ts')
    return (await readPidFile(pidFile(runDirOf(cluster), name)))!.pid
  }
})

const runDirOf = ({ placed }: TestCluster): string => join(placed.nodes[0]!.home, '..', 'run')

/** The part of a host's agent that keeps processes, with its own door, over brokers that run already. */
async function startAgent({ placed }: TestCluster, folder: string, signal: AbortSignal) {
  const dist = await ensureKafka(placed.version)
  const runDirectory = join(placed.nodes[0]!.home, '..', 'run')
  const specs = await Promise.all(placed.nodes.map(node => prepareNode(placed, node, dist, runDirectory)))
  const path = join(folder, 'plan.json')
  const processes = specs.map(({ name, command, args, env, cwd, consoleFile }, index) => ({
    name,
    argv: [command, ...args],
    env,
    cwd,
    log: consoleFile,
    readiness: { kind: 'port', port: placed.nodes[index]!.ports.client },
  }))
  await writeFile(path, JSON.stringify({ host: 'heal', version: 1, processes }))
  const kept = createProcesses({
    path,
    host: 'heal',
    runDirectory,
    onProcessEvent: () => {},
    onPlan: () => {},
  })
  void kept.run(signal)
  const token = randomUUID()
  const server = createStatusServer({
    secret: token,
    log: silentLogger,
    status: () => {
      throw new Error('nobody asks')
    },
    act: (name, act, _reason, pid) => kept.act(name, act, pid),
    processes: kept,
    tokens: { highest: 0, raise: async () => {} },
  })
  const address = await server.listen(0)
  signal.addEventListener('abort', () => void server.close(), { once: true })
  return { port: Number(new URL(address).port), token }
}
