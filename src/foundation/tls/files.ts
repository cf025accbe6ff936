import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

const privateFile = 0o600
const privateFolder = 0o700

/** Whole or not at all, readable by its owner alone from its first byte on. */
export async function writePrivate(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: privateFolder })
  await chmod(dirname(file), privateFolder)
  const making = `${file}.${randomBytes(4).toString('hex')}.new`
  try {
    {
      await using handle = await open(making, 'wx', privateFile)
      await handle.writeFile(text)
      await handle.sync()
    }
    await rename(making, file)
  } catch (error) {
    await rm(making, { force: true })
    throw error
  }
}

export async function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Splits a PEM text into its blocks, in order. */
export function pemBlocks(text: string): readonly { readonly label: string; readonly pem: string }[] {
  const block = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g
  return [...text.matchAll(block)].map(([pem, label]) => ({ label: label!, pem: `${pem}\n` }))
}
