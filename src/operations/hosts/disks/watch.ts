/** Looks at the disks of a host's log dirs all the time, each by itself. */
import { setTimeout as delay } from 'node:timers/promises'
import type { DirStatus } from '../contract.ts'
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

/** @param changed told when a disk is not what it was any more */
export function createDiskWatch(changed: () => void): DiskWatch {
  const watched = new Map<string, { readonly stop: AbortController; status: DirStatus | undefined }>()

  async function follow(path: string, signal: AbortSignal): Promise<void> {
    const checks: DiskCheck[] = []
    let wasMounted = false
    const note = (check: DiskCheck): void => {
      // A check that hangs is told again and again: the last word counts.
      if (checks.at(-1)?.at === check.at) checks.pop()
      checks.push(check)
      checks.splice(0, checks.length - REMEMBERED)
      const entry = watched.get(path)
      if (signal.aborted || entry === undefined) return
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

  return {
    watch(directories) {
      const wanted = new Set(directories)
      for (const [path, { stop }] of watched)
        if (!wanted.has(path)) {
          stop.abort()
          watched.delete(path)
        }
      for (const path of wanted) {
        if (watched.has(path)) continue
        const stop = new AbortController()
        watched.set(path, { stop, status: undefined })
        void follow(path, stop.signal)
      }
    },
    of: directories =>
      directories.flatMap(path => {
        const status = watched.get(path)?.status
        return status === undefined ? [] : [status]
      }),
  }
}
