/** What a disk's checks say about it. Pure. */

/** One look at a directory's disk: a small file written, synced, dropped from the page cache and read. */
export type DiskCheck =
  | {
      readonly kind: 'done'
      readonly at: number
      readonly tookMs: number
      readonly free: DiskSpace
      /** The directory is on another device than the one it lies in. */
      readonly mounted: boolean
    }
  /** An act failed; `says`: in the system's words. */
  | { readonly kind: 'failed'; readonly at: number; readonly says: string }
  /** It has begun at `at` and not ended yet, `forMs` later. */
  | { readonly kind: 'hanging'; readonly at: number; readonly forMs: number }

export interface DiskSpace {
  readonly freeBytes: number
  readonly totalBytes: number
}

/** `slow`, `hanging`: it works, and who waits for it waits long. */
export type DiskState = 'well' | 'failed' | 'full' | 'slow' | 'hanging'

export interface DiskVerdict {
  readonly state: DiskState
  readonly says: string
}

/** One Kafka segment with its indexes takes more. */
export const FULL_BELOW_BYTES = 64 * 1024 * 1024
export const SLOW_FROM_MS = 1_000
/** One long wait is a busy machine; so many in a row are a disk. */
const SLOW_TIMES = 3
export const HANGING_FROM_MS = 5_000

/** How many checks a verdict looks back. */
export const REMEMBERED = SLOW_TIMES

/**
 * @param checks newest last, one at least
 * @param wasMounted a disk was seen there: without it the directory is an empty one on another disk
 */
export function verdictOf(checks: readonly DiskCheck[], wasMounted = false): DiskVerdict {
  const last = checks.at(-1)!
  switch (last.kind) {
    case 'failed':
      return { state: /no space left|quota/i.test(last.says) ? 'full' : 'failed', says: last.says }
    case 'hanging':
      return { state: 'hanging', says: `a write of 4 KiB has not ended after ${last.forMs} ms` }
    case 'done': {
      if (wasMounted && !last.mounted)
        return { state: 'failed', says: 'the disk that was mounted there is not any more' }
      const { freeBytes, totalBytes } = last.free
      if (freeBytes < Math.min(FULL_BELOW_BYTES, totalBytes / 10))
        return { state: 'full', says: `${mib(freeBytes)} of ${mib(totalBytes)} are free` }
      const lately = checks.slice(-SLOW_TIMES)
      const took = lately.map(each => (each.kind === 'done' ? each.tookMs : HANGING_FROM_MS))
      if (lately.length === SLOW_TIMES && took.every(ms => ms >= SLOW_FROM_MS))
        return { state: 'slow', says: `4 KiB took ${took.join(', ')} ms to be written, synced and read` }
      return { state: 'well', says: `4 KiB were written, synced and read in ${last.tookMs} ms` }
    }
    default:
      return last satisfies never
  }
}

const mib = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`
