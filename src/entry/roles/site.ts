import { AjnaError, errorKind } from '../../foundation/errors/errors.ts'
import type { ResolvedShip } from '../../operations/fleet/contract.ts'
import type { FleetFile } from '../fleet-file.ts'

const SHIPS_NOTHING = errorKind(
  'SHIPS_NOTHING',
  'A role that ships was started in a fleet that declares nothing to ship.',
  'Declare `ship` in ajna.yaml, or leave the role to `ajna up`, which starts what the fleet needs.',
)

/** The site this machine is a host of: the first that ships anything; a host ships to one site's cluster only. */
export function shippingSite({ fleet }: FleetFile): {
  readonly site: string
  readonly cluster: string
  readonly ships: readonly ResolvedShip[]
} {
  const [first] = fleet.ships
  if (first === undefined) throw new AjnaError(SHIPS_NOTHING, `fleet ${fleet.name}`)
  const { site, cluster } = first
  return { site, cluster, ships: fleet.ships.filter(ship => ship.site === site) }
}
