import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { lockFile } from '../../../foundation/process/lock.ts'
import { ACTIVITY_NOT_RECORDED } from '../errors.ts'
import { type Activity, activity } from './contract.ts'
import { DROPPED_ID, droppedEntry } from './dropped.ts'
import { fitted } from './fit.ts'

/**
 * Entries on their way into the journal: one file for each telling of an entry, in one directory of a machine. Files come
 * into being whole and are never changed, so that any process may put any at any time, and whoever carries them away
 * takes away exactly what it has read.
 */
export interface Outbox {
  /**
   * Resolves once the entry is on the disk, and answers it as it is there (cut where it was too long). An entry and
   * revision that was put before is not put again: the first word counts.
   *
   * @throws AjnaError ACTIVITY_NOT_RECORDED
   */
  put(entry: Activity): Promise<Activity>
  /** Everything that is there, oldest first; what this outbox has read once is not read again. */
  look(): Promise<readonly Waiting[]>
  /** Notes that it is in the journal; it stays for whoever goes on telling it. */
  markTold(waiting: Waiting): Promise<void>
  remove(waiting: Waiting): Promise<void>
  /** Takes away what processes left that were killed while they put an entry: nothing that was ever answered for. */
  sweep(): Promise<void>
  /** Files that hold no entry this program can read, as of the last look. They stay, and count. */
  unreadable(): readonly string[]
}

export interface Waiting {
  readonly entry: Activity
  /** It is in the journal. */
  readonly told: boolean
  readonly file: string
}

export interface OutboxOptions {
  readonly directory: string
  /** This machine, as entries about the outbox itself name it. */
  readonly host: string
  /** Files; the oldest make room. As many as the journal keeps of the whole fleet. */
  readonly maxEntries?: number
  readonly now?: () => number
}

const MAX_ENTRIES = 2_000
const MAKING = '.new'
/** No entry takes this long to write. */
const HALF_MADE_MS = 3_600_000

/** `<beginning, ms>.<id>.<revision>[.told].json`: in the order of the log, and all that making room needs to know. */
const NAME = /^(\d{1,16})\.([0-9a-z-]{1,64})\.(\d{1,6})(\.told)?\.json$/
const TOLD = '.told.json'
const nameOf = ({ at, id, revision }: Activity, told = false): string =>
  `${String(at).padStart(16, '0')}.${id}.${revision}${told ? TOLD : '.json'}`

export function openOutbox(options: OutboxOptions): Outbox {
  const { directory, host, maxEntries = MAX_ENTRIES, now = Date.now } = options
  let read = new Map<string, Waiting | undefined>()

  async function put(told: Activity): Promise<Activity> {
    try {
      const entry = fitted(told)
      await write(directory, entry)
      if (entry.revision > 0) await removeBefore(entry)
      if ((await names(directory)).length > maxEntries) await makeRoom()
      return entry
    } catch (cause) {
      throw new AjnaError(ACTIVITY_NOT_RECORDED, `${told.action} of ${told.subject.name}`, { cause })
    }
  }

  /** It holds all that was told before. */
  async function removeBefore(entry: Activity): Promise<void> {
    const before = { ...entry, revision: entry.revision - 1 }
    for (const told of [false, true]) await rm(join(directory, nameOf(before, told)), { force: true })
  }

  // One look after another: a slow one must not undo what a later one has seen.
  let looking: Promise<unknown> = Promise.resolve()
  function look(): Promise<readonly Waiting[]> {
    const mine = looking.then(lookNow)
    looking = mine.catch(() => undefined)
    return mine
  }

  async function lookNow(): Promise<readonly Waiting[]> {
    const there = await names(directory)
    const found = new Map<string, Waiting | undefined>()
    for (const name of there) {
      const known = read.has(name) ? read.get(name) : await readEntry(directory, name)
      if (known !== 'gone') found.set(name, known)
    }
    read = found
    return [...found.values()].filter(waiting => waiting !== undefined)
  }

  /**
   * Says what is dropped before it is dropped: killed in between, it will have said too much rather than too little. What
   * is in the journal already goes without a word.
   */
  async function makeRoom(): Promise<void> {
    await using _ = await lockFile(join(directory, 'lock'), { wait: true })
    const there = await names(directory)
    if (there.length <= maxEntries) return
    // A tenth at once, so that there is one word for many; what was said of earlier ones goes into it.
    const oldest = there.slice(0, there.length - maxEntries + Math.ceil(maxEntries / 10))
    const victims = [...new Set([...oldest, ...there.filter(name => name.includes(`.${DROPPED_ID}`))])]
    const lost = victims.filter(name => !name.endsWith(TOLD))
    const found = await Promise.all(lost.map(name => readEntry(directory, name)))
    const entries = found.flatMap(each => (typeof each === 'object' ? [each.entry] : []))
    const unreadable = found.filter(each => each === undefined).length
    if (entries.length + unreadable > 0)
      await write(directory, fitted(droppedEntry(host, now(), entries, unreadable)))
    for (const name of victims) await rm(join(directory, name), { force: true })
  }

  return {
    put,
    look,
    async markTold({ entry, file }) {
      await rename(join(directory, file), join(directory, nameOf(entry, true))).catch(ignoreAbsent)
    },
    sweep: () => sweep(directory, now()),
    remove: ({ file }) => rm(join(directory, file), { force: true }),
    unreadable: () => [...read].flatMap(([name, waiting]) => (waiting === undefined ? [name] : [])),
  }
}

/** Entries' files, oldest first. */
async function names(directory: string): Promise<string[]> {
  const there = await readdir(directory).catch(ignoreAbsent)
  return (there ?? []).filter(name => NAME.test(name)).sort()
}

/** Undefined when it holds no entry, `gone` when it was taken away meanwhile. */
async function readEntry(directory: string, file: string): Promise<Waiting | undefined | 'gone'> {
  const text = await readFile(join(directory, file), 'utf8').catch(ignoreAbsent)
  if (text === undefined) return 'gone'
  const parsed = activity.safeParse(jsonOf(text))
  return parsed.success ? { entry: parsed.data, told: file.endsWith(TOLD), file } : undefined
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whole or not at all, and not over what is there. Survives the end of this process, and of the machine. */
async function write(directory: string, entry: Activity): Promise<void> {
  await mkdir(directory, { recursive: true })
  const making = join(directory, `${randomUUID()}${MAKING}`)
  try {
    {
      await using handle = await open(making, 'wx')
      await handle.writeFile(`${JSON.stringify(entry)}\n`)
      await handle.datasync()
    }
    await link(making, join(directory, nameOf(entry))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(making, { force: true })
  }
  await using folder = await open(directory)
  await folder.sync()
}

async function sweep(directory: string, now: number): Promise<void> {
  for (const name of (await readdir(directory).catch(ignoreAbsent)) ?? []) {
    if (!name.endsWith(MAKING)) continue
    const found = await stat(join(directory, name)).catch(ignoreAbsent)
    if (found !== undefined && now - found.mtimeMs > HALF_MADE_MS)
      await rm(join(directory, name), { force: true })
  }
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
