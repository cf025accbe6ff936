import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { readIfThere, writeWhole } from '../../foundation/files/whole.ts'
import { FENCING_STATE_DAMAGED } from './errors.ts'
import type { FencingTokens } from './status.ts'

const tokenFile = z.object({ highest: z.int().nonnegative() })

/**
 * The highest fencing token this host has seen. A damaged file is an error: to guess would be to obey a deposed owner.
 *
 * @throws AjnaError FENCING_STATE_DAMAGED
 */
export async function openTokens(path: string): Promise<FencingTokens> {
  const text = await readIfThere(path)
  let highest = text === undefined ? 0 : highestIn(path, text)
  return {
    get highest() {
      return highest
    },
    async raise(token) {
      highest = Math.max(highest, token)
      await mkdir(dirname(path), { recursive: true })
      await writeWhole(path, JSON.stringify({ highest }))
    },
  }
}

function highestIn(path: string, text: string): number {
  try {
    return tokenFile.parse(JSON.parse(text)).highest
  } catch (cause) {
    throw new AjnaError(FENCING_STATE_DAMAGED, `${path} does not hold a token`, { cause })
  }
}
