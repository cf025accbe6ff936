import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createHttpServer } from '../../foundation/http/server.ts'
import { lockFile } from '../../foundation/process/lock.ts'
import { MIRROR_PRINCIPAL } from '../../operations/fleet/contract.ts'
import type { LinksJournal } from '../../operations/mirror/links/kept.ts'
import { openLinkRegistry } from '../../operations/mirror/links/registry.ts'
import { type MirrorWorker, startMirrorWorker } from '../../operations/mirror/links/worker.ts'
import type { LinkRegistry } from '../../operations/mirror/registry.ts'
import { openConnectServer } from '../connect.ts'
import { askWorker, mirrorAnswer, mirrorPath } from '../control/links.ts'
import { readFleetFile } from '../fleet-file.ts'
import { putFleetLinks } from '../fleet-links.ts'
import { connectEnds, linksJournalCluster, openLinksJournal } from '../links.ts'
import { readVersion } from '../version.ts'
import type { RoleContext } from './context.ts'

const RETRY_MS = 2_000
const FOLLOW_MS = 1_000
const LOCK_EVERY_MS = 1_000

/**
 * Works on all links, together with every other process that does so: any number of them, on this machine and others. The
 * fleet's own links are put into their journal here, at the start and whenever the accepted fleet changes. Of a machine's
 * workers the first one also has Kafka Connect's API.
 */
export async function mirrorRole(context: RoleContext): Promise<void> {
  const { home, file, session, log, signal } = context
  linksJournalCluster(file.fleet)
  const taken = await takePlace(context)
  if (taken === undefined) return
  await using place = taken
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

interface Place extends AsyncDisposable {
  readonly number: number
}

/**
 * A number of this machine's that no other process has: so a worker of the same name in the group is a dead one. A worker
 * of the fleet's waits for its own, which its predecessor may still have; one that was started beside them takes a free one
 * past theirs.
 *
 * @returns undefined when the signal aborted first
 */
async function takePlace({ home, file, number, log, signal }: RoleContext): Promise<Place | undefined> {
  const take = async (each: number): Promise<Place | undefined> => {
    const lock = await lockFile(join(home.run, `mirror-${each}.lock`), { wait: false })
    return lock === undefined ? undefined : { number: each, [Symbol.asyncDispose]: lock.release }
  }
  if (number === undefined)
    for (let each = file.fleet.mirror.workers + 1; !signal.aborted; each++) {
      const place = await take(each)
      if (place !== undefined) return place
    }
  let waiting = false
  while (!signal.aborted) {
    const place = await take(number!)
    if (place !== undefined) return place
    if (!waiting) log.warn({ number }, 'another process of this machine is the worker of this number')
    waiting = true
    await delay(LOCK_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
  return undefined
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
