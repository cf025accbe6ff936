import { readConfig } from '../../foundation/config/config.ts'
import { checkSpec } from './check.ts'
import { type FleetSpec, fleetSchema } from './schema.ts'

/**
 * Reads a fleet's declaration (`ajna.yaml`).
 *
 * @param file its path as the user gave it
 * @throws AjnaError CONFIG_INVALID with every problem found, each with its line, what was found and what is allowed
 */
export function readSpec(text: string, file: string): FleetSpec {
  return readConfig(fleetSchema, text, file, checkSpec)
}
