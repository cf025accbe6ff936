import type { HeldLease } from './contract.ts'

/**
 * As with shards (foundation/shards/decide.ts): a holder may act until 3/4 of its lease after it asked for the last
 * renewal that it read back; others may ask for its expiry a whole lease after they saw that renewal, and only when the
 * log is known to have flowed since, so that a dead broker does not cost anyone their lease. An expiry is void at replay
 * if the holder renewed before it.
 */
export interface Facts {
  /** ms on this process' monotonic clock, as all times here. */
  readonly now: number
  readonly leases: readonly HeldLease[]
  /** When the own leases' last renewal was asked for; those whose renewal is under way are `renewing`. */
  readonly mine: ReadonlyMap<string, { readonly asked: number; readonly renewing: boolean }>
  /** When each lease's last renewal was seen. */
  readonly seen: ReadonlyMap<string, { readonly renewed: number; readonly at: number }>
  /** When the log was found to flow after a lease's silence, by lease; for the renewal it was probed at. */
  readonly probed: ReadonlyMap<string, { readonly renewed: number; readonly at: number }>
}

export type Action =
  | { readonly kind: 'renew'; readonly id: string }
  | { readonly kind: 'probe'; readonly id: string; readonly renewed: number }
  | { readonly kind: 'expire'; readonly id: string; readonly renewed: number }

export function decide(facts: Facts): Action[] {
  return facts.leases.flatMap(lease =>
    facts.mine.has(lease.id) ? renewal(facts, lease) : expiry(facts, lease),
  )
}

function renewal({ now, mine }: Facts, { id, leaseMs }: HeldLease): Action[] {
  const { asked, renewing } = mine.get(id)!
  return renewing || now - asked < leaseMs / 5 ? [] : [{ kind: 'renew', id }]
}

function expiry({ now, seen, probed }: Facts, { id, renewed, leaseMs }: HeldLease): Action[] {
  const sighting = seen.get(id)
  if (sighting === undefined || sighting.renewed !== renewed || now - sighting.at < leaseMs) return []
  const probe = probed.get(id)
  if (probe === undefined || probe.renewed !== renewed) return [{ kind: 'probe', id, renewed }]
  return now - probe.at < leaseMs / 4 ? [] : [{ kind: 'expire', id, renewed }]
}
