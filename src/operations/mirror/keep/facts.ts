import type { GroupPosition } from '../../../foundation/kafka/groups.ts'
import type { AclBinding, Quota } from '../../../foundation/kafka/security.ts'
import type { LinkDefinition } from '../definition.ts'

/** What was found at the two ends of a link when it was asked what to keep in step. */

export interface CopiedTopic {
  /** Its names at the source and at the target; equal unless the link renames. */
  readonly source: string
  readonly copy: string
}

export interface GroupFacts {
  readonly id: string
  /** As its coordinator spells it; `Empty` and `Dead` have no members. Null: it is not there. */
  readonly state: string | null
  readonly positions: readonly GroupPosition[]
}

/** Ends of a copy's log; positions outside of them mean nothing. */
export interface CopyEnds {
  readonly topic: string
  readonly partition: number
  readonly start: number
  readonly end: number
}

export interface SourceFacts {
  /** When the positions were asked for, ms: what was committed by then is in them. */
  readonly at: number
  /** Null: the cluster has no authorizer. Undefined: not asked for. */
  readonly acls: readonly AclBinding[] | null | undefined
  readonly quotas: readonly Quota[] | undefined
  /** Of groups the link means; positions on other topics do not matter. */
  readonly groups: readonly GroupFacts[]
  /** Groups of which nothing could be learned, and why. */
  readonly unknownGroups: ReadonlyMap<string, string>
}

export interface TargetFacts {
  readonly acls: readonly AclBinding[] | null | undefined
  readonly quotas: readonly Quota[] | undefined
  /** The source's groups as they are here. */
  readonly groups: readonly GroupFacts[]
  readonly unknownGroups: ReadonlyMap<string, string>
  readonly ends: readonly CopyEnds[]
}

/** Where a source's position lies in the copy; null: not known (yet). Identity unless the link maps offsets. */
export type Translate = (topic: string, partition: number, sourceOffset: number) => number | null

export const identity: Translate = (_topic, _partition, offset) => offset

export interface KeepScope {
  readonly keep: LinkDefinition['keep']
  readonly topics: readonly CopiedTopic[]
  /** Whom the link acts as: its own rights are not its business. */
  readonly linkPrincipals: readonly string[]
  readonly translate: Translate
}

export const isActive = (state: string | null): boolean =>
  state !== null && state !== 'Empty' && state !== 'Dead'
