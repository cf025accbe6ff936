import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SupervisionEvent } from '../../foundation/process/supervise.ts'
import type { Home } from '../home.ts'

/** What the supervisor saw, as JSON lines, for the control process to tell: it may not be up when things happen. */
export type RecordedEvent = SupervisionEvent & { readonly id: string }

const MAX_BYTES = 4 * 1024 * 1024

export const eventsFile = (home: Home): string => join(home.logs, 'supervisor-events.ndjson')

export async function recordEvent(home: Home, event: RecordedEvent): Promise<void> {
  const file = eventsFile(home)
  await mkdir(home.logs, { recursive: true })
  const size = await stat(file).then(
    ({ size }) => size,
    () => 0,
  )
  if (size > MAX_BYTES) await rename(file, `${file}.1`)
  await appendFile(file, `${JSON.stringify(event)}\n`)
}

/** Events so far, oldest first; a line torn by a crash is skipped. */
export async function recordedEvents(home: Home): Promise<RecordedEvent[]> {
  const text = await readFile(eventsFile(home), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return text.split('\n').flatMap(line => {
    try {
      return line === '' ? [] : [JSON.parse(line) as RecordedEvent]
    } catch {
      return []
    }
  })
}
