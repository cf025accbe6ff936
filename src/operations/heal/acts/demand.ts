import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Lease } from '../../fleet/interlock/contract.ts'
import { HEAL_ACT_FAILED } from '../errors.ts'

/** Before each step of an act. @throws AjnaError HEAL_ACT_FAILED */
export function demand(lease: Pick<Lease, 'holds'>): void {
  if (!lease.holds()) throw new AjnaError(HEAL_ACT_FAILED, 'the lease has ended')
}
