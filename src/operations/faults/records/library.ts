import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A scenario that comes with the program. */
export interface LibraryScenario {
  readonly name: string
  /** The first comment line of its file: what it does, and why. */
  readonly what: string
  readonly text: string
}

/** All of a directory, by name. */
export async function readLibrary(folder: string): Promise<readonly LibraryScenario[]> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.yaml')).sort()
  return Promise.all(
    files.map(async file => {
      const text = await readFile(join(folder, file), 'utf8')
      return { name: file.slice(0, -'.yaml'.length), what: firstComment(text), text }
    }),
  )
}

export const firstComment = (text: string): string => /^#\s*(.+)$/m.exec(text)?.[1]?.trim() ?? ''
