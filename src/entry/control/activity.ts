import { open, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../foundation/log/log.ts'
import { parseActivity, readActivity } from '../activity-file.ts'
import type { Activity } from '../api/models.ts'
import type { Platform } from '../api/platform.ts'
import type { Home } from '../home.ts'

const FOLLOW_MS = 300

/** The machine's activity file as the API shows it; follows it as others append. */
export async function watchActivity(
  home: Home,
  signal: AbortSignal,
  log: Logger,
): Promise<Platform['activity']> {
  const entries = await readActivity(home)
  const listeners = new Set<(entry: Activity) => void>()
  let position = await sizeOf(home.activity)

  async function readNew(): Promise<void> {
    const size = await sizeOf(home.activity)
    if (size < position) position = 0
    if (size === position) return
    await using handle = await open(home.activity, 'r')
    const bytes = Buffer.alloc(size - position)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, position)
    const whole = bytes.subarray(0, bytesRead).lastIndexOf(10) + 1
    position += whole
    for (const entry of parseActivity(bytes.subarray(0, whole).toString('utf8'))) {
      entries.set(entry.id, entry)
      for (const listener of listeners) listener(entry)
    }
  }

  void (async () => {
    while (!signal.aborted) {
      await readNew().catch(error => log.error({ err: error }, 'the activity file cannot be followed'))
      await delay(FOLLOW_MS, undefined, { signal }).catch(() => undefined)
    }
  })()

  const newestFirst = (): Activity[] =>
    [...entries.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
  const matches = (entry: Activity, search: string): boolean =>
    `${entry.summary} ${entry.action} ${entry.actor} ${entry.subject.cluster ?? ''} ${entry.subject.name} ${entry.reason ?? ''}`
      .toLowerCase()
      .includes(search.toLowerCase())

  return {
    list({ before, limit, search }) {
      const all = newestFirst().filter(entry => matches(entry, search))
      const from = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1
      return all.slice(from, from + limit)
    },
    get: id => entries.get(id),
    onEntry(listener, until) {
      listeners.add(listener)
      until.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
  }
}

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  )
