import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import { openSession } from '../foundation/http/session.ts'
import { type ClusterAdmin, openCluster } from '../foundation/kafka/admin.ts'
import type { AclBinding } from '../foundation/kafka/security.ts'
import type { Logger } from '../foundation/log/log.ts'
import { identity } from '../foundation/tls/store.ts'
import { openWire } from '../foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL, type ResolvedLink } from '../operations/fleet/contract.ts'
import type { LinkStatus } from '../operations/mirror/contract.ts'
import {
  type LinkDefinition,
  type LinkDefinitionInput,
  linkDefinitionSchema,
} from '../operations/mirror/definition.ts'
import {
  DEFAULT_WAITS,
  type FailoverContext,
  type FailoverSide,
  type LinkControl,
  reverseName,
} from '../operations/mirror/failover/control.ts'
import { rebaseLink } from '../operations/mirror/failover/rebase.ts'
import { COPYING, type FailoverState } from '../operations/mirror/failover/state.ts'
import { fileFailoverStore } from '../operations/mirror/failover/store.ts'
import { fileLinkStore } from '../operations/mirror/file-store.ts'
import { fileKeepStore } from '../operations/mirror/keep/file-store.ts'
import { mirrorAnswer, mirrorPath } from './control/links.ts'
import { clusterAddress, type FleetFile } from './fleet-file.ts'
import type { Home } from './home.ts'

/**
 * A declared link's two sides, for the commands that keep them in step and switch them. Which of the link and its reverse
 * run is in the switch's state (`runs`), by which the mirror role goes: no process commands another.
 */

export const LINK_UNDECLARED = errorKind(
  'LINK_UNDECLARED',
  'The accepted fleet declares no link of this name.',
  'See the names with `ajna link list`.',
  2,
)

export function declaredLink(file: FleetFile, name: string): ResolvedLink {
  const link = file.fleet.links.find(each => each.name === name)
  if (link === undefined) throw new AjnaError(LINK_UNDECLARED, `there is no link ${name}`)
  return link
}

/** What of a link is kept where, below the mirror role's directory. */
export function linkFiles(home: Home, link: string) {
  const at = (name: string): string => join(home.role('mirror'), name)
  return {
    link: at(`${link}.json`),
    reverse: at(`${reverseName(link)}.json`),
    keep: at(`${link}.keep.json`),
    reverseKeep: at(`${reverseName(link)}.keep.json`),
    sides: at(`${link}.sides.json`),
  }
}

/** Which of a link and its reverse are to run; the link, until its sides are switched. */
export async function runsOf(home: Home, link: string): Promise<FailoverState['runs']> {
  const stored = await fileFailoverStore(linkFiles(home, link).sides).load()
  return (stored?.state ?? COPYING).runs
}

/** Access rules at each cluster that the links answer for: put there by a switch, or kept in step. */
export async function rulesHeldByLinks(
  home: Home,
  links: readonly ResolvedLink[],
): Promise<ReadonlyMap<string, readonly AclBinding[]>> {
  const held = new Map<string, AclBinding[]>()
  const hold = (cluster: string, rules: readonly AclBinding[]): void => {
    held.set(cluster, [...(held.get(cluster) ?? []), ...rules])
  }
  for (const { name, from, to } of links) {
    const files = linkFiles(home, name)
    const [switched, kept] = await Promise.all([
      fileFailoverStore(files.sides).load(),
      fileKeepStore(files.keep).load(),
    ])
    hold(from, switched?.state.ours.source ?? [])
    hold(to, [...(switched?.state.ours.target ?? []), ...(kept?.acls ?? [])])
  }
  return held
}

export function definitionOf(link: ResolvedLink, keep: LinkDefinitionInput['keep']): LinkDefinition {
  return linkDefinitionSchema.parse({
    name: link.name,
    source: { cluster: link.from },
    target: { cluster: link.to },
    topics: { include: [...link.topics] },
    keep,
  })
}

export interface OpenSides extends AsyncDisposable {
  readonly context: FailoverContext
}

export interface SidesOptions {
  readonly home: Home
  readonly file: FleetFile
  readonly link: ResolvedLink
  readonly keep: LinkDefinitionInput['keep']
  /** Principals (`User:…`) that are let write at the target besides those of the source. */
  readonly writers: readonly string[]
  readonly log: Logger
}

export async function openSides(options: SidesOptions): Promise<OpenSides> {
  const { home, file, link, log } = options
  await mkdir(home.role('mirror'), { recursive: true })
  await using opening = new AsyncDisposableStack()
  const side = async (name: string): Promise<FailoverSide> => {
    const as = async (
      principal: string,
    ): Promise<{ admin: ClusterAdmin; address: Parameters<typeof openWire>[0] }> => {
      const found = await clusterAddress(file, name, () => identity(home.pki, principal))
      const address = { ...found, clientId: 'ajna-sides', log }
      return { admin: opening.use(openCluster(address)), address }
    }
    const { admin, address } = await as(ADMIN_PRINCIPAL)
    const asLink = (await as(link.principal)).admin
    return { name, admin, wire: opening.use(openWire(address)), asLink }
  }
  const [source, target] = [await side(link.from), await side(link.to)]
  const files = linkFiles(home, link.name)
  const context: FailoverContext = {
    definition: definitionOf(link, options.keep),
    source,
    target,
    principal: `User:${link.principal}`,
    link: roleControl(options, link.name, files.link, target),
    reverse: roleControl(options, reverseName(link.name), files.reverse, source),
    keepStore: fileKeepStore(files.keep),
    reverseKeepStore: fileKeepStore(files.reverseKeep),
    store: fileFailoverStore(files.sides),
    writers: options.writers,
    waits: DEFAULT_WAITS,
    log,
    now: Date.now,
    newId: () => randomUUID().slice(0, 8),
  }
  const open = opening.move()
  return { context, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

const ROLE_MS = 20_000
const POLL_MS = 300
const ASK_MS = 2_000

/** A link as the mirror role runs it: it goes by the state that the switch has saved before it asks here. */
function roleControl(
  { home, file, log }: SidesOptions,
  name: string,
  path: string,
  side: FailoverSide,
): LinkControl {
  const store = fileLinkStore(path)

  async function ask(signal: AbortSignal): Promise<readonly LinkStatus[]> {
    const { token } = await openSession(home.token)
    const response = await fetch(`http://127.0.0.1:${file.ports.mirror}${mirrorPath}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
    })
    return mirrorAnswer.parse(await response.json()).links
  }

  /** Undefined: the role does not answer. */
  async function found(signal: AbortSignal): Promise<LinkStatus | 'none' | undefined> {
    try {
      return (await ask(signal)).find(({ link }) => link === name) ?? 'none'
    } catch (error) {
      signal.throwIfAborted()
      log.debug({ err: error }, 'the mirror role does not answer')
      return undefined
    }
  }

  const runs = (status: LinkStatus | 'none' | undefined): boolean =>
    status !== undefined && status !== 'none' && (status.state === 'running' || status.state === 'starting')

  return {
    async status(signal) {
      const status = await found(signal)
      return status === 'none' ? undefined : status
    },
    async copiedIds() {
      const topics = Object.entries((await store.load())?.topics ?? {})
      return new Map(topics.map(([topic, { sourceId }]) => [topic, sourceId]))
    },
    async stop(signal) {
      const until = Date.now() + ROLE_MS
      for (;;) {
        const status = await found(signal)
        if (status !== undefined && !runs(status)) return { stopped: true, reason: '' }
        if (Date.now() > until) {
          const reason =
            status === undefined ? 'the mirror role does not answer' : 'the mirror role runs it still'
          return { stopped: false, reason }
        }
        await delay(POLL_MS, undefined, { signal })
      }
    },
    // The role begins it by itself; one that is not up will.
    start: async () => undefined,
    rebase: (ends, forget, signal) => rebaseLink(store, side.wire, ends, forget, signal),
  }
}
