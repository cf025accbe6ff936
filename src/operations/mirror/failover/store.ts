import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { lockFile } from '../../../foundation/process/lock.ts'
import { valueFile } from '../value-file.ts'
import { FAILOVER_CHANGED, FAILOVER_STATE_INVALID } from './errors.ts'
import { type FailoverStore, failoverStateSchema, type VersionedState } from './state.ts'

const fileSchema: z.ZodType<VersionedState> = z.strictObject({
  version: z.int().positive(),
  state: failoverStateSchema,
})

/** In one file, for the processes of one machine: of two that save at the same moment one comes too late, and is told. */
export function fileFailoverStore(path: string): FailoverStore {
  const file = valueFile<VersionedState>(path, fileSchema, FAILOVER_STATE_INVALID)
  return {
    load: file.load,
    async save(state, expected) {
      await using _lock = await lockFile(`${path}.lock`, { wait: true })
      const found = (await file.load())?.version ?? 0
      if (found !== expected)
        throw new AjnaError(FAILOVER_CHANGED, `version ${expected} was expected, ${found} was found`)
      const saved = { version: expected + 1, state }
      await file.save(saved)
      return saved
    },
  }
}
