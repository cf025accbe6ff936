/**
 * The client's half of an incremental fetch session (KIP-227): what the broker already knows is not said again, and what
 * did not change costs nothing here either, so that thousands of idle partitions are free.
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

/** Names a partition of a topic's one life. */
export function targetKey({ id, topic, partition }: Pick<FetchTarget, 'id' | 'topic' | 'partition'>): string {
  return `${id}/${topic}/${partition}`
}

const MAX_EPOCH = 0x7fff_ffff

export class FetchSession {
  #id = 0
  #epoch = 0
  /** By `targetKey`, as are the others. */
  readonly #wanted = new Map<string, FetchTarget>()
  readonly #told = new Map<string, FetchTarget>()
  readonly #changed = new Map<string, FetchTarget>()
  readonly #gone = new Map<string, FetchTarget>()

  get size(): number {
    return this.#wanted.size
  }

  /** From the next request on the broker is to fetch this. */
  want(key: string, target: FetchTarget): void {
    this.#wanted.set(key, target)
    // The broker forgets after it learns: of one partition only one of the two may be said.
    this.#gone.delete(key)
    if (isSame(this.#told.get(key), target)) this.#changed.delete(key)
    else this.#changed.set(key, target)
  }

  drop(key: string): void {
    this.#wanted.delete(key)
    this.#changed.delete(key)
    const told = this.#told.get(key)
    if (told !== undefined) this.#gone.set(key, told)
  }

  /** What to say so that the broker fetches what is wanted now. The next call must come after `answered` or `reset`. */
  plan(): SessionPart {
    const topics = byTopicId(this.#changed.values())
    const forgotten = byTopicId(this.#gone.values()).map(({ topic, id, partitions }) => ({
      topic,
      id,
      partitions: partitions.map(({ partition }) => partition),
    }))
    for (const [key, target] of this.#changed) this.#told.set(key, target)
    for (const key of this.#gone.keys()) this.#told.delete(key)
    this.#changed.clear()
    this.#gone.clear()
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
    this.#told.clear()
    this.#gone.clear()
    for (const [key, target] of this.#wanted) this.#changed.set(key, target)
  }
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
  targets: Iterable<FetchTarget>,
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
