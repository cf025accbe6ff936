import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Activity, activityModel } from './api/models.ts'
import type { Home } from './home.ts'

/**
 * The machine's activity: JSON lines that any process of the fleet may append to, whether or not brokers or the control
 * process are up when something happens. A later line with an id already there supersedes the earlier one.
 */

const MAX_BYTES = 8 * 1024 * 1024

export async function recordActivity(home: Home, entry: Activity): Promise<void> {
  await mkdir(dirname(home.activity), { recursive: true })
  const { size } = await stat(home.activity).catch(() => ({ size: 0 }))
  if (size > MAX_BYTES) await rename(home.activity, `${home.activity}.1`)
  // One write of one line in append mode: lines of several processes do not mix.
  await appendFile(home.activity, `${JSON.stringify(entry)}\n`)
}

/** Entries so far, oldest first, superseded ones replaced; a line torn by a crash is skipped. */
export async function readActivity(home: Home): Promise<Map<string, Activity>> {
  const entries = new Map<string, Activity>()
  for (const file of [`${home.activity}.1`, home.activity]) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    for (const entry of parseActivity(text)) entries.set(entry.id, entry)
  }
  return entries
}

export function parseActivity(text: string): Activity[] {
  return text.split('\n').flatMap(line => {
    const parsed = activityModel.safeParse(jsonOf(line))
    return parsed.success ? [parsed.data] : []
  })
}

function jsonOf(line: string): unknown {
  if (line === '') return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** An actor's entries about processes that are still running. */
export async function unfinishedRestarts(home: Home, actor: string): Promise<Activity[]> {
  return [...(await readActivity(home)).values()].filter(
    entry => entry.actor === actor && entry.action === 'process.restart' && entry.outcome === 'running',
  )
}
