import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { readIfThere, writeWhole } from '../../../foundation/files/whole.ts'
import { BROKER_DATA_DIR_DAMAGED, BROKER_DATA_DIR_FOREIGN } from './errors.ts'

/** What a directory's content makes of it. */
export type DirState =
  | { readonly kind: 'empty' }
  /** Formatting was cut off, or something that is not Kafka's lies there: formatting adds two files and deletes none. */
  | { readonly kind: 'half-formatted' }
  | { readonly kind: 'formatted'; readonly clusterId: string; readonly nodeId: number }
  /** Data of somebody, but not the file that says whose. */
  | { readonly kind: 'unclaimed-data' }

export type FormatDecision =
  | { readonly act: 'keep' }
  | { readonly act: 'format' }
  | { readonly act: 'refuse'; readonly why: 'foreign' | 'damaged'; readonly reason: string }

const metaFile = 'meta.properties'
const checkpointFile = 'bootstrap.checkpoint'

/** @param names the directory's entries; @param meta text of its meta.properties, when it has one */
export function dirState(names: readonly string[], meta: string | undefined): DirState {
  const parsed = meta === undefined ? undefined : parseMeta(meta)
  if (parsed !== undefined) return { kind: 'formatted', ...parsed }
  if (names.length === 0) return { kind: 'empty' }
  return names.some(name => /-\d+(\.[0-9a-f]+-(delete|future|stray))?$/.test(name))
    ? { kind: 'unclaimed-data' }
    : { kind: 'half-formatted' }
}

function parseMeta(text: string): { clusterId: string; nodeId: number } | undefined {
  const clusterId = /^cluster\.id=(\S+)$/m.exec(text)?.[1]
  const nodeId = /^node\.id=(\d+)$/m.exec(text)?.[1]
  return clusterId === undefined || nodeId === undefined ? undefined : { clusterId, nodeId: Number(nodeId) }
}

/** The cluster whose data a directory holds; undefined when it holds none, or does not say whose. */
export async function clusterOf(dir: string): Promise<string | undefined> {
  const meta = await readIfThere(join(dir, metaFile))
  return meta === undefined ? undefined : parseMeta(meta)?.clusterId
}

export function decideFormat(
  dir: string,
  state: DirState,
  clusterId: string,
  nodeId: number,
): FormatDecision {
  switch (state.kind) {
    case 'empty':
    case 'half-formatted':
      return { act: 'format' }
    case 'unclaimed-data':
      return { act: 'refuse', why: 'damaged', reason: `${dir} holds partitions but no valid ${metaFile}` }
    case 'formatted':
      if (state.clusterId !== clusterId)
        return {
          act: 'refuse',
          why: 'foreign',
          reason: `${dir} belongs to cluster ${state.clusterId}, not to ${clusterId}`,
        }
      if (state.nodeId !== nodeId)
        return {
          act: 'refuse',
          why: 'foreign',
          reason: `${dir} belongs to node ${state.nodeId}, not to node ${nodeId}`,
        }
      return { act: 'keep' }
  }
}

export interface FormatTask {
  readonly dirs: readonly string[]
  readonly clusterId: string
  readonly nodeId: number
  /** The release's own, from `StorageTool format`. */
  readonly bootstrapCheckpoint: string
}

/**
 * Makes a node's directories what `kafka-storage format` with a static quorum makes them, without starting a JVM for it:
 * the checkpoint holds the same bytes for every node, and meta.properties (KIP-631, KIP-858) is written last, whole, so
 * that a directory is formatted or it is not. Formatted ones are left alone.
 *
 * @returns the directories that were formatted now
 * @throws AjnaError BROKER_DATA_DIR_FOREIGN, BROKER_DATA_DIR_DAMAGED
 */
export async function formatDirs(task: FormatTask): Promise<readonly string[]> {
  const formatted: string[] = []
  for (const dir of task.dirs) {
    await mkdir(dir, { recursive: true })
    const meta = await readIfThere(join(dir, metaFile))
    const decision = decideFormat(dir, dirState(await readdir(dir), meta), task.clusterId, task.nodeId)
    if (decision.act === 'refuse')
      throw new AjnaError(
        decision.why === 'foreign' ? BROKER_DATA_DIR_FOREIGN : BROKER_DATA_DIR_DAMAGED,
        decision.reason,
        { details: { dir } },
      )
    if (decision.act === 'keep') continue
    await formatDir(dir, task)
    formatted.push(dir)
  }
  return formatted
}

async function formatDir(dir: string, task: FormatTask): Promise<void> {
  await copyFile(task.bootstrapCheckpoint, join(dir, checkpointFile))
  const lines = [
    'version=1',
    `cluster.id=${task.clusterId}`,
    `node.id=${task.nodeId}`,
    `directory.id=${randomDirectoryId()}`,
  ]
  await writeWhole(join(dir, metaFile), `${lines.join('\n')}\n`)
  await using folder = await open(dir, 'r')
  await folder.sync()
}

/** A random (version 4) UUID as Kafka prints it; like Kafka's own it never begins with a dash, which tools take for an option. */
export function randomDirectoryId(): string {
  for (;;) {
    const bytes = randomBytes(16)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const id = bytes.toString('base64url')
    if (!id.startsWith('-')) return id
  }
}
