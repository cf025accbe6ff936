import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { LINK_STATE_INVALID } from './errors.ts'

/** What a link's worker kept in a file before links had a journal. */
const linkFileSchema = z.strictObject({
  version: z.literal(1),
  producerId: z.string().regex(/^\d+$/),
  fillerId: z.string().regex(/^\d+$/),
  markerId: z.string().regex(/^\d+$/),
  /** Raised by each worker that started. */
  coordinatorEpoch: z.int().nonnegative(),
  topics: z.record(z.string(), z.strictObject({ sourceId: z.string() })),
  missing: z.array(z.strictObject({ topic: z.string(), partition: z.int(), from: z.int(), to: z.int() })),
})
export type LinkFile = z.infer<typeof linkFileSchema>

/** @throws AjnaError LINK_STATE_INVALID; undefined: there is no such file */
export async function readLinkFile(path: string): Promise<LinkFile | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    return linkFileSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new AjnaError(LINK_STATE_INVALID, path, { cause })
  }
}
