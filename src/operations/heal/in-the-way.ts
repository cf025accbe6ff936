/** What stands in the way of an act for now, and passes: who else is at work on the cluster. Pure. */
import { type Domain, describeDomain, type HeldLease } from '../fleet/interlock/contract.ts'
import { type Cause, type Incident, isOver, type Subject } from './contract.ts'

const TWO_RACKS = 'never two racks at once'
const HELD = 'the lease is held'

/** An act has had its effect by then, or has none. */
const EFFECT_MS = 30_000

/** What of a broker is known besides its failure. */
interface Racked {
  readonly id: number
  /** Null when the cluster has no racks: then each broker counts as one. */
  readonly rack: string | null
}

interface Wanted {
  readonly cluster: string
  readonly cause: Cause
  readonly subject: Subject
}

/**
 * Why an act on one broker waits for another one, in another rack, that was acted on before: until writes are seen to flow
 * without that one, or, if the act ends something that lives, until that one is whole again.
 */
export function secondRack(
  { cluster, cause, subject }: Wanted,
  brokers: readonly Racked[],
  incidents: readonly Incident[],
  at: number,
): string | undefined {
  if (!('broker' in subject)) return undefined
  const rackOf = (id: number): string | null => brokers.find(each => each.id === id)?.rack ?? null
  const rack = rackOf(subject.broker)
  for (const each of incidents) {
    if (each.cluster !== cluster || !('broker' in each.subject) || isOver(each)) continue
    const { actedAt, availableAt } = each
    const other = each.subject.broker
    if (actedAt === null || other === subject.broker) continue
    if (rack !== null && rackOf(other) === rack) continue
    const who = `broker ${other}${rackOf(other) === null ? '' : ` (rack ${rackOf(other)})`}`
    if (endsLiving(cause)) return `${TWO_RACKS}: ${who} was acted on, and is not whole again`
    if (availableAt === null && at - actedAt < EFFECT_MS)
      return `${TWO_RACKS}: ${who} is being acted on, and writes are not seen to flow without it yet`
  }
  return undefined
}

/** Whether what helps against it ends a process that serves somebody: dead and frozen ones serve nobody. */
const endsLiving = (cause: Cause): boolean => ENDS_LIVING.has(cause)
const ENDS_LIVING: ReadonlySet<Cause> = new Set(['broker-unregistered', 'log-dir-offline', 'disk-slow'])

/** Who holds the lease that stands in the way, since when, why, and until when. */
export function heldText({ holder, purpose, domain, since, leaseMs }: HeldLease, wanted: Domain): string {
  const isOther =
    domain.kind !== 'cluster' &&
    wanted.kind !== 'cluster' &&
    (domain.rack === null || domain.rack !== wanted.rack)
  const why = isOther ? `${TWO_RACKS}, and ${HELD}` : HELD
  const from = `${new Date(since).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  const until = `until they give it up, or have been silent for ${leaseMs / 1_000} s`
  return `${why}: ${holder} holds ${describeDomain(domain)} since ${from} for “${purpose}”, ${until}`
}

/** Whether a reason against an act is one of these. */
export const isPassing = (reason: string): boolean => reason.startsWith(TWO_RACKS) || reason.startsWith(HELD)
