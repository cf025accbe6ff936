import { join } from 'node:path'
import { ARCHIVE_PRINCIPAL, type ResolvedObjects } from '../../operations/fleet/contract.ts'
import { archiveConfig } from '../../products/archive/config.ts'
import { runArchive } from '../../products/archive/run.ts'
import { readVersion } from '../version.ts'
import type { RoleContext } from './context.ts'

/** Short enough that a bucket is judged at the archive minutes after it has closed (completeness' grace). */
const ROLL_MS = 120_000

export async function archiveRole({ home, file, session, log, signal, wire }: RoleContext): Promise<void> {
  const { archive } = file.fleet
  if (archive === null) return
  const config = archiveConfig.parse({
    topics: [...archive.topics],
    objects: objectsOf(archive.objects),
    stateDir: join(home.role('archive'), 'state'),
    roll: { ms: ROLL_MS },
  })
  const running = await runArchive({
    config,
    wire: await wire(archive.cluster, ARCHIVE_PRINCIPAL),
    session,
    port: file.ports.archive,
    version: readVersion(),
    log,
    signal,
  })
  await running.done
}

function objectsOf(objects: ResolvedObjects): unknown {
  if (objects.driver === 'file') return { driver: 'fs', root: objects.directory }
  const { endpoint, bucket, region, prefix } = objects
  return { driver: 's3', endpoint, bucket, region, prefix }
}
