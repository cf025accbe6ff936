import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import type { LinkStatus } from '../contract.ts'
import type { LinkDefinition } from '../definition.ts'
import type { KeepTarget } from '../keep/gather.ts'
import type { KeepStore } from '../keep/state.ts'
import type { FailoverStore, LogEnd } from './state.ts'

/** What a switch of sides works with. */

export type FailoverAdmin = KeepTarget &
  Pick<
    ClusterAdmin,
    'brokers' | 'describeConfigs' | 'alterConfigs' | 'createTopics' | 'createPartitions' | 'deleteTopics'
  >

export interface FailoverSide {
  /** For people. */
  readonly name: string
  readonly admin: FailoverAdmin
  readonly wire: Wire
  /** The same cluster as the link itself sees it; without it, that a fence holds is told from its rules alone. */
  readonly asLink?: Pick<ClusterAdmin, 'writableTopics'>
}

/** A link, or its reverse, as far as a switch commands it. All of it may be repeated. */
export interface LinkControl {
  /** What its worker last said; undefined: nothing lately. */
  status(signal: AbortSignal): Promise<LinkStatus | undefined>
  /** Ids of the topics it has copied, at its source. */
  copiedIds(signal: AbortSignal): Promise<ReadonlyMap<string, string>>
  /** Resolves when none of its workers that can be reached does anything; says so, or why it is not certain. */
  stop(signal: AbortSignal): Promise<{ readonly stopped: boolean; readonly reason: string }>
  start(signal: AbortSignal): Promise<void>
  /**
   * Makes a link that is stopped go on at these ends of its target's logs, whoever wrote them, under producer ids of its own
   * that no worker from before has.
   *
   * @param forget topics that are others at its source now
   */
  rebase(ends: readonly LogEnd[], forget: readonly string[], signal: AbortSignal): Promise<void>
}

export interface FailoverWaits {
  /** How long something may stand still before a step is stuck, ms. */
  readonly stillMs: number
  /** How long groups may take to come to the end or to stop, ms. */
  readonly drainMs: number
  /** Between two looks, ms. */
  readonly everyMs: number
}

export const DEFAULT_WAITS: FailoverWaits = Object.freeze({ stillMs: 60_000, drainMs: 60_000, everyMs: 250 })

export interface FailoverContext {
  readonly definition: LinkDefinition
  readonly source: FailoverSide
  readonly target: FailoverSide
  /** Whom the link and its reverse act as (`User:…`); null: nobody in particular. */
  readonly principal: string | null
  readonly link: LinkControl
  readonly reverse: LinkControl
  readonly keepStore: KeepStore
  /** What the reverse link keeps in step. */
  readonly reverseKeepStore: KeepStore
  readonly store: FailoverStore
  /** Principals that are let write at the target where nothing tells who may at the source. */
  readonly writers: readonly string[]
  readonly waits: FailoverWaits
  readonly log: Logger
  readonly now: () => number
  readonly newId: () => string
}

/** From the target back to the source, for topics whose copies have the same names. */
export function reversed(definition: LinkDefinition, topics: readonly string[]): LinkDefinition {
  const none = { include: [], exclude: [] }
  return {
    ...definition,
    name: reverseName(definition.name),
    source: definition.target,
    target: definition.source,
    topics: { include: topics.length === 0 ? ['-'] : [...topics], exclude: [] },
    rename: { prefix: '', suffix: '' },
    replicationFactor: null,
    headers: [],
    keep: { ...definition.keep, acls: none, quotas: none },
    desired: 'running',
  }
}

export const reverseName = (link: string): string => `${link}.back`
