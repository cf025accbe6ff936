import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterAdmin, openCluster } from '../../src/foundation/kafka/admin.ts'
import type { AclBinding, AclOperation } from '../../src/foundation/kafka/security.ts'
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
  type LinkControl,
} from '../../src/operations/mirror/failover/control.ts'
import { rebaseLink } from '../../src/operations/mirror/failover/rebase.ts'
import { grantsToCopy, grantsToRead } from '../../src/operations/mirror/failover/rules.ts'
import { fileFailoverStore } from '../../src/operations/mirror/failover/store.ts'
import { fileLinkStore } from '../../src/operations/mirror/file-store.ts'
import { kafkaLinkAdmin } from '../../src/operations/mirror/kafka-admin.ts'
import { fileKeepStore } from '../../src/operations/mirror/keep/file-store.ts'
import type { KeepOptions } from '../../src/operations/mirror/keep/run.ts'
import { type Link, startLink } from '../../src/operations/mirror/run.ts'
import { startCluster, type TestCluster } from '../fleets/cluster.ts'

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

async function openSide(cluster: TestCluster): Promise<{ side: Side; close: () => Promise<void> }> {
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

/** A link, or its reverse, run in this process. */
export interface LocalLink extends LinkControl, AsyncDisposable {
  last(): LinkStatus | undefined
}

export function localLink(
  name: string,
  topics: readonly string[],
  from: Side,
  to: Side,
  folder: string,
): LocalLink {
  const store = fileLinkStore(join(folder, `${name}.json`))
  let running: Link | undefined
  let last: LinkStatus | undefined
  const say = (): LinkStatus | undefined => {
    if (running !== undefined) last = running.status()
    return last
  }
  const stop = async (): Promise<void> => {
    say()
    await running?.[Symbol.asyncDispose]()
    running = undefined
  }
  return {
    last: say,
    status: async () => say(),
    copiedIds: async () =>
      new Map(
        Object.entries((await store.load())?.topics ?? {}).map(([topic, { sourceId }]) => [topic, sourceId]),
      ),
    async start() {
      if (running !== undefined) return
      const [source, target] = [await from.as(LINK_PRINCIPAL), await to.as(LINK_PRINCIPAL)]
      running = await startLink({
        spec: { name, topics },
        source: source.wire,
        target: target.wire,
        sourceAdmin: kafkaLinkAdmin(source.admin),
        targetAdmin: kafkaLinkAdmin(target.admin),
        store,
        log,
        signal: new AbortController().signal,
        topicsEveryMs: 300,
      })
    },
    async stop() {
      await stop()
      return { stopped: true, reason: '' }
    },
    async rebase(ends, forget, signal) {
      await rebaseLink(store, to.wire, ends, forget, signal)
    },
    [Symbol.asyncDispose]: stop,
  }
}

export interface SwitchSetup extends AsyncDisposable {
  readonly definition: LinkDefinition
  readonly context: FailoverContext
  readonly keep: (signal: AbortSignal) => KeepOptions
  readonly link: LocalLink
  readonly reverse: LocalLink
}

/** A link from the edge to the hub, not started yet, with everything a switch of its sides needs. */
export async function switchSetup(
  { edge, hub }: Sides,
  folder: string,
  name: string,
  topics: readonly string[],
  keep: LinkDefinitionInput['keep'] = {},
  waits: Partial<FailoverWaits> = {},
): Promise<SwitchSetup> {
  const definition = linkDefinitionSchema.parse({
    name,
    source: { cluster: 'edge' },
    target: { cluster: 'hub' },
    topics: { include: [...topics] },
    keep,
  })
  const link = localLink(name, topics, edge, hub, folder)
  const reverse = localLink(`${name}.back`, topics, hub, edge, folder)
  const sideOf = async (side: Side): Promise<FailoverSide> => ({
    name: side.name,
    admin: side.admin,
    wire: side.wire,
    asLink: (await side.as(LINK_PRINCIPAL)).admin,
  })
  const keepStore = fileKeepStore(join(folder, `${name}.keep.json`))
  const linkPrincipals = [`User:${LINK_PRINCIPAL}`]
  let operations = 0
  const context: FailoverContext = {
    definition,
    source: await sideOf(edge),
    target: await sideOf(hub),
    principal: linkPrincipals[0]!,
    link,
    reverse,
    keepStore,
    reverseKeepStore: fileKeepStore(join(folder, `${name}.back.keep.json`)),
    store: fileFailoverStore(join(folder, `${name}.failover.json`)),
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
      store: keepStore,
      linkPrincipals,
      log,
      signal,
    }),
    link,
    reverse,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([link[Symbol.asyncDispose](), reverse[Symbol.asyncDispose]()])
    },
  }
}
