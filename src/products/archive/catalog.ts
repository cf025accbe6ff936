import { AjnaError } from '../../foundation/errors/errors.ts'
import { listAll, type ObjectStore } from '../../foundation/objects/store.ts'
import { type Account, accountAll, emptyAccount } from './accounts.ts'
import {
  floorKey,
  manifestKey,
  manifestRoot,
  type PartitionId,
  parseManifestKey,
  partitionFolder,
} from './layout.ts'
import {
  chainOf,
  type DataObject,
  decodeFloor,
  decodeManifest,
  encodeFloor,
  encodeManifest,
  type Manifest,
} from './manifest.ts'

/** Manifests read at once while the catalog opens. */
const readsAtOnce = 16

interface Chain {
  readonly floor: number
  readonly commits: readonly Manifest[]
}

export interface Totals {
  readonly records: number
  readonly withoutPosition: number
  readonly unknownStream: number
  readonly objects: number
  readonly bytes: number
}

/** What the archive holds according to its manifests: the only truth there is about it. Changes only between awaits. */
export interface Catalog {
  /** Where the next commit of a partition begins: 0 for one without any. */
  end(id: PartitionId): number
  /** The offset that retention has deleted everything below of, by manifest folder; and where each partition ends. */
  floors(): ReadonlyMap<string, { readonly floor: number; readonly end: number }>
  /** The commits of a partition, in order. */
  chain(id: PartitionId): readonly Manifest[]
  chains(): readonly (readonly Manifest[])[]
  /** Every object that a commit names. */
  objects(): readonly DataObject[]
  totals(): Totals
  accounts(): ReadonlyMap<string, Account>
  /** Counts up with every change of what is held. */
  readonly version: number
  /**
   * Puts a commit at the end of its partition. `theirs`: another archiver was first; `reload` tells where the partition ends
   * now. After an error the commit may have happened: offer the very same one again.
   */
  commit(commit: Manifest): Promise<'ours' | 'theirs'>
  reload(id: PartitionId): Promise<void>
  /** Forgets the commits below `floor`, which begins one of them or is the end. Their objects are named by nothing then. */
  retire(id: PartitionId, floor: number): Promise<void>
}

/** Reads all manifests. Throws ARCHIVE_MANIFEST_INVALID, and what the object store throws. */
export async function openCatalog(store: ObjectStore): Promise<Catalog> {
  const chains = new Map<string, Chain>()
  let version = 0
  let accounts: Map<string, Account> | undefined
  let objects: DataObject[] | undefined
  let totals: Totals | undefined

  for (const [folder, chain] of await readChains(store, manifestRoot)) chains.set(folder, chain)

  function set(folder: string, chain: Chain): void {
    chains.set(folder, chain)
    accounts = objects = totals = undefined
    version++
  }

  /** The hot way of `set`: what is derived is carried on instead of made again. */
  function append(commit: Manifest): void {
    const folder = partitionFolder(commit)
    const { floor, commits } = chains.get(folder) ?? { floor: 0, commits: [] }
    chains.set(folder, { floor, commits: [...commits, commit] })
    if (accounts !== undefined) accountCommit(accounts, commit)
    objects?.push(...commit.objects)
    totals = undefined
    version++
  }

  const catalog: Catalog = {
    end(id) {
      const chain = chains.get(partitionFolder(id))
      return chain?.commits.at(-1)?.to ?? chain?.floor ?? 0
    },
    floors: () =>
      new Map(
        [...chains].map(([folder, { floor, commits }]) => [
          folder,
          { floor, end: commits.at(-1)?.to ?? floor },
        ]),
      ),
    chain: id => chains.get(partitionFolder(id))?.commits ?? [],
    chains: () => [...chains.values()].map(chain => chain.commits),
    objects: () =>
      (objects ??= [...chains.values()].flatMap(chain => chain.commits.flatMap(commit => commit.objects))),
    totals: () => (totals ??= totalsOf(chains.values())),
    accounts() {
      if (accounts === undefined) {
        accounts = new Map()
        for (const { commits } of chains.values())
          for (const commit of commits) accountCommit(accounts, commit)
      }
      return accounts
    },
    get version() {
      return version
    },
    async commit(commit) {
      if (commit.from !== catalog.end(commit)) return 'theirs'
      if (!(await putCommit(store, commit))) return 'theirs'
      append(commit)
      return 'ours'
    },
    async reload(id) {
      const folder = partitionFolder(id)
      const read = await readChains(store, folder)
      set(folder, read.get(folder) ?? { floor: 0, commits: [] })
    },
    async retire(id, floor) {
      const folder = partitionFolder(id)
      const before = chains.get(folder)
      if (before === undefined || floor <= before.floor) return
      // The floor first: a commit deleted above it would be a hole in the chain.
      await store.put(floorKey(id), encodeFloor(floor))
      const [gone, kept] = [
        before.commits.filter(commit => commit.from < floor),
        before.commits.filter(commit => commit.from >= floor),
      ]
      set(folder, { floor, commits: kept })
      for (const commit of gone) await store.delete(manifestKey(id, commit.from))
    },
  }
  return catalog
}

/** False when the name holds another's commit. */
async function putCommit(store: ObjectStore, commit: Manifest): Promise<boolean> {
  const key = manifestKey(commit, commit.from)
  try {
    if ((await store.putIfAbsent(key, encodeManifest(commit))) === 'created') return true
  } catch (error) {
    // It may have been put all the same; if nothing is there, the caller tries the same commit again.
    if ((await store.head(key)) === undefined) throw error
  }
  return decodeManifest(key, await store.get(key)).id === commit.id
}

async function readChains(store: ObjectStore, prefix: string): Promise<Map<string, Chain>> {
  const keys: string[] = []
  for await (const { key } of listAll(store, prefix)) keys.push(key)
  const parts = await mapAtOnce(keys, async key => {
    const part = parseManifestKey(key)
    if (part === undefined) return undefined
    const bytes = await getUnlessRetired(store, key)
    if (bytes === undefined) return undefined
    return part.kind === 'floor'
      ? { folder: part.folder, floor: decodeFloor(key, bytes) }
      : { folder: part.folder, commit: decodeManifest(key, bytes) }
  })
  const folders = new Map<string, { floor: number; commits: Manifest[] }>()
  for (const part of parts) {
    if (part === undefined) continue
    const found = folders.get(part.folder) ?? { floor: 0, commits: [] }
    folders.set(part.folder, found)
    if (part.commit === undefined) found.floor = part.floor
    else found.commits.push(part.commit)
  }
  return new Map(
    [...folders].map(([folder, { floor, commits }]) => [folder, { floor, commits: chainOf(commits, floor) }]),
  )
}

/** Another archiver may retire what was just listed. */
async function getUnlessRetired(store: ObjectStore, key: string): Promise<Buffer | undefined> {
  try {
    return await store.get(key)
  } catch (error) {
    if (error instanceof AjnaError && error.code === 'OBJECT_MISSING') return undefined
    throw error
  }
}

async function mapAtOnce<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++
      results[at] = await act(items[at]!)
    }
  }
  await Promise.all(Array.from({ length: readsAtOnce }, worker))
  return results
}

function accountCommit(accounts: Map<string, Account>, commit: Manifest): void {
  for (const part of commit.streams) {
    let into = accounts.get(part.stream)
    if (into === undefined) accounts.set(part.stream, (into = emptyAccount()))
    accountAll(into, part)
  }
}

function totalsOf(chains: Iterable<Chain>): Totals {
  const totals = { records: 0, withoutPosition: 0, unknownStream: 0, objects: 0, bytes: 0 }
  for (const { commits } of chains) {
    for (const commit of commits) {
      totals.records += commit.records
      totals.withoutPosition += commit.withoutPosition
      totals.unknownStream += commit.unknownStream
      totals.objects += commit.objects.length
      for (const object of commit.objects) totals.bytes += object.bytes
    }
  }
  return totals
}
