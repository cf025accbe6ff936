/** Requests about partitions, which only their leaders answer. */
import { AjnaError, describeError } from '../errors/errors.ts'
import { classify, isRetriable } from './api-errors.ts'
import { backoffMs, pause } from './backoff.ts'
import type { Cluster } from './cluster.ts'
import {
  BROKER_ERROR,
  BROKER_UNREACHABLE,
  CONNECTION_LOST,
  PARTITION_UNAVAILABLE,
  REQUEST_TIMED_OUT,
} from './errors.ts'

export interface PartitionKey {
  readonly topic: string
  readonly partition: number
}

export interface PartitionAnswer extends PartitionKey {
  readonly errorCode: number
}

/** How long leaders may be looked for and asked again. */
const DEADLINE_MS = 30_000

const TRANSPORT_ERRORS: ReadonlySet<string> = new Set([
  BROKER_UNREACHABLE.code,
  CONNECTION_LOST.code,
  REQUEST_TIMED_OUT.code,
])

/** Whether a request failed on its way, so that nobody knows what the broker made of it. */
export function isTransportError(error: unknown): boolean {
  return error instanceof AjnaError && TRANSPORT_ERRORS.has(error.code)
}

export function partitionKey({ topic, partition }: PartitionKey): string {
  return `${topic}/${partition}`
}

/** `[{topic, partitions: [...]}]`, the form in which Kafka's requests name partitions. */
export function byTopic<T extends PartitionKey>(items: readonly T[]): { topic: string; partitions: T[] }[] {
  const groups = new Map<string, T[]>()
  for (const item of items) pushTo(groups, item.topic, item)
  return [...groups].map(([topic, partitions]) => ({ topic, partitions }))
}

/**
 * Asks each partition's leader and answers in the order of the items. What moved, or did not answer, is asked again at
 * its new leader, for at most 30 s: only for requests that may be repeated.
 *
 * @throws AjnaError BROKER_ERROR (with the broker's error), PARTITION_UNAVAILABLE at the deadline; the signal's reason
 */
export async function askLeaders<Item extends PartitionKey, Answer extends PartitionAnswer>(
  cluster: Cluster,
  items: readonly Item[],
  ask: (node: number, items: readonly Item[], signal: AbortSignal) => Promise<readonly Answer[]>,
  signal: AbortSignal,
): Promise<Answer[]> {
  const answers = new Map<string, Answer>()
  const deadline = Date.now() + DEADLINE_MS
  let open: readonly Item[] = items
  for (let failures = 0; open.length > 0; failures++) {
    await pause(backoffMs(failures), signal)
    const { lost, why } = await askOnce(cluster, open, ask, answers, failures > 0, signal)
    open = lost
    if (open.length > 0 && Date.now() > deadline) throw partitionsUnavailable(open, why)
  }
  return items.map(item => answers.get(partitionKey(item))!)
}

async function askOnce<Item extends PartitionKey, Answer extends PartitionAnswer>(
  cluster: Cluster,
  items: readonly Item[],
  ask: (node: number, items: readonly Item[], signal: AbortSignal) => Promise<readonly Answer[]>,
  answers: Map<string, Answer>,
  refreshFirst: boolean,
  signal: AbortSignal,
): Promise<{ lost: Item[]; why: unknown }> {
  let why: unknown
  const { groups, leaderless, error } = await groupByLeader(cluster, items, refreshFirst, signal)
  why = error
  const lost = [...leaderless]
  await Promise.all(
    [...groups].map(async ([node, group]) => {
      try {
        const given = new Map((await ask(node, group, signal)).map(answer => [partitionKey(answer), answer]))
        for (const item of group) {
          const answer = given.get(partitionKey(item))
          if (answer?.errorCode === 0) answers.set(partitionKey(item), answer)
          else lost.push(retriable(item, answer))
        }
      } catch (failure) {
        if (!isTransportError(failure)) throw failure
        why = failure
        lost.push(...group)
      }
    }),
  )
  return { lost, why }
}

/** The item again if asking again may help. @throws AjnaError BROKER_ERROR otherwise */
function retriable<Item extends PartitionKey>(item: Item, answer: PartitionAnswer | undefined): Item {
  if (answer === undefined || isRetriable(classify(answer.errorCode).class)) return item
  throw brokerError(answer.errorCode, `${item.topic}-${item.partition}`)
}

export interface Grouped<Item> {
  readonly groups: ReadonlyMap<number, Item[]>
  readonly leaderless: readonly Item[]
  /** Why leaders could not be looked up, if so. */
  readonly error: unknown
}

/** Groups items by their partition's leader, looking leaders up that are not known (all of them, if asked to). */
export async function groupByLeader<Item extends PartitionKey>(
  cluster: Cluster,
  items: readonly Item[],
  refreshFirst: boolean,
  signal: AbortSignal,
): Promise<Grouped<Item>> {
  let error: unknown
  const unknown = items.filter(
    item => refreshFirst || cluster.leader(item.topic, item.partition) === undefined,
  )
  if (unknown.length > 0) {
    try {
      await cluster.refresh(new Set(unknown.map(item => item.topic)), signal)
    } catch (failure) {
      if (!isTransportError(failure)) throw failure
      error = failure
    }
  }
  const groups = new Map<number, Item[]>()
  const leaderless: Item[] = []
  for (const item of items) {
    const leader = cluster.leader(item.topic, item.partition)
    if (leader === undefined) leaderless.push(item)
    else pushTo(groups, leader.node, item)
  }
  return { groups, leaderless, error }
}

export function brokerError(code: number, what: string, message?: string | null): AjnaError {
  const { name } = classify(code)
  const said = message === undefined || message === null ? '' : `: ${message}`
  return new AjnaError(BROKER_ERROR, `${what}: ${name}${said}`, { details: { code, name } })
}

export function partitionsUnavailable(items: readonly PartitionKey[], why: unknown): AjnaError {
  const names = items.slice(0, 5).map(item => `${item.topic}-${item.partition}`)
  const more = items.length > names.length ? ` and ${items.length - names.length} more` : ''
  const because = why === undefined ? '' : `: ${describeError(why)}`
  return new AjnaError(PARTITION_UNAVAILABLE, `no leader answers for ${names.join(', ')}${more}${because}`, {
    cause: why,
  })
}

function pushTo<Key, Item>(groups: Map<Key, Item[]>, key: Key, item: Item): void {
  const group = groups.get(key)
  if (group === undefined) groups.set(key, [item])
  else group.push(item)
}
