import type { Incident } from '../heal/contract.ts'
import type { Healing } from './contract.ts'
import type { Load } from './load/generator.ts'
import { incidentMarks, type MarkKind } from './records/marks.ts'
import type { LiveSample } from './records/model.ts'
import type { TopicWatch } from './watch.ts'

/** Is told of a run while it goes on. */
export interface RunFollower {
  /** Once a second. */
  sample(sample: LiveSample): void
  /** @param at ms since the epoch */
  mark(kind: MarkKind, at: number, text: string): void
  /** Each time that it is told anew. */
  incident(incident: Incident): void
}

export interface FollowedRun {
  readonly load: Pick<Load, 'acknowledged' | 'waitingMs'>
  readonly watch: Pick<TopicWatch, 'now'>
  readonly healing: Pick<Healing, 'incidents'> | undefined
}

const LOOK_EVERY_MS = 100
const LOOKS_A_SAMPLE = 10

/** Looks at a run until it is disposed, and then once more. */
export function followRun({ load, watch, healing }: FollowedRun, follower: RunFollower): Disposable {
  let looks = 0
  let waitMs = 0
  let acknowledged = load.acknowledged()
  let sampledAt = performance.now()
  const told = new Map<string, number>()
  const marked = new Set<string>()

  function lookAtIncidents(): void {
    for (const incident of healing?.incidents() ?? []) {
      if (told.get(incident.id) === incident.revision) continue
      told.set(incident.id, incident.revision)
      follower.incident(incident)
      for (const { kind, at, text } of incidentMarks(incident)) {
        const key = `${incident.id} ${kind}`
        if (marked.has(key)) continue
        marked.add(key)
        follower.mark(kind, at, text)
      }
    }
  }

  function look(): void {
    waitMs = Math.max(waitMs, load.waitingMs())
    lookAtIncidents()
    if (++looks % LOOKS_A_SAMPLE !== 0) return
    const [at, total] = [performance.now(), load.acknowledged()]
    const perSecond = Math.round(((total - acknowledged) * 1_000) / Math.max(1, at - sampledAt))
    follower.sample({ perSecond, waitMs: Math.round(waitMs), ...watch.now() })
    ;[sampledAt, acknowledged, waitMs] = [at, total, 0]
  }

  const timer = setInterval(look, LOOK_EVERY_MS)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      lookAtIncidents()
    },
  }
}
