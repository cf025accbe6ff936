import { setTimeout as sleep } from 'node:timers/promises'
import { JOURNAL_TOPIC_CONFIG } from '../../src/foundation/journal/contract.ts'
import { type ClusterAdmin, openCluster } from '../../src/foundation/kafka/admin.ts'
import { refusalOf } from '../../src/foundation/kafka/errors.ts'
import { type AclBinding, type AclOperation, CLUSTER_RESOURCE } from '../../src/foundation/kafka/security.ts'
import { createLogger } from '../../src/foundation/log/log.ts'
import type { TlsIdentity, Wire } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import type { LinkStatus } from '../../src/operations/mirror/contract.ts'
import {
  type LinkDefinition,
  type LinkDefinitionInput,
  linkDefinitionSchema,
} from '../../src/operations/mirror/definition.ts'
import {
  DEFAULT_WAITS,
  type FailoverContext,
  type FailoverSide,
  type FailoverWaits,
  reverseName,
} from '../../src/operations/mirror/failover/control.ts'
import { grantsToCopy, grantsToRead } from '../../src/operations/mirror/failover/rules.ts'
import { kafkaLinkAdmin } from '../../src/operations/mirror/kafka-admin.ts'
import type { KeepOptions } from '../../src/operations/mirror/keep/run.ts'
import { LINKS_TOPIC } from '../../src/operations/mirror/links/contract.ts'
import { type CommandedLink, commandLink, commandReverse } from '../../src/operations/mirror/links/control.ts'
import type { ConnectEnd } from '../../src/operations/mirror/links/ends.ts'
import type { LinksJournal } from '../../src/operations/mirror/links/kept.ts'
import { mergeStatuses } from '../../src/operations/mirror/links/merge.ts'
import { putLink } from '../../src/operations/mirror/links/registry.ts'
import {
  BY_COMMAND,
  bySwitch,
  failoverOnJournal,
  keepOnJournal,
} from '../../src/operations/mirror/links/stores.ts'
import { type MirrorWorker, startMirrorWorker } from '../../src/operations/mirror/links/worker.ts'
import { startCluster, type TestCluster } from '../fleets/cluster.ts'
import { GROUP_TERMS, openLinks } from './group.ts'

/** Two real clusters with certificates and rules, and what belongs to links between them. */

export const LINK_PRINCIPAL = 'link-edge-hub'

export interface Connected extends AsyncDisposable {
  readonly admin: ClusterAdmin
  readonly wire: Wire
  readonly identity: TlsIdentity
}

export interface Side {
  readonly name: string
  readonly cluster: TestCluster
  readonly admin: ClusterAdmin
  readonly wire: Wire
  /** The same cluster as a principal sees it; closed with the side. */
  as(principal: string): Promise<Connected>
}

export interface Sides extends AsyncDisposable {
  readonly edge: Side
  readonly hub: Side
}

const log = createLogger('sides', 2, process.env['AJNA_LOG_LEVEL'] ?? 'fatal')

/** @param pki a certificate store that both trust; default: one each */
export async function startSides(pki?: string): Promise<Sides> {
  const options = { nodes: 1, tls: true, ...(pki === undefined ? {} : { pki }) } as const
  const started = await Promise.allSettled(['edge', 'hub'].map(name => startCluster({ ...options, name })))
  const failed = started.find(each => each.status === 'rejected')
  const clusters = started.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  if (failed !== undefined) {
    await Promise.all(clusters.map(cluster => cluster[Symbol.asyncDispose]()))
    throw failed.reason
  }
  const sides = await Promise.all(clusters.map(openSide))
  return {
    edge: sides[0]!.side,
    hub: sides[1]!.side,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(sides.map(({ close }) => close()))
      await Promise.all(clusters.map(cluster => cluster[Symbol.asyncDispose]()))
    },
  }
}

export async function openSide(cluster: TestCluster): Promise<{ side: Side; close: () => Promise<void> }> {
  const open = new Map<string, Promise<Connected>>()
  const as = (principal: string): Promise<Connected> => {
    const found = open.get(principal) ?? connect(cluster, principal)
    open.set(principal, found)
    return found
  }
  const { admin, wire } = await as('admin')
  return {
    side: { name: cluster.name, cluster, admin, wire, as },
    close: async () => {
      for (const each of open.values()) await (await each)[Symbol.asyncDispose]()
    },
  }
}

async function connect(cluster: TestCluster, principal: string): Promise<Connected> {
  const identity = await cluster.identity(principal)
  const address = { bootstrap: cluster.bootstrap, tls: identity, clientId: principal }
  const admin = openCluster(address)
  const wire = openWire(address)
  return {
    admin,
    wire,
    identity,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([admin.close(), wire.close()])
    },
  }
}

export const rule = (
  principal: string,
  operation: AclOperation,
  resource: AclBinding['resource'],
  name: string,
  fields: Partial<AclBinding> = {},
): AclBinding => ({
  resource,
  name,
  pattern: 'literal',
  principal: `User:${principal}`,
  host: '*',
  operation,
  permission: 'allow',
  ...fields,
})

/** Adds rules, and waits until the broker goes by them. */
export async function grant(side: Side, rules: readonly AclBinding[]): Promise<void> {
  const failed = (await side.admin.createAcls(rules)).find(({ error }) => error !== null)
  if (failed?.error) throw failed.error
  const texts = new Set(rules.map(each => JSON.stringify(Object.entries(each).sort())))
  for (;;) {
    for (const each of await side.admin.describeAcls({ broker: 1 }))
      texts.delete(JSON.stringify(Object.entries(each).sort()))
    if (texts.size === 0) return
    await sleep(50)
  }
}

/** What the fleet grants a link at its two ends. */
export async function grantLink(from: Side, to: Side, topics: readonly string[]): Promise<void> {
  const principal = `User:${LINK_PRINCIPAL}`
  await grant(from, grantsToRead(principal, topics, []))
  await grant(to, grantsToCopy(principal, topics, []))
}

/** What the fleet grants a link that keeps everything in step. */
export async function grantKeeping(from: Side, to: Side): Promise<void> {
  const who = LINK_PRINCIPAL
  const atCluster = (operation: AclOperation) => rule(who, operation, 'cluster', CLUSTER_RESOURCE)
  await grant(from, [
    atCluster('describe'),
    atCluster('describeConfigs'),
    rule(who, 'describe', 'group', '*'),
  ])
  await grant(to, [atCluster('alter'), atCluster('alterConfigs'), rule(who, 'read', 'group', '*')])
}

/** The links' journal, at the hub. */
export async function createSidesJournal({ hub }: Sides): Promise<void> {
  const config = { ...JOURNAL_TOPIC_CONFIG, 'min.insync.replicas': '1' }
  const layout = { partitions: 1, replicationFactor: 1 }
  const [created] = await hub.admin.createTopics([{ name: LINKS_TOPIC, layout, config }])
  if (created!.error !== null && refusalOf(created!.error) !== 'TOPIC_ALREADY_EXISTS') throw created!.error
}

/** To the two clusters by their names, as somebody. */
const connectAs =
  ({ edge, hub }: Sides, principal: string): ConnectEnd =>
  async end => {
    const side = [edge, hub].find(({ name }) => 'cluster' in end && end.cluster === name)!
    const address = {
      bootstrap: side.cluster.bootstrap,
      tls: (await side.as(principal)).identity,
      clientId: principal,
    }
    const [wire, admin] = [openWire({ ...address, log }), openCluster({ ...address, log })]
    return {
      wire,
      admin: kafkaLinkAdmin(admin),
      cluster: admin,
      principal: `User:${principal}`,
      async close() {
        await Promise.all([wire.close(), admin.close()])
      },
    }
  }

export interface SwitchSetup extends AsyncDisposable {
  readonly definition: LinkDefinition
  readonly context: FailoverContext
  /** A round on somebody's command. */
  readonly keep: (signal: AbortSignal) => KeepOptions
  readonly link: CommandedLink
  /** What its workers say of the link now. The first is called after the link. */
  status(): LinkStatus | undefined
  addWorker(name: string): Promise<void>
  /** In order. */
  leave(worker: string): Promise<void>
  readonly journal: LinksJournal
}

export interface SwitchOptions {
  readonly keep?: LinkDefinitionInput['keep']
  /** Whether the worker keeps it in step by itself. Default: only commands do. */
  readonly follows?: boolean
  readonly waits?: Partial<FailoverWaits>
}

/** A link from the edge to the hub, not started yet, a worker for it, and everything a switch of its sides needs. */
export async function switchSetup(
  sides: Sides,
  name: string,
  topics: readonly string[],
  { keep = {}, follows = false, waits = {} }: SwitchOptions = {},
): Promise<SwitchSetup> {
  const { edge, hub } = sides
  await createSidesJournal(sides)
  const definition = linkDefinitionSchema.parse({
    name,
    source: { cluster: 'edge' },
    target: { cluster: 'hub' },
    topics: { include: [...topics] },
    keep,
    desired: 'stopped',
  })
  const journal = await openLinks(hub.cluster.bootstrap, name, (await hub.as('admin')).identity)
  const kept = follows ? definition : { ...definition, keep: linkDefinitionSchema.shape.keep.parse({}) }
  await putLink(journal, { definition: kept, owner: 'api', annotations: {}, expected: 0, kept: null })
  const workers = new Map<string, MirrorWorker>()
  const addWorker = async (worker: string): Promise<void> => {
    const address = `http://${worker}.invalid`
    const started = await startMirrorWorker({
      journal,
      name: worker,
      address,
      connect: connectAs(sides, LINK_PRINCIPAL),
      log,
      signal: AbortSignal.timeout(60_000),
      terms: GROUP_TERMS,
    })
    workers.set(address, started)
  }
  const leave = async (worker: string): Promise<void> => {
    const address = `http://${worker}.invalid`
    await workers.get(address)?.leave()
    workers.delete(address)
  }
  await addWorker(`${name}-first`)
  // A link that may write nowhere just then is not given producer ids.
  const commanding = {
    journal,
    ask: async (address: string) => workers.get(address)?.status() ?? [],
    connect: connectAs(sides, 'admin'),
    now: Date.now,
  }
  const link = commandLink(commanding, name)
  const reverse = commandReverse(commanding, reverseName(name), name)
  const sideOf = async (side: Side): Promise<FailoverSide> => ({
    name: side.name,
    admin: side.admin,
    wire: side.wire,
    asLink: (await side.as(LINK_PRINCIPAL)).admin,
  })
  const linkPrincipals = [`User:${LINK_PRINCIPAL}`]
  let operations = 0
  const context: FailoverContext = {
    definition,
    source: await sideOf(edge),
    target: await sideOf(hub),
    principal: linkPrincipals[0]!,
    link,
    reverse,
    makeReverse: reverse.make,
    keepStore: keepOnJournal(journal, name, 'keeps', bySwitch(journal, name)),
    reverseKeepStore: keepOnJournal(journal, name, 'keepsBack', bySwitch(journal, name)),
    store: failoverOnJournal(journal, name),
    writers: [],
    waits: { ...DEFAULT_WAITS, everyMs: 50, ...waits },
    log,
    now: Date.now,
    newId: () => `op-${++operations}`,
  }
  return {
    definition,
    context,
    keep: signal => ({
      definition,
      source: edge.admin,
      target: hub.admin,
      store: keepOnJournal(journal, name, 'keeps', BY_COMMAND),
      linkPrincipals,
      log,
      signal,
    }),
    link,
    status() {
      const all = [...workers.values()].flatMap(worker => worker.status())
      return mergeStatuses(
        definition,
        all.filter(each => each.link === name),
        Date.now(),
      )
    },
    addWorker,
    leave,
    journal,
    [Symbol.asyncDispose]: async () => {
      for (const each of [link, reverse]) await each.stop(AbortSignal.timeout(30_000))
      await Promise.all([...workers.values()].map(worker => worker.leave()))
      await journal.close()
    },
  }
}
