import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { valueFile } from '../file-store.ts'
import { FAILOVER_CHANGED } from './errors.ts'
import { type FailoverStore, failoverStateSchema, type VersionedState } from './state.ts'

const fileSchema: z.ZodType<VersionedState> = z.strictObject({
  version: z.int().positive(),
  state: failoverStateSchema,
})

/** In one file, of one machine: two processes that save at the same moment are told apart by the version they read. */
export function fileFailoverStore(path: string): FailoverStore {
  const file = valueFile<VersionedState>(path, fileSchema)
  return {
    load: file.load,
    async save(state, expected) {
      const found = (await file.load())?.version ?? 0
      if (found !== expected)
        throw new AjnaError(FAILOVER_CHANGED, `version ${expected} was expected, ${found} was found`)
      const saved = { version: expected + 1, state }
      await file.save(saved)
      return saved
    },
  }
}
