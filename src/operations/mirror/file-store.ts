import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { type LinkState, type LinkStore, linkStateSchema } from './contract.ts'
import { LINK_STATE_INVALID } from './errors.ts'

/** A link's state in one file: replaced as a whole, and on the disk before `save` resolves. */
export function fileLinkStore(path: string): LinkStore {
  return {
    async load() {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      return text === undefined ? undefined : parse(path, text)
    },
    async save(state) {
      const fresh = `${path}.${process.pid}.new`
      await writeDurably(fresh, `${JSON.stringify(state, null, 2)}\n`)
      await rename(fresh, path)
      await syncDirectory(dirname(path))
    },
  }
}

function parse(path: string, text: string): LinkState {
  try {
    return linkStateSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new AjnaError(LINK_STATE_INVALID, path, { cause })
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
