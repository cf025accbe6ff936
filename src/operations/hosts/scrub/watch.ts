/** Reads the closed segments of a host's log dirs all the time, slowly: nobody else notices that one is damaged before it is needed. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CorruptSegment } from '../contract.ts'
import { followEach } from '../follow-each.ts'
import { createBudget, listLogDir } from './read.ts'
import { scan } from './scan.ts'
import { inTurn, type Scanned, type Segment, segmentsIn } from './segments.ts'

export interface ScrubOptions {
  /** Read from all disks of the host together. */
  readonly bytesPerSecond: number
  /** Nothing is read anew before so long. */
  readonly againMs: number
  /** So often it is looked for new segments; seldom where that takes long. */
  readonly listEveryMs: number
}

export const SCRUB: ScrubOptions = { bytesPerSecond: 8 * 1024 * 1024, againMs: 300_000, listEveryMs: 5_000 }

/** How much may be read of a log dir: a disk that is slow is asked for a segment at a time, one that fails or hangs for nothing. */
export type Pace = 'usual' | 'sparing' | 'none'

/** Of one log dir: more are as good as all of them. */
const MOST_FINDINGS = 50
/** A listing takes no more than this part of the time. */
const LIST_SHARE = 20

export interface ScrubWatch {
  /** From now on these, and no others. */
  watch(logDirs: readonly string[]): void
  of(logDirs: readonly string[]): CorruptSegment[]
}

/** By path. */
type Findings = Map<string, { readonly key: string; readonly told: CorruptSegment }>

/**
 * @param changed told when there are other findings than before
 * @param paceOf of a log dir, by what its disk is found to be
 */
export function createScrubWatch(
  changed: () => void,
  paceOf: (logDir: string) => Pace,
  { bytesPerSecond, againMs, listEveryMs }: ScrubOptions = SCRUB,
): ScrubWatch {
  const budget = createBudget(bytesPerSecond)

  async function follow(logDir: string, findings: Findings, signal: AbortSignal): Promise<void> {
    const scanned = new Map<string, Scanned>()
    while (!signal.aborted) {
      const began = Date.now()
      const pace = paceOf(logDir)
      const segments = pace === 'none' ? undefined : await listed(logDir, signal)
      const nextListing = Date.now() + Math.max(listEveryMs, LIST_SHARE * (Date.now() - began))
      if (segments !== undefined) {
        forget(segments, scanned, findings)
        for (const segment of inTurn(segments, scanned, { now: began, againMs })) {
          if (signal.aborted || Date.now() >= nextListing) break
          await look(segment, scanned, findings, signal)
          if (pace === 'sparing') break
        }
      }
      await delay(Math.max(0, nextListing - Date.now()), undefined, { signal }).catch(() => undefined)
    }
  }

  /** What is no more, or another file by now, was healed, deleted by retention, or replaced by compaction. */
  function forget(segments: readonly Segment[], scanned: Map<string, Scanned>, findings: Findings): void {
    const now = new Map(segments.map(each => [each.path, each]))
    for (const path of scanned.keys()) if (!now.has(path)) scanned.delete(path)
    for (const [path, { told }] of findings)
      if (now.get(path)?.inode !== told.inode) {
        findings.delete(path)
        changed()
      }
  }

  async function look(
    segment: Segment,
    scanned: Map<string, Scanned>,
    findings: Findings,
    signal: AbortSignal,
  ): Promise<void> {
    const { path, key, topic, partition, inode, base } = segment
    const at = Date.now()
    const found = await scan(segment, budget, signal).catch(() => undefined)
    if (found === undefined || signal.aborted) return
    scanned.set(path, { key, at })
    if (found.kind === 'unknown') return
    const before = findings.get(path)
    if (found.kind === 'well') {
      if (findings.delete(path)) changed()
      return
    }
    if (before === undefined && findings.size >= MOST_FINDINGS) return
    const { position, from, to, batches, what } = found.damage
    const told = { topic, partition, path, inode, segment: base, position, from, to, batches, what }
    findings.set(path, { key, told: { ...told, since: before?.told.since ?? at } })
    if (JSON.stringify(before?.told) !== JSON.stringify(findings.get(path)!.told)) changed()
  }

  const followed = followEach((logDir, signal) => {
    const findings: Findings = new Map()
    void follow(logDir, findings, signal)
    return findings
  })
  return {
    watch: followed.follow,
    of: logDirs => logDirs.flatMap(path => [...(followed.of(path)?.values() ?? [])].map(({ told }) => told)),
  }
}

/** Undefined: the dir cannot be listed. */
async function listed(logDir: string, signal: AbortSignal): Promise<Segment[] | undefined> {
  try {
    return segmentsIn(logDir, await listLogDir(logDir, signal))
  } catch {
    return undefined
  }
}
