/** What lies in a broker's log dirs of partitions that are named. Reads only, and nowhere else than there. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError } from '../../../foundation/errors/errors.ts'
import { readIfThere } from '../../../foundation/files/whole.ts'
import type { ReplicaName, ReplicaOnDisk } from '../contract.ts'
import { leaderEpochs, offsetsByPartition } from './checkpoints.ts'
import { baseOffsetOf, logEnd } from './log-end.ts'

const SEGMENT = /^\d{20}\.log$/

/** @param logDirs of the one broker it is asked of */
export async function readReplicas(
  logDirs: readonly string[],
  partitions: readonly ReplicaName[],
): Promise<ReplicaOnDisk[]> {
  const highWatermarks = await checkpointsIn(logDirs, 'replication-offset-checkpoint')
  const starts = await checkpointsIn(logDirs, 'log-start-offset-checkpoint')
  const replicas: ReplicaOnDisk[] = []
  // One after another: what brokers do meanwhile goes first.
  for (const { topic, partition } of partitions) {
    const name = `${topic}-${partition}`
    try {
      const folder = await folderOf(logDirs, name)
      const { start, end, epochs } = await extentOf(folder)
      const highWatermark = highWatermarks.get(name) ?? null
      replicas.push({
        ...{ topic, partition },
        log: { start: Math.min(Math.max(start, starts.get(name) ?? 0), end), end, epochs, highWatermark },
        problem: null,
      })
    } catch (error) {
      replicas.push({ topic, partition, log: null, problem: describeError(error).slice(0, 300) })
    }
  }
  return replicas
}

/** A directory of that name, and not what a link of that name leads to. */
async function folderOf(logDirs: readonly string[], name: string): Promise<string> {
  let trouble: unknown
  for (const dir of logDirs) {
    const folder = join(dir, name)
    const found = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') trouble = error
    })
    if (found?.isDirectory()) return folder
  }
  throw trouble ?? new Error('none of the log dirs has it')
}

async function extentOf(folder: string) {
  const segments = (await readdir(folder)).filter(name => SEGMENT.test(name)).sort()
  const last = segments.at(-1)
  if (last === undefined) throw new Error('it has no segment')
  const epochs = await readIfThere(join(folder, 'leader-epoch-checkpoint'))
  return {
    start: baseOffsetOf(segments[0]!),
    end: await logEnd(join(folder, last)),
    epochs: epochs === undefined ? [] : leaderEpochs(epochs),
  }
}

/** Of all dirs together; one that cannot be read tells nothing. */
async function checkpointsIn(logDirs: readonly string[], file: string): Promise<ReadonlyMap<string, number>> {
  const each = await Promise.all(
    logDirs.map(async dir => {
      try {
        const text = await readIfThere(join(dir, file))
        return text === undefined ? [] : [...offsetsByPartition(text)]
      } catch {
        return []
      }
    }),
  )
  return new Map(each.flat())
}
