import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { activity } from './contract.ts'

/** What the journal held when it was last read: shown while it cannot be read. Nothing is lost with it. */
const journalCopy = z.object({
  /** When it was last known to be read to its end; null: never. */
  asOf: z.int().nullable(),
  entries: z.array(activity),
})
export type JournalCopy = Readonly<z.infer<typeof journalCopy>>

export async function copyEntries(file: string, copy: JournalCopy): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeWhole(file, JSON.stringify(copy))
}

/** An empty one when there is none, or none that can be read. */
export async function readCopy(file: string): Promise<JournalCopy> {
  try {
    return journalCopy.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return { asOf: null, entries: [] }
  }
}
