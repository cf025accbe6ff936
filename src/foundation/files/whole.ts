import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'

/** Whole or not at all, on the disk before it resolves; of several writers the last one's. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const making = `${file}.${randomBytes(4).toString('hex')}.new`
  try {
    {
      await using handle = await open(making, 'wx')
      await handle.writeFile(text)
      await handle.sync()
    }
    await rename(making, file)
  } catch (error) {
    await rm(making, { force: true })
    throw error
  }
}

/** Undefined when there is none. */
export function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Gives a damaged file another name, so that it is out of the way and can be looked at. Answers that name. */
export async function setAside(file: string): Promise<string> {
  const aside = `${file}.damaged`
  await rename(file, aside)
  return aside
}
