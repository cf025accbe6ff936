import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { DeepReadonly } from '../../../foundation/config/config.ts'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { readIfThere, writeWhole } from '../../../foundation/files/whole.ts'
import { faultKinds } from '../contract.ts'
import { FAULT_RECORD_INVALID } from '../errors.ts'

const identity = z.object({
  pid: z.int().min(2),
  startTime: z.int().nonnegative(),
  boot: z.string().min(1),
})

const processSpec = z.object({
  name: z.string().min(1),
  command: z.string().min(1),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()).exactOptional(),
  cwd: z.string().exactOptional(),
  runDir: z.string().min(1),
  consoleFile: z.string().min(1),
})

const faultyDisk = z.object({ mountPoint: z.string(), directory: z.string(), daemon: processSpec })

/** How what was done is undone; doing it twice does no harm. */
const wayBack = z.discriminatedUnion('kind', [
  /** SIGCONT, to that very process. */
  z.object({ kind: z.literal('wake'), process: identity }),
  /** Started, unless it runs. */
  z.object({ kind: z.literal('run'), process: processSpec }),
  /**
   * Whatever was done to a disk: it does what it is told, or is mounted anew. `restart`: the broker that has given it up
   * meanwhile, and takes it back only when it starts; absent where somebody else sees to that.
   */
  z.object({ kind: z.literal('mend'), disk: faultyDisk, restart: processSpec.exactOptional() }),
  /** Killed, if it is that very process; then started, unless somebody keeps it alive (null). */
  z.object({ kind: z.literal('renew'), process: identity, start: processSpec.nullable() }),
  /** The file holds again what it held; then started unless it runs, or somebody keeps it alive (null). */
  z.object({
    kind: z.literal('restore'),
    file: z.string().min(1),
    content: z.string(),
    start: processSpec.nullable(),
  }),
  /** Somebody keeps it alive, or starts it when it comes back itself: nothing is to be undone. */
  z.object({ kind: z.literal('kept'), by: z.string() }),
  /** A cluster that was made for a test: its processes are killed, its disks unmounted, its folder is deleted. */
  z.object({
    kind: z.literal('end'),
    runDir: z.string(),
    processes: z.array(z.string()),
    mounts: z.array(z.string()).exactOptional(),
    folder: z.string(),
  }),
  /** Flipped bytes are written back, if that very file still has them: whoever healed it has thrown it away. */
  z.object({
    kind: z.literal('unflip'),
    file: z.string().min(1),
    inode: z.number(),
    at: z.int().nonnegative(),
    before: z.base64(),
    after: z.base64(),
  }),
  /** The clock that the file says is right. */
  z.object({ kind: z.literal('clock'), file: z.string() }),
  /** The fault's rules are taken away in that network, as the kernel names it; then what they led connections through is ended. */
  z.object({
    kind: z.literal('network'),
    network: z.string(),
    relay: z.object({ runDir: z.string(), name: z.string() }).exactOptional(),
  }),
])
export type WayBack = DeepReadonly<z.infer<typeof wayBack>>

/** A fault that has begun, or is just about to: written before it is done. Times are ms since the epoch. */
const leasedFault = z.object({
  id: z.string().regex(/^[a-z0-9-]{1,80}$/),
  /**
   * `cluster` is no fault: the cluster a test has made, which must not outlive it either. `healer`: a healer's process that may
   * stop itself. `restart`: a broker that is down for a planned one.
   */
  kind: z.enum([...faultKinds, 'restart', 'healer', 'cluster']),
  cluster: z.string(),
  /** Null for what is no broker. */
  node: z.int().nullable(),
  purpose: z.string(),
  /** Who does it: once that process is gone, it is undone. */
  controller: identity,
  since: z.int(),
  /** When it is undone whatever its controller does. */
  until: z.int(),
  back: wayBack,
})
export type LeasedFault = DeepReadonly<z.infer<typeof leasedFault>>

const endedFault = z.object({
  ...leasedFault.shape,
  endedAt: z.int(),
  /** Which process undid it. */
  by: z.enum(['controller', 'watchdog', 'sweep']),
  why: z.string(),
  undone: z.string(),
})
export type EndedFault = DeepReadonly<z.infer<typeof endedFault>>

const KEPT_ENDED = 100

export const newFaultId = (kind: string): string => `${kind}-${randomBytes(4).toString('hex')}`
export const activeFile = (folder: string, id: string): string => join(folder, `${id}.json`)
const endedFolder = (folder: string): string => join(folder, 'ended')

/** On the disk when it resolves. */
export async function writeActive(folder: string, fault: LeasedFault): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeWhole(activeFile(folder, fault.id), `${JSON.stringify(fault, null, 2)}\n`)
}

/** Undefined: it has been undone. @throws AjnaError FAULT_RECORD_INVALID */
export async function readActive(folder: string, id: string): Promise<LeasedFault | undefined> {
  const file = activeFile(folder, id)
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  try {
    return leasedFault.parse(JSON.parse(text))
  } catch (cause) {
    throw new AjnaError(FAULT_RECORD_INVALID, `${file} is not the record of a fault`, { cause })
  }
}

/** Those that have not been undone, oldest first. @throws AjnaError FAULT_RECORD_INVALID */
export async function activeFaults(folder: string): Promise<readonly LeasedFault[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const ids = names.flatMap(name => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : []))
  const found = await Promise.all(ids.map(id => readActive(folder, id)))
  return found.filter(fault => fault !== undefined).sort((a, b) => a.since - b.since)
}

/** Moves a fault that has been undone to those that were; the last hundred are kept. */
export async function writeEnded(folder: string, fault: EndedFault): Promise<void> {
  const ended = endedFolder(folder)
  await mkdir(ended, { recursive: true })
  const file = join(ended, `${fault.since}-${fault.id}.json`)
  await writeWhole(file, `${JSON.stringify(fault, null, 2)}\n`)
  await rm(activeFile(folder, fault.id), { force: true })
  const older = (await readdir(ended)).filter(name => name.endsWith('.json')).sort()
  await Promise.all(
    older
      .slice(0, Math.max(0, older.length - KEPT_ENDED))
      .map(name => rm(join(ended, name), { force: true })),
  )
}

/** Newest first. */
export async function endedFaults(folder: string): Promise<readonly EndedFault[]> {
  const names = await readdir(endedFolder(folder)).catch(() => [])
  const texts = await Promise.all(
    names
      .filter(name => name.endsWith('.json'))
      .sort()
      .reverse()
      .map(name => readIfThere(join(endedFolder(folder), name))),
  )
  return texts.flatMap(text => {
    const parsed = text === undefined ? undefined : endedFault.safeParse(safely(text))
    return parsed?.success ? [parsed.data] : []
  })
}

function safely(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
