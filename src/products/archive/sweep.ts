/** Deletes what no commit names and none can name any more; and, when told to, what is older than retention. */
import type { Logger } from '../../foundation/log/log.ts'
import { listAll, type ObjectStore } from '../../foundation/objects/store.ts'
import type { Catalog } from './catalog.ts'
import { dataRoot, manifestRoot, parseDataKey, parseManifestKey } from './layout.ts'
import type { Manifest } from './manifest.ts'

export interface SweepOptions {
  readonly graceMs: number
  readonly retentionMs: number | undefined
  readonly now: () => number
}

export interface Swept {
  readonly retired: number
  readonly objects: number
  readonly manifests: number
}

/**
 * An unnamed object goes when it is older than the grace (a query may be reading it) and begins below the end of its
 * partition: commits begin at the end, so no archiver, however long it was frozen, can still name it. What lies beyond the
 * end may be named in a moment and stays.
 */
export async function sweep(
  store: ObjectStore,
  catalog: Catalog,
  options: SweepOptions,
  log: Logger,
): Promise<Swept> {
  const retired = await retire(catalog, options)
  const old = options.now() - options.graceMs
  const named = new Set(catalog.objects().map(object => object.key))
  const partitions = catalog.floors()
  let [objects, manifests] = [0, 0]
  for await (const { key, modifiedMs } of listAll(store, dataRoot)) {
    const about = parseDataKey(key)
    const end = about === undefined ? undefined : partitions.get(about.folder)?.end
    if (about === undefined || end === undefined || about.from >= end || named.has(key) || modifiedMs > old)
      continue
    await store.delete(key)
    objects++
  }
  for await (const { key } of listAll(store, manifestRoot)) {
    const about = parseManifestKey(key)
    if (about?.kind !== 'commit' || about.from >= (partitions.get(about.folder)?.floor ?? 0)) continue
    await store.delete(key)
    manifests++
  }
  await store.tidy(options.graceMs)
  if (retired + objects + manifests > 0) log.info({ retired, objects, manifests }, 'swept the archive')
  return { retired, objects, manifests }
}

async function retire(catalog: Catalog, { retentionMs, now }: SweepOptions): Promise<number> {
  if (retentionMs === undefined) return 0
  let retired = 0
  for (const chain of catalog.chains()) {
    const expired = expiredCommits(chain, now() - retentionMs)
    const last = chain[expired - 1]
    if (last === undefined) continue
    await catalog.retire(last, last.to)
    retired += expired
  }
  return retired
}

/** How many commits from the beginning hold nothing of event time `cut` or younger. */
export function expiredCommits(chain: readonly Manifest[], cut: number): number {
  const youngest = (commit: Manifest): number =>
    commit.objects.length === 0
      ? commit.committedAt
      : Math.max(...commit.objects.map(object => object.maxTime))
  const firstKept = chain.findIndex(commit => youngest(commit) >= cut)
  return firstKept < 0 ? chain.length : firstKept
}
