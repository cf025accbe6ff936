/** What each broker says of its log dirs, asked all the time: nobody is told when a broker gives one up. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { LogDir } from '../../foundation/kafka/facts.ts'
import type { ProcessStatus } from '../hosts/contract.ts'
import type { LogDirFacts } from './contract.ts'
import type { HealedBroker } from './ends.ts'

const EVERY_MS = 2_000
const ASK_MS = 1_500

/** `since`: when it was first heard of, ms since the epoch. */
interface LogDirWord {
  readonly state: 'online' | 'offline'
  readonly since: number
}

export interface LogDirWords {
  /** Undefined: it does not say. */
  of(broker: number): ReadonlyMap<string, LogDirWord> | undefined
}

export interface LogDirWatch {
  readonly admin: Pick<ClusterAdmin, 'describeLogDirs'>
  readonly brokers: readonly HealedBroker[]
  readonly now: () => number
  /** Told when a broker gives up a log dir, or has one again. */
  readonly changed: () => void
  readonly signal: AbortSignal
}

export function watchLogDirs({ admin, brokers, now, changed, signal }: LogDirWatch): LogDirWords {
  const words = new Map<number, ReadonlyMap<string, LogDirWord>>()
  async function follow(broker: number): Promise<void> {
    while (!signal.aborted) {
      const call = { signal, deadlineMs: ASK_MS, replicas: false }
      const dirs = await admin.describeLogDirs(broker, call).catch(() => undefined)
      const before = words.get(broker)
      if (dirs === undefined) words.delete(broker)
      else words.set(broker, heard(dirs, before, now()))
      if (offlineIn(words.get(broker)) !== offlineIn(before)) changed()
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  for (const { id } of brokers) void follow(id)
  return { of: broker => words.get(broker) }
}

function heard(
  dirs: readonly LogDir[],
  before: ReturnType<LogDirWords['of']>,
  at: number,
): ReadonlyMap<string, LogDirWord> {
  return new Map(
    dirs.map(({ path, error }) => {
      const state = error === null ? 'online' : 'offline'
      const last = before?.get(path)
      return [path, last?.state === state ? last : { state, since: at }]
    }),
  )
}

const offlineIn = (words: ReturnType<LogDirWords['of']>): number =>
  [...(words?.values() ?? [])].filter(({ state }) => state === 'offline').length

/** The agent's word and the broker's, side by side. */
export function logDirFacts(
  status: ProcessStatus | undefined,
  words: ReturnType<LogDirWords['of']>,
): readonly LogDirFacts[] {
  const paths = new Set([...(status?.dirs.map(({ path }) => path) ?? []), ...(words?.keys() ?? [])])
  return [...paths].map(path => {
    const seen = status?.dirs.find(each => each.path === path)
    return {
      path,
      disk: seen?.state ?? 'unknown',
      says: seen?.says ?? '',
      since: seen?.since ?? 0,
      broker: words?.get(path)?.state ?? 'unknown',
      brokerSince: words?.get(path)?.since ?? 0,
    }
  })
}

export const isTroubled = ({ disk, broker }: LogDirFacts): boolean =>
  broker === 'offline' || (disk !== 'well' && disk !== 'unknown')
