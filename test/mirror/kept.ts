import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Wire } from '../../src/foundation/wire/contract.ts'
import type { KeptLink } from '../../src/operations/mirror/contract.ts'
import type { LinkFile } from '../../src/operations/mirror/file-store.ts'
import { changed, type Mapping } from '../../src/operations/mirror/mapping.ts'

/**
 * What a link keeps, in a file: for tests of one link's worker, or of several that each believe that all of it is theirs.
 * Each opening raises the epoch of its markers.
 */
export async function keptInFile(path: string, target: Wire, signal: AbortSignal): Promise<KeptLink> {
  const before = await readFile(path, 'utf8').catch(() => undefined)
  let state: LinkFile = before === undefined ? await fresh(target, signal) : JSON.parse(before)
  const save = async (change: Partial<LinkFile>): Promise<void> => {
    state = { ...state, ...change }
    await writeFile(`${path}.${process.pid}`, JSON.stringify(state))
    await rename(`${path}.${process.pid}`, path)
  }
  await save({ coordinatorEpoch: state.coordinatorEpoch + 1 })
  const deleted = new Map<string, string>()
  const mappings = new Map<string, Mapping>()
  return {
    ids: {
      producerId: BigInt(state.producerId),
      fillerId: BigInt(state.fillerId),
      markerId: BigInt(state.markerId),
    },
    coordinatorEpoch: () => state.coordinatorEpoch,
    sourceIdOf: topic => state.topics[topic]?.sourceId,
    adopted: () => Object.keys(state.topics),
    deletedCopyOf: topic => deleted.get(topic),
    missingOf: (topic, partition) =>
      state.missing.filter(each => each.topic === topic && each.partition === partition),
    baseOf: () => undefined,
    // In memory: what has to survive a worker is tested on the journal.
    mappingOf: (topic, partition) => mappings.get(`${topic}/${partition}`),
    async noteMapping(topic, partition, change) {
      const key = `${topic}/${partition}`
      const mapping = changed(mappings.get(key), change)
      if (mapping === undefined) mappings.delete(key)
      else mappings.set(key, mapping)
    },
    async adopt(topics) {
      const fresh = [...topics].map(([name, sourceId]) => [name, { sourceId }] as const)
      await save({ topics: { ...state.topics, ...Object.fromEntries(fresh) } })
      return new Map()
    },
    async forget(topic, copyId) {
      const { [topic]: _, ...topics } = state.topics
      if (copyId !== null) deleted.set(topic, copyId)
      await save({ topics, missing: state.missing.filter(each => each.topic !== topic) })
    },
    noteMissing: (topic, partition, range) =>
      save({ missing: [...state.missing, { topic, partition, ...range }] }),
  }
}

async function fresh(target: Wire, signal: AbortSignal): Promise<LinkFile> {
  const id = async (): Promise<string> => String(await target.allocateProducerId(signal))
  return {
    version: 1,
    producerId: await id(),
    fillerId: await id(),
    markerId: await id(),
    coordinatorEpoch: 0,
    topics: {},
    missing: [],
  }
}
