/** Looks at the disks of a host's log dirs all the time, each by itself. */
import { setTimeout as delay } from 'node:timers/promises'
import type { DirStatus } from '../contract.ts'
import { followEach } from '../follow-each.ts'
import { beginCheck } from './check.ts'
import { type DiskCheck, HANGING_FROM_MS, REMEMBERED, verdictOf } from './decide.ts'

/** Between two checks of a disk: each takes a few milliseconds of a processor. */
const EVERY_MS = 2_000
const LOOK_EVERY_MS = 1_000

export interface DiskWatch {
  /** From now on these, and no others. */
  watch(directories: readonly string[]): void
  of(directories: readonly string[]): DirStatus[]
}

interface Looked {
  /** Undefined: it was not looked at yet. */
  status: DirStatus | undefined
}

/** @param changed told when a disk is not what it was any more */
export function createDiskWatch(changed: () => void): DiskWatch {
  async function follow(path: string, entry: Looked, signal: AbortSignal): Promise<void> {
    const checks: DiskCheck[] = []
    let wasMounted = false
    const note = (check: DiskCheck): void => {
      // A check that hangs is told again and again: the last word counts.
      if (checks.at(-1)?.at === check.at) checks.pop()
      checks.push(check)
      checks.splice(0, checks.length - REMEMBERED)
      if (signal.aborted) return
      wasMounted ||= check.kind === 'done' && check.mounted
      const { state, says } = verdictOf(checks, wasMounted)
      const before = entry.status
      const same = before?.state === state
      entry.status = { path, state, says, since: same ? before.since : check.at, at: Date.now() }
      if (!same) changed()
    }
    while (!signal.aborted) {
      const running = beginCheck(path)
      let check: DiskCheck | undefined
      while (check === undefined) {
        check = await Promise.race([running.ended, delay(LOOK_EVERY_MS, undefined)])
        const forMs = Date.now() - running.at
        if (check === undefined && forMs >= HANGING_FROM_MS) {
          note({ kind: 'hanging', at: running.at, forMs })
          running.kill()
        }
        if (check === undefined && signal.aborted) return running.kill()
      }
      // One that was killed has said nothing.
      if (Date.now() - running.at < HANGING_FROM_MS || check.kind === 'done') note(check)
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  const followed = followEach((path, signal) => {
    const entry: Looked = { status: undefined }
    void follow(path, entry, signal)
    return entry
  })
  return {
    watch: followed.follow,
    of: directories => directories.flatMap(path => followed.of(path)?.status ?? []),
  }
}
