import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createHttpServer } from '../../foundation/http/server.ts'
import { type FileLock, lockFile } from '../../foundation/process/lock.ts'
import { MIRROR_PRINCIPAL } from '../../operations/fleet/contract.ts'
import type { LinksJournal } from '../../operations/mirror/links/kept.ts'
import { openLinkRegistry } from '../../operations/mirror/links/registry.ts'
import { type MirrorWorker, startMirrorWorker } from '../../operations/mirror/links/worker.ts'
import type { LinkRegistry } from '../../operations/mirror/registry.ts'
import { openConnectServer } from '../connect.ts'
import { askWorker, mirrorAnswer, mirrorPath } from '../control/links.ts'
import { readFleetFile } from '../fleet-file.ts'
import { putFleetLinks } from '../fleet-links.ts'
import type { Home } from '../home.ts'
import { connectEnds, linksJournalCluster, openLinksJournal } from '../links.ts'
import { readVersion } from '../version.ts'
import type { RoleContext } from './context.ts'

const RETRY_MS = 2_000
const FOLLOW_MS = 1_000
const MAX_WORKERS = 64

/**
 * Works on all links, together with every other process that does so: any number of them, on this machine and others. The
 * fleet's own links are put into their journal here, at the start and whenever the accepted fleet changes.
 */
export async function mirrorRole(context: RoleContext): Promise<void> {
  const { home, file, session, log, signal } = context
  linksJournalCluster(file.fleet)
  await using place = await takePlace(context.home)
  let worker: MirrorWorker | undefined
  let registry: LinkRegistry | undefined
  const server = createHttpServer({ title: 'Ajna mirror', version: readVersion(), session, log })
  server.app.after(() => {
    server.app.get(mirrorPath, {
      schema: { response: { 200: mirrorAnswer } },
      handler: async () => ({ links: worker?.status() ?? [] }),
    })
  })
  // Only the first has the port that this machine set aside; where the others are is told by the journal as well.
  const address = await server.listen(place.number === 1 ? file.ports.mirror : 0)
  const name = `${file.host}.mirror-${place.number}`
  log.info({ name, address }, 'listening')
  const connect =
    place.number === 1
      ? await openConnectServer({ home, file, session, log, registry: () => registry })
      : undefined
  while (!signal.aborted) {
    try {
      await work(context, name, address, (started, opened) => {
        worker = started
        registry = opened
      })
    } catch (error) {
      if (signal.aborted) break
      log.error({ err: error }, 'the worker stopped; beginning again')
    }
    worker = undefined
    registry = undefined
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined)
  }
  await Promise.all([server.close(), connect?.close()])
}

/** Until the signal aborts, or the membership ends. */
async function work(
  context: RoleContext,
  name: string,
  address: string,
  onStart: (worker: MirrorWorker, registry: LinkRegistry) => void,
): Promise<void> {
  const { home, log, signal } = context
  await using journal = await openLinksJournal(home, MIRROR_PRINCIPAL, log, signal)
  const complete = await putFleetLinks(context, journal)
  const worker = await startMirrorWorker({
    journal,
    name,
    address,
    connect: connectEnds(home, log),
    log,
    signal,
  })
  const ending = AbortSignal.any([signal, worker.stopped])
  const registry = openLinkRegistry({
    journal,
    ask: askWorker(context.session.token),
    connect: connectEnds(home, log),
    now: Date.now,
    log,
    signal: ending,
  })
  onStart(worker, registry)
  log.info('taking part in the work on links')
  try {
    await followFleet(context, journal, complete, ending)
    if (!signal.aborted) throw worker.stopped.reason
  } finally {
    await worker.leave()
  }
}

/** A number of this machine's that no other process has: so a worker of the same name in the group is a dead one. */
async function takePlace(home: Home): Promise<{ readonly number: number } & AsyncDisposable> {
  for (let number = 1; number < MAX_WORKERS; number++) {
    const lock: FileLock | undefined = await lockFile(join(home.run, `mirror-${number}.lock`), {
      wait: false,
    })
    if (lock !== undefined) return { number, [Symbol.asyncDispose]: lock.release }
  }
  throw new Error(`${MAX_WORKERS} mirror workers run on this machine`)
}

/* ---- the fleet's own links ---- */

async function followFleet(
  context: RoleContext,
  journal: LinksJournal,
  complete: boolean,
  ending: AbortSignal,
): Promise<void> {
  const { home, log } = context
  let { acceptedAt } = context.file
  while (!ending.aborted) {
    await delay(FOLLOW_MS, undefined, { signal: ending }).catch(() => undefined)
    if (ending.aborted) return
    try {
      const file = await readFleetFile(home)
      if (file.acceptedAt === acceptedAt && complete) continue
      complete = await putFleetLinks({ home, file, log }, journal)
      acceptedAt = file.acceptedAt
    } catch (error) {
      log.error({ err: error }, 'the fleet’s links cannot be followed; trying again')
    }
  }
}
