/** Which orders a host obeys, by the leases under which they are given. Pure. */
import type { Fence } from '../fleet/interlock/contract.ts'
import { obeys } from './contract.ts'

/** What a host remembers of the orders it has obeyed. */
export interface Obeyed {
  /** One entry a keeper: its highest token, and when that was first obeyed, ms since the epoch. */
  readonly keepers: readonly KeeperToken[]
  /** The highest token of all keepers together: of a time when they were not told apart. */
  readonly before: Before | null
}

export interface KeeperToken {
  readonly keeper: string
  readonly token: number
  readonly at: number
}

export interface Before {
  readonly highest: number
  /** Until then it holds for every keeper of whom nothing was obeyed yet, ms since the epoch. */
  readonly until: number
}

export const NOTHING_OBEYED: Obeyed = { keepers: [], before: null }

/** As many clusters as can have brokers on one host, and those whose journals were made anew. */
export const MOST_KEEPERS = 64
/** No lease lasts longer than ten minutes without its holder; whoever stood still for longer than this is not feared any more. */
export const FORGOTTEN_AFTER_MS = 24 * 3_600_000
/** The same of an earlier version's leases: its own orders, which name no keeper, are not obeyed in any case. */
export const BEFORE_HOLDS_MS = 3_600_000

export type Judged =
  /** `obeyed` is the same as before if nothing new is to be remembered. */
  | { readonly kind: 'obeyed'; readonly obeyed: Obeyed }
  | { readonly kind: 'stale'; readonly highest: number }
  /** It cannot be remembered. */
  | { readonly kind: 'full' }

/** Whether an order with this fence is obeyed, and what is to be remembered (on the disk) before it is. */
export function judge(known: Obeyed, { keeper, token }: Fence, now: number): Judged {
  const its = known.keepers.find(each => each.keeper === keeper)
  const highest = its?.token ?? (known.before !== null && now < known.before.until ? known.before.highest : 0)
  if (!obeys(highest, token)) return { kind: 'stale', highest }
  if (its?.token === token) return { kind: 'obeyed', obeyed: known }
  const others = withRoomFor(
    known.keepers.filter(each => each !== its),
    now,
  )
  if (others === undefined) return { kind: 'full' }
  return { kind: 'obeyed', obeyed: { ...known, keepers: [...others, { keeper, token, at: now }] } }
}

/** Oldest first, as they are kept. Undefined: none of them may be forgotten yet. */
function withRoomFor(others: readonly KeeperToken[], now: number): readonly KeeperToken[] | undefined {
  if (others.length < MOST_KEEPERS) return others
  const [oldest, ...rest] = others
  return now - oldest!.at > FORGOTTEN_AFTER_MS ? rest : undefined
}
