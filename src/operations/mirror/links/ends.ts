import type { Wire } from '../../../foundation/wire/contract.ts'
import type { LinkAdmin } from '../contract.ts'
import type { LinkDefinition, LinkEnd } from '../definition.ts'
import type { KeepTarget } from '../keep/gather.ts'

/** Connections to one end of a link. */
export interface LinkSide {
  readonly wire: Wire
  readonly admin: LinkAdmin
  /** The same cluster, for what is kept in step. */
  readonly cluster: KeepTarget
  /** Whom it acts as there, as Kafka calls it; null: not known, or nobody in particular. */
  readonly principal: string | null
  close(): Promise<void>
}

/** Gets connections to a link's end, as the principal it acts as there. */
export type ConnectEnd = (end: LinkEnd, link: LinkDefinition) => Promise<LinkSide>
