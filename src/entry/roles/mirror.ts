import { mkdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createHttpServer } from '../../foundation/http/server.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { identity } from '../../foundation/tls/store.ts'
import type { ResolvedLink } from '../../operations/fleet/contract.ts'
import type { LinkAdmin, LinkStatus } from '../../operations/mirror/contract.ts'
import { reverseName } from '../../operations/mirror/failover/control.ts'
import { fileLinkStore } from '../../operations/mirror/file-store.ts'
import { kafkaLinkAdmin } from '../../operations/mirror/kafka-admin.ts'
import { type Link, type LinkOptions, startLink } from '../../operations/mirror/run.ts'
import { mirrorAnswer, mirrorPath } from '../control/links.ts'
import { clusterAddress } from '../fleet-file.ts'
import { linkFiles, runsOf } from '../link-sides.ts'
import { readVersion } from '../version.ts'
import type { RoleContext } from './context.ts'

const RETRY_MS = 2_000
/** How soon a switch of a link's sides is noticed. */
const LOOK_MS = 500

/** Runs the fleet's links, or their reverses once their sides are switched, and says how each stands. */
export async function mirrorRole(context: RoleContext): Promise<void> {
  const { file, session, log, signal } = context
  const running = new Map<string, Link>()
  const server = createHttpServer({ title: 'Ajna mirror', version: readVersion(), session, log })
  server.app.after(() => {
    server.app.get(mirrorPath, {
      schema: { response: { 200: mirrorAnswer } },
      handler: async () => ({ links: [...running.values()].map((link): LinkStatus => link.status()) }),
    })
  })
  await server.listen(file.ports.mirror)
  try {
    await Promise.all(
      file.fleet.links.flatMap(link =>
        (['link', 'reverse'] as const).map(way =>
          keepRunning(context, directionOf(context, link, way), running),
        ),
      ),
    )
  } finally {
    if (signal.aborted) await server.close()
  }
}

/** A link, or the way back of one. */
interface Direction {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly link: ResolvedLink
  readonly store: string
  /** Whether it is to run now. */
  wanted(): Promise<boolean>
}

function directionOf({ home }: RoleContext, link: ResolvedLink, way: 'link' | 'reverse'): Direction {
  const files = linkFiles(home, link.name)
  const wanted = async (): Promise<boolean> => (await runsOf(home, link.name))[way]
  return way === 'link'
    ? { name: link.name, from: link.from, to: link.to, link, store: files.link, wanted }
    : { name: reverseName(link.name), from: link.to, to: link.from, link, store: files.reverse, wanted }
}

/** A link that cannot go on is begun again: what it needs may only be missing for the moment. */
async function keepRunning(
  context: RoleContext,
  direction: Direction,
  running: Map<string, Link>,
): Promise<void> {
  const { log, signal } = context
  const { name, wanted } = direction
  const options = await optionsOf(context, direction)
  while (!signal.aborted) {
    try {
      if (await wanted()) {
        await using started = await startLink(options)
        running.set(name, started)
        await doneOrNotWanted(started, direction, signal)
        if (started.status().state === 'deposed')
          log.warn({ link: name }, 'another worker does this link’s work')
      }
    } catch (error) {
      if (signal.aborted) return
      log.error({ err: error, link: name }, 'the link stopped; beginning it again')
    }
    if (!(await wanted().catch(() => true))) running.delete(name)
    const pauseMs = running.has(name) ? RETRY_MS : LOOK_MS
    await delay(pauseMs, undefined, { signal }).catch(() => undefined)
  }
}

/** Until the link ends, or a switch of sides wants it stopped. */
async function doneOrNotWanted(link: Link, { wanted }: Direction, signal: AbortSignal): Promise<void> {
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  const looking = async (): Promise<void> => {
    while (!either.aborted && (await wanted().catch(() => true)))
      await delay(LOOK_MS, undefined, { signal: either }).catch(() => undefined)
  }
  try {
    await Promise.race([link.done, looking()])
  } finally {
    ended.abort()
  }
}

async function optionsOf(
  context: RoleContext,
  { name, from, to, link, store }: Direction,
): Promise<LinkOptions> {
  const { home, file, log, signal } = context
  const admin = async (cluster: string): Promise<LinkAdmin> => {
    const address = await clusterAddress(file, cluster, () => identity(home.pki, link.principal))
    const opened = openCluster({ ...address, clientId: `ajna-link-${name}`, log })
    signal.addEventListener('abort', () => void opened.close(), { once: true })
    return kafkaLinkAdmin(opened)
  }
  await mkdir(home.role('mirror'), { recursive: true })
  return {
    spec: { name, topics: link.topics },
    source: await context.wire(from, link.principal),
    target: await context.wire(to, link.principal),
    sourceAdmin: await admin(from),
    targetAdmin: await admin(to),
    store: fileLinkStore(store),
    log,
    signal,
  }
}
