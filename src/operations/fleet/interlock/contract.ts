import { z } from 'zod'

/**
 * Whoever endangers availability on purpose (healing, patching, migration, reassignment, fault tests) holds a lease on the
 * failure domain first.
 */
const name = z.string().min(1).max(200)

export const domain = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('cluster'), cluster: name }),
  z.object({ kind: z.literal('rack'), cluster: name, rack: name }),
  /** `rack` is null in a cluster without racks; each broker then counts as a rack of its own. */
  z.object({ kind: z.literal('broker'), cluster: name, rack: name.nullable(), broker: z.int() }),
])
export type Domain = Readonly<z.infer<typeof domain>>

/**
 * Whether two acts may not go on at once: in one cluster, whatever touches two racks; within a rack, the rack as a whole
 * and anything in it; any broker and itself. Clusters do not concern each other.
 */
export function conflicts(a: Domain, b: Domain): boolean {
  if (a.cluster !== b.cluster) return false
  if (a.kind === 'cluster' || b.kind === 'cluster') return true
  if (a.rack === null || b.rack === null || a.rack !== b.rack) return true
  return a.kind === 'rack' || b.kind === 'rack' || a.broker === b.broker
}

export function describeDomain(domain: Domain): string {
  if (domain.kind === 'cluster') return `cluster ${domain.cluster}`
  if (domain.kind === 'rack') return `rack ${domain.rack} of ${domain.cluster}`
  return `broker ${domain.broker} of ${domain.cluster}${domain.rack === null ? '' : ` (rack ${domain.rack})`}`
}

const offset = z.int().nonnegative()
const leaseMs = z.int().min(40).max(600_000)
const evidence = z.array(z.object({ label: z.string().max(100), value: z.string().max(500) })).max(20)
const outcome = z.enum(['done', 'failed', 'reverted'])

const heldLease = z.object({
  id: name,
  domain,
  /** The process that acts, and why, for people. */
  holder: name,
  purpose: z.string().max(500),
  leaseMs,
  /** Higher for every later lease of the same journal: see `Fence`. */
  token: offset,
  /** Log offset of the last renewal: what an expiry is decided on. */
  renewed: offset,
  /** When it was asked for, ms since the epoch by the holder's clock. */
  since: z.int(),
})
export type HeldLease = Readonly<z.infer<typeof heldLease>>

const endedLease = z.object({
  ...heldLease.shape,
  outcome: z.enum([...outcome.options, 'expired']),
  evidence,
  endedAt: z.int(),
})
export type EndedLease = Readonly<z.infer<typeof endedLease>>

export const interlockState = z.object({
  leases: z.record(z.string(), heldLease),
  /** The last ones, oldest first. */
  ended: z.array(endedLease),
})
export type InterlockState = Readonly<z.infer<typeof interlockState>>

export const interlockCommand = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('acquire'),
    id: name,
    domain,
    holder: name,
    purpose: heldLease.shape.purpose,
    leaseMs,
  }),
  z.object({ kind: z.literal('renew'), id: name }),
  z.object({ kind: z.literal('release'), id: name, outcome, evidence }),
  /** The holder has been silent for its whole lease; void if it renewed since. */
  z.object({ kind: z.literal('expire'), id: name, renewed: offset }),
])
export type InterlockCommand = z.infer<typeof interlockCommand>

/**
 * What an order given under a lease carries: agents refuse one whose token is lower than the highest they have obeyed of the
 * same keeper. Tokens are offsets in a journal, so those of two keepers cannot be compared.
 */
export const fence = z.strictObject({
  /** The journal that the lease is kept in (`Journal.identity`): one that was made anew is another, and begins at 0. */
  keeper: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
  token: offset,
})
export type Fence = Readonly<z.infer<typeof fence>>

export interface LeaseRequest {
  readonly domain: Domain
  readonly purpose: string
  /** How long the holder may be silent before the lease is another's to take; default 15,000. */
  readonly leaseMs?: number
}

export interface ActOutcome {
  readonly outcome: 'done' | 'failed' | 'reverted'
  readonly evidence?: readonly { readonly label: string; readonly value: string }[]
}

export interface Lease {
  readonly id: string
  readonly domain: Domain
  /** Every order given under it carries this. */
  readonly fence: Fence
  /** Whether an act may begin or go on now. */
  holds(): boolean
  /** Aborted when the right to act ends, long enough before another may get it to revert what was begun. Never comes back. */
  readonly ended: AbortSignal
  /** Says what was done under it and gives it up. False: it had expired before. */
  release(how: ActOutcome, signal?: AbortSignal): Promise<boolean>
}

/** A lease of somebody's that stands against another one. */
export interface Obstacle {
  readonly lease: HeldLease
  /** When it ends if its holder is not heard of any more, ms since the epoch. */
  readonly endsAt: number
}

export type Answer =
  | { readonly granted: true; readonly lease: Lease }
  /** `obstacle`: what stands against it, if it still does. */
  | { readonly granted: false; readonly reason: string; readonly obstacle: Obstacle | undefined }

export interface Interlock {
  /** @throws what the journal throws; then nothing was acquired, or it expires by itself */
  acquire(request: LeaseRequest, signal?: AbortSignal): Promise<Answer>
  /** What stands against a lease on this domain, as far as is known just now; the journal has the last word. */
  obstacle(domain: Domain): Obstacle | undefined
  held(): readonly HeldLease[]
  /** Newest first. */
  history(): readonly EndedLease[]
}
