import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { hostname, userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MAX_CONFIG_BYTES } from '../foundation/config/source.ts'
import { AjnaError, describeError, errorKind } from '../foundation/errors/errors.ts'
import { type ClusterAdmin, openCluster } from '../foundation/kafka/admin.ts'
import type { Logger } from '../foundation/log/log.ts'
import { identity } from '../foundation/tls/store.ts'
import { applyBegun, applyEnded } from '../operations/fleet/activity/apply-entry.ts'
import { type ApplyResult, acceptedAfter, applyFleet, type StepResult } from '../operations/fleet/apply.ts'
import { isReady } from '../operations/fleet/brokers/driver.ts'
import { allocatePorts } from '../operations/fleet/brokers/ports.ts'
import {
  type ActualCluster,
  ADMIN_PRINCIPAL,
  type ClusterDriver,
  type PlacedCluster,
  type ResolvedCluster,
  type ResolvedFleet,
  type ResolvedLocalCluster,
} from '../operations/fleet/contract.ts'
import { type ClusterExecutor, clusterExecutor } from '../operations/fleet/execute.ts'
import { planFleet } from '../operations/fleet/plan.ts'
import type { FleetPlan, HeldRules } from '../operations/fleet/plan-model.ts'
import { resolveFleet } from '../operations/fleet/resolve.ts'
import { readSpec } from '../operations/fleet/spec.ts'
import { LINKS_TOPIC } from '../operations/mirror/links/contract.ts'
import { rulesHeldByLinks } from '../operations/mirror/links/held.ts'
import { clusterAddress, type FleetFile, findFleetFile, readFleetFile, writeFleetFile } from './fleet-file.ts'
import type { Home } from './home.ts'
import { openLinksJournal } from './links.ts'
import { outboxOf } from './outbox.ts'
import { fetchReleases, planHost, provision } from './up/provision.ts'

export const FLEET_FILE_MISSING = errorKind(
  'FLEET_FILE_MISSING',
  'The fleet’s declaration cannot be read.',
  'Name an existing file with -f; config/two-sites.yaml is an example.',
  2,
)
export const CLUSTER_NOT_UP = errorKind(
  'CLUSTER_NOT_UP',
  'Brokers were started and did not become ready.',
  'Read clusters/<name>/<node>/logs/server.log in the state directory; `./ajna status` shows what the agent does about it.',
)

const CLUSTER_READY_MS = 120_000
const READY_POLL_MS = 100
/** For reading the links' journal: a plan does not wait for a cluster that is away. */
const HELD_RULES_MS = 10_000

/** The example that is used when nothing else is declared. */
const EXAMPLE = fileURLToPath(new URL('../../config/two-sites.yaml', import.meta.url))

/** The declaration in a file, or in `ajna.yaml`, or what was accepted last, or the two-site example. */
export async function declaredFleet(home: Home, file: string | undefined): Promise<ResolvedFleet> {
  if (file !== undefined) return readDeclaration(home, file)
  if (await stat('ajna.yaml').catch(() => undefined)) return readDeclaration(home, 'ajna.yaml')
  return (await findFleetFile(home))?.fleet ?? readDeclaration(home, EXAMPLE)
}

async function readDeclaration(home: Home, file: string): Promise<ResolvedFleet> {
  const text = await readBeginning(file).catch((cause: unknown) => {
    throw new AjnaError(FLEET_FILE_MISSING, `cannot read ${file}`, { cause })
  })
  return resolveFleet(readSpec(text, file), { directory: dirname(resolve(file)), home: home.root })
}

/** A little more than a declaration may have, so that what is larger is refused for that, and a device without an end ends. */
const READ_BYTES = MAX_CONFIG_BYTES + 1

async function readBeginning(file: string): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of createReadStream(file, { end: READ_BYTES - 1 })) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString('utf8')
}

export interface FleetTask {
  readonly home: Home
  readonly fleet: ResolvedFleet
  /** The declaration accepted before this one; null: none. */
  readonly accepted: ResolvedFleet | null
  readonly allowDelete: boolean
  readonly progress: (what: string) => void
  readonly log: Logger
  readonly signal: AbortSignal
}

/** What a declaration would change. Changes nothing, not even on this machine's disk. */
export async function planDeclared(task: FleetTask): Promise<FleetPlan> {
  const before = await findFleetFile(task.home)
  await using tools = openTools(task, before)
  const actual = await tools.observeAll()
  return planFleet({
    fleet: task.fleet,
    accepted: before?.fleet ?? null,
    actual,
    allowDelete: task.allowDelete,
    heldRules: await heldRules(task, before?.fleet),
  })
}

/** Where no links' journal was accepted yet, no link holds anything. */
async function heldRules(
  { home, log, signal }: FleetTask,
  accepted: ResolvedFleet | null | undefined,
): Promise<HeldRules> {
  if (accepted?.topics.some(({ name }) => name === LINKS_TOPIC) !== true) return new Map()
  const until = AbortSignal.any([signal, AbortSignal.timeout(HELD_RULES_MS)])
  try {
    await using journal = await openLinksJournal(home, ADMIN_PRINCIPAL, log, until)
    return rulesHeldByLinks(journal.state())
  } catch (error) {
    signal.throwIfAborted()
    log.warn({ reason: describeError(error) }, 'what rules links hold cannot be told')
    return 'unknown'
  }
}

/** Makes an accepted declaration's clusters what it says. */
export async function applyDeclared(
  task: FleetTask,
  onStep: (result: StepResult) => void,
): Promise<ApplyResult> {
  const { home, fleet, accepted, allowDelete, signal } = task
  await using tools = openTools(task, await findFleetFile(home))
  const actual = await tools.observeAll()
  const input = { fleet, accepted, actual, allowDelete, heldRules: await heldRules(task, accepted) }
  const begun = applyBegun(planFleet(input), userInfo().username, Date.now())
  const outbox = outboxOf(home)
  if (begun !== undefined) await outbox.put(begun)
  const result = await applyFleet(input, { executors: tools.executors(), signal, progress: onStep })
  const file = await readFleetFile(home)
  await writeFleetFile(home, { ...file, fleet: acceptedAfter(fleet, accepted, result) })
  if (begun !== undefined) await outbox.put(applyEnded(begun, result, Date.now()))
  return result
}

/** Ports, directories, certificates and configuration of everything declared; brokers follow the host plan. */
export async function accept(
  task: Pick<FleetTask, 'home' | 'fleet' | 'progress' | 'log'>,
): Promise<FleetFile> {
  const { home, fleet, progress, log } = task
  const file = await provision({
    home,
    fleet,
    host: hostname(),
    ports: async names => new Map(Object.entries(await allocatePorts(home.ports, names))),
  })
  await planHost(home, file, await fetchReleases(file.placed, { progress, log }))
  await writeFleetFile(home, file)
  return file
}

interface Tools extends AsyncDisposable {
  observeAll(): Promise<ReadonlyMap<string, ActualCluster>>
  executors(): ReadonlyMap<string, ClusterExecutor>
}

/** Admin clients for every declared cluster that has a place; the others are absent as far as can be known. */
function openTools({ home, fleet, log, signal }: FleetTask, file: FleetFile | undefined): Tools {
  const admins: ClusterAdmin[] = []
  const placedOf = (cluster: ResolvedCluster): PlacedCluster | undefined =>
    file?.placed.find(({ name }) => name === cluster.name)
  const driver = placedDriver(placedOf)
  const opened = new Map<string, Promise<ClusterExecutor>>()

  async function open(cluster: ResolvedCluster): Promise<ClusterExecutor> {
    const address =
      file === undefined || (cluster.driver === 'local' && placedOf(cluster) === undefined)
        ? { bootstrap: ['127.0.0.1:1'] }
        : await clusterAddress({ ...file, fleet }, cluster.name, () => identity(home.pki, ADMIN_PRINCIPAL))
    const admin = openCluster({ ...address, clientId: 'ajna-apply', log })
    admins.push(admin)
    return clusterExecutor(cluster, admin, driver)
  }

  const executorOf = (cluster: ResolvedCluster): Promise<ClusterExecutor> => {
    const known = opened.get(cluster.name) ?? open(cluster)
    opened.set(cluster.name, known)
    return known
  }

  return {
    async observeAll() {
      const seen = await Promise.all(
        fleet.clusters.map(
          async cluster => [cluster.name, await (await executorOf(cluster)).observe(signal)] as const,
        ),
      )
      return new Map(seen)
    },
    executors: () =>
      new Map(
        fleet.clusters.map(cluster => {
          const executor = executorOf(cluster)
          return [
            cluster.name,
            {
              observe: async (until: AbortSignal) => (await executor).observe(until),
              execute: async (actions, until) => (await executor).execute(actions, until),
            } satisfies ClusterExecutor,
          ]
        }),
      ),
    async [Symbol.asyncDispose]() {
      await Promise.all(admins.map(admin => admin.close()))
    },
  }
}

/** Brokers are started by the host's agent from the plan that `accept` wrote: here it is only seen whether they run. */
function placedDriver(placedOf: (cluster: ResolvedLocalCluster) => PlacedCluster | undefined): ClusterDriver {
  return {
    async state(cluster) {
      const placed = placedOf(cluster)
      if (placed === undefined) return 'absent'
      const ready = await Promise.all(placed.nodes.map(node => isReady(placed, node)))
      if (ready.includes(true)) return 'running'
      const data = await stat(placed.nodes[0]!.dataDirs[0]!).catch(() => undefined)
      return data === undefined ? 'absent' : 'stopped'
    },
    async start(cluster, signal) {
      const placed = placedOf(cluster)
      if (placed === undefined)
        throw new AjnaError(CLUSTER_NOT_UP, `cluster ${cluster.name} has no place yet`)
      await clusterReady(placed, signal)
    },
  }
}

/**
 * Waits until every broker of a cluster is ready.
 *
 * @throws AjnaError CLUSTER_NOT_UP naming the brokers that are not
 */
export async function clusterReady(cluster: PlacedCluster, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + CLUSTER_READY_MS
  let waiting = cluster.nodes
  for (;;) {
    const ready = await Promise.all(waiting.map(node => isReady(cluster, node)))
    waiting = waiting.filter((_, index) => !ready[index])
    if (waiting.length === 0) return
    if (Date.now() > deadline) {
      const names = waiting.map(({ id }) => id).join(', ')
      throw new AjnaError(
        CLUSTER_NOT_UP,
        `cluster ${cluster.name}: broker ${names} not ready after ${CLUSTER_READY_MS / 1_000} s`,
      )
    }
    await delay(READY_POLL_MS, undefined, { signal })
  }
}
