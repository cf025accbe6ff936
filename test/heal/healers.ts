/** Healers of a test's cluster, with its hosts' agent, and its keys on the shared one. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { healedBrokers } from '../../src/entry/control/heal.ts'
import { hostAgent } from '../../src/entry/control/host-agent.ts'
import { bookOf } from '../../src/entry/control/incidents.ts'
import { prepareBrokerDir } from '../../src/entry/log-dirs.ts'
import { openJournal } from '../../src/foundation/journal/journal.ts'
import { openKafkaLog } from '../../src/foundation/journal/kafka-log.ts'
import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { ensureKafka } from '../../src/foundation/kafka-dist/kafka-dist.ts'
import { silentLogger } from '../../src/foundation/log/log.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { prepareNode } from '../../src/operations/fleet/brokers/driver.ts'
import type { PlacedCluster } from '../../src/operations/fleet/contract.ts'
import type { EndedLease, Interlock } from '../../src/operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../src/operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../src/operations/fleet/interlock/machine.ts'
import type { Patience } from '../../src/operations/heal/conditions/facts.ts'
import type { HealPolicy, Incident } from '../../src/operations/heal/contract.ts'
import { incidentsMachine } from '../../src/operations/heal/machine.ts'
import { heal } from '../../src/operations/heal/run.ts'
import { type Keeper, startKeeper } from '../../src/operations/hosts/keeper.ts'
import { type SharedCluster, sharedCluster, type TestCluster } from '../fleets/cluster.ts'
import { createTopic } from '../wire/topics.ts'

export interface HealersTask {
  readonly cluster: TestCluster
  /** Each is a healer of its own. */
  readonly holders: readonly string[]
  readonly policy: HealPolicy
  readonly patience?: Partial<Patience>
  /** Where they keep leases and incidents; default: the shared cluster. */
  readonly keys?: SharedCluster
  /** Brokers they are responsible for; default: all. */
  readonly healed?: (broker: number) => boolean
  /** Whether the agent can tell what runs from what is stopped; default: it can. */
  readonly watchesThreads?: boolean
}

export interface Healers extends AsyncDisposable {
  incidents(): readonly Incident[]
  leases(): readonly EndedLease[]
  /** Of the last holder. */
  readonly interlock: Interlock
  /** Of the host that all brokers are on. */
  readonly agent: Keeper
  /** As another healer would, that has been killed since. */
  tell(incident: Incident): Promise<string | undefined>
}

export async function startHealers(task: HealersTask): Promise<Healers> {
  const { cluster, holders, policy, patience = {}, healed = () => true, watchesThreads = true } = task
  await using stack = new AsyncDisposableStack()
  const stop = new AbortController()
  const keys = task.keys ?? stack.use(await sharedCluster())
  const placed = { ...cluster.placed, nodes: cluster.placed.nodes.filter(({ id }) => healed(id)) }
  const agent = stack.use(await startAgent(placed))
  const names = {
    interlock: `heal.interlock.${randomUUID()}`,
    incidents: `heal.incidents.${randomUUID()}`,
  }
  for (const name of Object.values(names))
    await createTopic(keys.bootstrap, name, { partitions: 1, replicas: 3 })
  const healing: { readonly book: ReturnType<typeof bookOf>; readonly interlock: Interlock }[] = []
  const ended: Promise<void>[] = []
  for (const holder of holders) {
    const wire = stack.use(openWire({ bootstrap: keys.bootstrap, clientId: holder }))
    const log = (topic: string) => openKafkaLog({ wire, topic })
    const interlocks = stack.use(await openJournal({ log: log(names.interlock), machine: interlockMachine }))
    const journal = stack.use(await openJournal({ log: log(names.incidents), machine: incidentsMachine }))
    const interlock = stack.use(openInterlock({ journal: interlocks, holder }))
    const reach = { clientId: holder, connectTimeoutMs: 500, requestTimeoutMs: 800 }
    const admin = stack.use(openCluster({ bootstrap: cluster.bootstrap, ...reach }))
    const book = bookOf(journal)
    healing.push({ book, interlock })
    ended.push(
      heal({
        cluster: cluster.name,
        brokers: healedBrokers(placed),
        admin,
        tls: undefined,
        agent: watchesThreads ? hostAgent(agent) : { ...hostAgent(agent), ran: async () => undefined },
        interlock: () => interlock,
        book,
        policy,
        patience,
        now: Date.now,
        log: silentLogger,
        signal: stop.signal,
      }),
    )
  }
  stack.defer(async () => {
    stop.abort()
    await Promise.all(ended)
  })
  const { book, interlock } = healing.at(-1)!
  const owned = stack.move()
  const tell = (incident: Incident) => book.tell(incident, stop.signal)
  const seen = { incidents: book.list, leases: interlock.history, interlock, agent }
  return { ...seen, tell, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Of the brokers' pid files. */
export const runDirOf = ({ nodes }: PlacedCluster): string => join(nodes[0]!.home, '..', 'run')

/** The agent of the host that all brokers are on; they run already. */
async function startAgent(placed: PlacedCluster): Promise<Keeper> {
  const dist = await ensureKafka(placed.version)
  const runDirectory = runDirOf(placed)
  const processes = placed.nodes.map(async node => ({
    spec: await prepareNode(placed, node, dist, runDirectory),
    port: node.ports.client,
    logDirs: node.dataDirs,
  }))
  return startKeeper({
    host: 'heal',
    folder: join(runDirectory, '..', `agent-${randomUUID()}`),
    processes: await Promise.all(processes),
    prepareLogDir: (process, path) => prepareBrokerDir([placed], process, path),
  })
}
