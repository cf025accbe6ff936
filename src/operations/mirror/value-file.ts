import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { z } from 'zod'
import { AjnaError, type ErrorKind } from '../../foundation/errors/errors.ts'

/** A value in one file: replaced as a whole, and on the disk before `save` resolves. */
export interface ValueFile<Value> {
  /** Undefined: there is none yet. @throws AjnaError of the kind given, when it is no such value */
  load(): Promise<Value | undefined>
  save(value: Value): Promise<void>
}

export function valueFile<Value>(
  path: string,
  schema: z.ZodType<Value>,
  invalid: ErrorKind,
): ValueFile<Value> {
  return {
    async load() {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      if (text === undefined) return undefined
      try {
        return schema.parse(JSON.parse(text))
      } catch (cause) {
        throw new AjnaError(invalid, path, { cause })
      }
    },
    async save(value) {
      const fresh = `${path}.${process.pid}.new`
      await writeDurably(fresh, `${JSON.stringify(value, null, 2)}\n`)
      await rename(fresh, path)
      await syncDirectory(dirname(path))
    },
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
