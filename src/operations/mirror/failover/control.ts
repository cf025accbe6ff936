import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import type { LinkDefinition } from '../definition.ts'
import type { KeepTarget } from '../keep/gather.ts'
import type { KeepStore } from '../keep/state.ts'
import type { CommandedLink } from '../links/control.ts'
import type { FailoverStore } from './state.ts'

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
export type LinkControl = CommandedLink

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
  /** Makes the reverse link of these topics, stopped; one that is there already is made so. */
  makeReverse(definition: LinkDefinition, signal: AbortSignal): Promise<void>
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
    // Its copies are the originals' beginning, offset by offset.
    offsets: 'identity',
    keep: { ...definition.keep, acls: none, quotas: none },
    desired: 'running',
  }
}

export const reverseName = (link: string): string => `${link}.back`
