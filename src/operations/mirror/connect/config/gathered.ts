import type { Problem } from './key.ts'
import type { PemFile } from './pem.ts'

/** What comes to light while a configuration is translated. */
export interface Gathered {
  readonly problems: Problem[]
  /** To be there before the link is put. */
  readonly files: PemFile[]
  /** Keys to keep with other values than were given; null: not at all. */
  readonly keep: Record<string, string | null>
}

export const newlyGathered = (): Gathered => ({ problems: [], files: [], keep: {} })
