import type { LinkStatus } from './contract.ts'
import type { LinkDefinition } from './definition.ts'
import type { FailoverAction, FailoverPhase, StepName } from './failover/state.ts'

/**
 * Every link there is, whoever made it: the one place where links are changed. A journal lies behind it, so a change has
 * happened when the call resolves, and every worker takes it up by itself.
 */
export interface LinkRegistry {
  list(): readonly LinkEntry[]
  get(name: string): LinkEntry | undefined
  /**
   * Makes or changes a link.
   * @param expected the version it was decided on: refused when the link has changed since; 0: it must not exist yet
   * @throws AjnaError LINK_INVALID (ends that cannot be changed, a loop), LINK_CHANGED, LINK_OWNED (the fleet's file alone
   *   may change it), what the journal throws
   */
  put(
    definition: LinkDefinition,
    options?: {
      readonly expected?: number
      readonly owner?: LinkEntry['owner']
      readonly annotations?: LinkEntry['annotations']
    },
  ): Promise<LinkEntry>
  /** @throws AjnaError LINK_UNKNOWN */
  setDesired(name: string, desired: LinkDefinition['desired']): Promise<LinkEntry>
  /**
   * Ends a link; the copies stay. One of the same name and ends that is made later goes on with them.
   *
   * @throws AjnaError LINK_UNKNOWN, LINK_OWNED
   */
  remove(name: string): Promise<void>
  /**
   * Begins partitions anew: looks at both logs again, tries what was halted once more.
   * @throws AjnaError LINK_UNKNOWN
   */
  restart(
    name: string,
    which: {
      readonly only: 'all' | 'failed'
      /** Default: every partition of the link. */
      readonly partitions?: readonly { readonly topic: string; readonly partition: number }[]
    },
  ): Promise<void>
  /** What its workers last said, put together; undefined when none has said anything yet. */
  status(name: string): LinkStatus | undefined
  /** Where each partition stands: source and target offset that are copied next. From the target's log, not from memory. */
  positions(name: string, signal: AbortSignal): Promise<readonly LinkPosition[]>
  /**
   * Says where partitions of a stopped link go on, all of them or none: the next source offset to be copied, which will lie
   * where the copy ends then; null: as if nothing was known of the partition. This is how a copy that another replicator
   * began is taken over. Under `identity` a position that the copy's end contradicts is refused; under `mapped` it begins a
   * new stretch of the mapping.
   * @throws AjnaError LINK_UNKNOWN, LINK_NOT_STOPPED, LINK_POSITION_REFUSED (with the partitions and why), what the journal
   *   throws
   */
  setPositions(name: string, positions: readonly LinkPositionChange[], signal: AbortSignal): Promise<void>
  /** Calls back at each change of a definition or a status until the signal aborts. */
  onChange(listener: (name: string) => void, signal: AbortSignal): void
}

export interface LinkEntry {
  readonly definition: LinkDefinition
  /** Raised by every change of the definition. */
  readonly version: number
  /**
   * `fleet`: declared in the fleet's file, which alone may change it; `api`: everybody may; `switch`: the way back of a link
   * whose sides are switched, which comes and goes with that.
   */
  readonly owner: 'fleet' | 'api' | 'switch'
  /** What the owner keeps with it as it was given (a connector's own configuration); plain JSON. */
  readonly annotations: Readonly<Record<string, string>>
  /** The link that it is the way back of. */
  readonly reverseOf: string | null
  /** Which side is the original; null: the source, as ever. */
  readonly sides: LinkSides | null
}

export interface LinkSides {
  readonly phase: FailoverPhase
  /** The switch under way, at which step, and why it stands still. */
  readonly underWay: {
    readonly action: FailoverAction
    readonly planned: boolean
    readonly startedAt: number
    readonly step: string | null
    readonly stuck: string | null
    /** All of them, in order; null: not begun, not done. */
    readonly steps: readonly {
      readonly name: StepName
      readonly startedAt: number | null
      readonly endedAt: number | null
    }[]
  } | null
}

export interface LinkPositionChange {
  /** Name at the source. */
  readonly topic: string
  readonly partition: number
  readonly sourceOffset: number | null
}

export interface LinkPosition {
  /** Name at the source. */
  readonly topic: string
  readonly partition: number
  /** The next source offset to be copied, and where it will lie at the target. Equal under identity. */
  readonly sourceOffset: number
  readonly targetOffset: number
}
