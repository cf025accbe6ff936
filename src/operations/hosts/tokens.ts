import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { FencingTokens } from './status.ts'

const tokenFile = z.object({ highest: z.int().nonnegative() })

/** The highest fencing token this host has seen. A damaged file is an error: to guess would be to obey a deposed owner. */
export async function openTokens(path: string): Promise<FencingTokens> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  let highest = text === undefined ? 0 : tokenFile.parse(JSON.parse(text)).highest
  return {
    get highest() {
      return highest
    },
    async raise(token) {
      highest = Math.max(highest, token)
      await mkdir(dirname(path), { recursive: true })
      const fresh = `${path}.${token}.new`
      await using file = await open(fresh, 'w')
      await file.writeFile(JSON.stringify({ highest }))
      await file.datasync()
      await rename(fresh, path)
    },
  }
}
