import { open, rename, rm } from 'node:fs/promises'

/** Whole or not at all. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const making = `${file}.new`
  try {
    {
      await using handle = await open(making, 'w')
      await handle.writeFile(text)
      await handle.sync()
    }
    await rename(making, file)
  } catch (error) {
    await rm(making, { force: true })
    throw error
  }
}
