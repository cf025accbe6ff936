import type { ResolvedShip } from '../../operations/fleet/contract.ts'
import type { FleetFile } from '../fleet-file.ts'

/**
 * The site this machine is a host of: the first that ships anything, else that of its first cluster; a host ships to one
 * site's cluster only.
 */
export function shippingSite({ fleet }: FleetFile): {
  readonly site: string
  readonly cluster: string
  readonly ships: readonly ResolvedShip[]
} {
  const [first] = fleet.ships
  const home = fleet.clusters[0]!
  const { site, cluster } = first ?? { site: home.site, cluster: home.name }
  return { site, cluster, ships: fleet.ships.filter(ship => ship.site === site) }
}
