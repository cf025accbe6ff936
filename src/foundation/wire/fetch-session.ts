/**
 * The client's half of an incremental fetch session (KIP-227): what the broker already knows is not said again, so that
 * thousands of idle partitions cost nothing.
 */
import type { FetchRequest } from './requests/fetch.ts'

export interface FetchTarget {
  readonly topic: string
  readonly id: string
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly offset: number
  readonly lastFetchedEpoch: number
  readonly maxBytes: number
}

export type SessionPart = Pick<FetchRequest, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgotten'>

const MAX_EPOCH = 0x7fff_ffff

export class FetchSession {
  #id = 0
  #epoch = 0
  #told = new Map<string, FetchTarget>()

  /** What to say so that the broker fetches exactly these. The next call must come after `answered` or `reset`. */
  plan(targets: readonly FetchTarget[]): SessionPart {
    const next = new Map(targets.map(target => [sessionKey(target), target]))
    const changed = targets.filter(target => !isSame(this.#told.get(sessionKey(target)), target))
    const gone = [...this.#told.values()].filter(target => !next.has(sessionKey(target)))
    this.#told = next
    const topics = byTopicId(changed)
    const forgotten = byTopicId(gone).map(({ topic, id, partitions }) => ({
      topic,
      id,
      partitions: partitions.map(({ partition }) => partition),
    }))
    return { sessionId: this.#id, sessionEpoch: this.#epoch, topics, forgotten }
  }

  /** @param sessionId 0 when the broker keeps no session: everything is said again next time */
  answered(sessionId: number): void {
    if (sessionId === 0) {
      this.reset()
      return
    }
    this.#epoch = this.#epoch === MAX_EPOCH || sessionId !== this.#id ? 1 : this.#epoch + 1
    this.#id = sessionId
  }

  /** After an error: begins a new session. */
  reset(): void {
    this.#id = 0
    this.#epoch = 0
    this.#told = new Map()
  }
}

function sessionKey({ id, topic, partition }: FetchTarget): string {
  return `${id}/${topic}/${partition}`
}

function isSame(a: FetchTarget | undefined, b: FetchTarget): boolean {
  return (
    a !== undefined &&
    a.offset === b.offset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.lastFetchedEpoch === b.lastFetchedEpoch &&
    a.maxBytes === b.maxBytes
  )
}

function byTopicId(
  targets: readonly FetchTarget[],
): { topic: string; id: string; partitions: FetchTarget[] }[] {
  const groups = new Map<string, { topic: string; id: string; partitions: FetchTarget[] }>()
  for (const target of targets) {
    const { topic, id } = target
    const key = `${id}/${topic}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { topic, id, partitions: [target] })
    else group.partitions.push(target)
  }
  return [...groups.values()]
}
