/** Bytes of a replica that are no longer what was written, as on a disk that rots: in a closed segment, while its broker runs. */
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { FAULT_SEGMENT_NONE } from '../errors.ts'

/** So many in the middle of the file: a record or two, or a batch's header. */
const FLIPPED_BYTES = 16
const CLOSED_WITHIN_MS = 60_000
const LOOK_EVERY_MS = 100

/** Of a topic, on one broker. */
export interface SegmentChoice {
  readonly topic: string
  /** The first of them that has a closed segment. */
  readonly partitions: readonly number[]
}

/** What is flipped where: enough to do it, and to undo it. JSON-safe. */
export interface Flip {
  readonly file: string
  readonly inode: number
  readonly at: number
  /** Base64. */
  readonly before: string
  readonly after: string
}

/**
 * Waits for a closed segment.
 *
 * @param settings the broker's server.properties, which say where its logs are
 * @throws AjnaError FAULT_SEGMENT_NONE
 */
export async function chooseFlip(settings: string, choice: SegmentChoice): Promise<Flip> {
  const logDirs = /^log\.dirs=(.*)$/m.exec(await readFile(settings, 'utf8'))?.[1]?.split(',') ?? []
  const until = Date.now() + CLOSED_WITHIN_MS
  for (;;) {
    for (const dir of logDirs)
      for (const partition of choice.partitions) {
        const file = await closedSegment(join(dir, `${choice.topic}-${partition}`))
        if (file !== undefined) return flipIn(file)
      }
    if (Date.now() > until)
      throw new AjnaError(
        FAULT_SEGMENT_NONE,
        `${choice.topic} has no closed segment on that broker after ${CLOSED_WITHIN_MS / 1_000} s`,
      )
    await delay(LOOK_EVERY_MS)
  }
}

async function closedSegment(folder: string): Promise<string | undefined> {
  const logs = (await readdir(folder).catch(() => [])).filter(name => /^\d{20}\.log$/.test(name)).sort()
  for (const name of logs.slice(0, -1)) {
    const file = join(folder, name)
    if ((await stat(file)).size >= 2 * FLIPPED_BYTES) return file
  }
  return undefined
}

async function flipIn(path: string): Promise<Flip> {
  await using file = await open(path, 'r')
  const { size, ino } = await file.stat()
  const at = Math.floor(size / 2)
  const { buffer } = await file.read(Buffer.alloc(FLIPPED_BYTES), 0, FLIPPED_BYTES, at)
  const after = Buffer.from(buffer.map(byte => byte ^ 0xff))
  return {
    ...{ file: path, inode: ino, at },
    before: buffer.toString('base64'),
    after: after.toString('base64'),
  }
}

/** @throws AjnaError FAULT_SEGMENT_NONE: it is no longer what it was */
export async function flip(task: Flip): Promise<void> {
  if (!(await change(task, task.before, task.after)))
    throw new AjnaError(FAULT_SEGMENT_NONE, `${task.file} is another file by now, or gone`)
}

/** False: there was nothing to undo, since it is another file by now, or gone. */
export const unflip = (task: Flip): Promise<boolean> => change(task, task.after, task.before)

/** Whether that very file still has the flipped bytes. */
export const isFlipped = (task: Flip): Promise<boolean> => change(task, task.after, task.after)

async function change(task: Flip, from: string, to: string): Promise<boolean> {
  const opened = await open(task.file, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (opened === undefined) return false
  await using file = opened
  if ((await file.stat()).ino !== task.inode) return false
  const { buffer } = await file.read(Buffer.alloc(FLIPPED_BYTES), 0, FLIPPED_BYTES, task.at)
  if (buffer.toString('base64') !== from) return false
  if (from === to) return true
  await file.write(Buffer.from(to, 'base64'), 0, FLIPPED_BYTES, task.at)
  await file.datasync()
  return true
}
