/** The rules of healing as the fleet has them, for a simulation of them. */
import { randomOf } from '../operations/faults/random.ts'
import { decide as keep } from '../operations/fleet/interlock/decide.ts'
import { interlockMachine } from '../operations/fleet/interlock/machine.ts'
import { decide } from '../operations/heal/decide.ts'
import { diagnose } from '../operations/heal/diagnose.ts'
import { secondRack } from '../operations/heal/in-the-way.ts'
import { incidentsMachine } from '../operations/heal/machine.ts'
import type { SimulationOptions } from '../operations/heal/simulate/contract.ts'
import { isSuspect } from '../operations/heal/suspects.ts'
import { obeys } from '../operations/hosts/contract.ts'

export const simulatedRules: Pick<SimulationOptions, 'rules' | 'randomOf'> = {
  randomOf,
  rules: {
    isSuspect,
    diagnose,
    decide,
    incidents: incidentsMachine,
    interlock: interlockMachine,
    keep,
    obeys,
    secondRack,
  },
}
