/** The lease under which a person's act on a broker is done: the same interlock as every other act's. */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { PlacedCluster } from '../../operations/fleet/contract.ts'
import type { Domain, Interlock, Lease, Obstacle } from '../../operations/fleet/interlock/contract.ts'
import { describeLease, INTERLOCK_TOPIC } from '../../operations/fleet/interlock/machine.ts'
import { INCIDENTS_TOPIC } from '../../operations/heal/contract.ts'
import { ACT_REFUSED } from '../api/errors.ts'
import { HEALING_AWAY, type KeptLeases } from './keys.ts'

export interface BrokerLeasesOptions {
  readonly placed: readonly PlacedCluster[]
  /** Undefined: nobody keeps this cluster's. */
  readonly leases: (cluster: string) => KeptLeases | undefined
}

export interface BrokerLeases {
  /**
   * @throws AjnaError API_ACT_REFUSED: somebody else's lease is in the way, or nobody keeps leases; HEALING_AWAY; what the
   *   journal throws: then there is none, or it expires by itself
   */
  take(cluster: string, broker: number, purpose: string, signal: AbortSignal): Promise<Lease>
  /** Why there would be none, as far as is known just now. */
  refusals(cluster: string, broker: number): readonly string[]
}

export function brokerLeases({ placed, leases }: BrokerLeasesOptions): BrokerLeases {
  const domainOf = (cluster: string, broker: number): Domain => {
    const nodes = placed.find(({ name }) => name === cluster)?.nodes ?? []
    return { kind: 'broker', cluster, broker, rack: nodes.find(({ id }) => id === broker)?.rack ?? null }
  }
  return {
    async take(cluster, broker, purpose, signal) {
      const kept = leases(cluster)
      if (kept === undefined) throw refused([nobodyKeeps(cluster)])
      const answer = await reached(cluster, kept).acquire(
        { domain: domainOf(cluster, broker), purpose: purpose.slice(0, MAX_PURPOSE) },
        signal,
      )
      if (answer.granted) return answer.lease
      throw refused([answer.obstacle === undefined ? answer.reason : obstacleText(answer.obstacle)])
    },
    refusals(cluster, broker) {
      const kept = leases(cluster)
      if (kept === undefined) return [nobodyKeeps(cluster)]
      const interlock = kept.interlock()
      if (interlock === undefined) return [awayText(cluster, kept)]
      const obstacle = interlock.obstacle(domainOf(cluster, broker))
      return obstacle === undefined ? [] : [obstacleText(obstacle)]
    },
  }
}

/** As the journal takes it. */
const MAX_PURPOSE = 500

function reached(cluster: string, kept: KeptLeases): Interlock {
  const interlock = kept.interlock()
  if (interlock === undefined) throw new AjnaError(HEALING_AWAY, awayText(cluster, kept))
  return interlock
}

const awayText = (cluster: string, { keptAt }: KeptLeases): string =>
  `leases of ${cluster} are kept on ${keptAt}, which cannot be reached just now`

const nobodyKeeps = (cluster: string): string =>
  `nobody keeps leases of ${cluster}: no cluster is declared to have both ${INTERLOCK_TOPIC} and ${INCIDENTS_TOPIC}`

/** Who holds it, for what, since when and until when. */
export const obstacleText = ({ lease, endsAt }: Obstacle): string =>
  `${describeLease(lease)} (since ${timeText(lease.since)}, and until ${timeText(endsAt)} unless renewed)`

/** `12:34:56 UTC`; a lease is a matter of minutes. */
const timeText = (at: number): string => `${new Date(at).toISOString().slice(11, 19)} UTC`

function refused(reasons: readonly string[]): AjnaError {
  return new AjnaError(ACT_REFUSED, reasons.join('; '), { details: { reasons } })
}
