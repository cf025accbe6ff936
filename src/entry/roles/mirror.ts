import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createHttpServer } from '../../foundation/http/server.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { identity } from '../../foundation/tls/store.ts'
import type { ResolvedLink } from '../../operations/fleet/contract.ts'
import type { LinkAdmin, LinkStatus } from '../../operations/mirror/contract.ts'
import { fileLinkStore } from '../../operations/mirror/file-store.ts'
import { kafkaLinkAdmin } from '../../operations/mirror/kafka-admin.ts'
import { type Link, type LinkOptions, startLink } from '../../operations/mirror/run.ts'
import { mirrorAnswer, mirrorPath } from '../control/links.ts'
import { clusterAddress } from '../fleet-file.ts'
import { readVersion } from '../version.ts'
import type { RoleContext } from './context.ts'

const RETRY_MS = 2_000

/** Runs the fleet's links and says how each stands. */
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
    await Promise.all(file.fleet.links.map(link => keepRunning(context, link, running)))
  } finally {
    if (signal.aborted) await server.close()
  }
}

/** A link that cannot go on is begun again: what it needs may only be missing for the moment. */
async function keepRunning(
  context: RoleContext,
  link: ResolvedLink,
  running: Map<string, Link>,
): Promise<void> {
  const { log, signal } = context
  const options = await optionsOf(context, link)
  while (!signal.aborted) {
    try {
      await using started = await startLink(options)
      running.set(link.name, started)
      await started.done
      if (started.status().state === 'deposed')
        log.warn({ link: link.name }, 'another worker does this link’s work')
    } catch (error) {
      if (signal.aborted) return
      log.error({ err: error, link: link.name }, 'the link stopped; beginning it again')
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function optionsOf(context: RoleContext, link: ResolvedLink): Promise<LinkOptions> {
  const { home, file, log, signal } = context
  const admin = async (cluster: string): Promise<LinkAdmin> => {
    const address = await clusterAddress(file, cluster, () => identity(home.pki, link.principal))
    const opened = openCluster({ ...address, clientId: `ajna-link-${link.name}`, log })
    signal.addEventListener('abort', () => void opened.close(), { once: true })
    return kafkaLinkAdmin(opened)
  }
  const directory = home.role('mirror')
  await mkdir(directory, { recursive: true })
  return {
    spec: { name: link.name, topics: link.topics },
    source: await context.wire(link.from, link.principal),
    target: await context.wire(link.to, link.principal),
    sourceAdmin: await admin(link.from),
    targetAdmin: await admin(link.to),
    store: fileLinkStore(join(directory, `${link.name}.json`)),
    log,
    signal,
  }
}
