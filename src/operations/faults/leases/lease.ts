import { AjnaError } from '../../../foundation/errors/errors.ts'
import { identify } from '../../../foundation/process/identity.ts'
import { FAULT_LEASE_OVER } from '../errors.ts'
import {
  type EndedFault,
  type LeasedFault,
  newFaultId,
  readActive,
  type WayBack,
  writeActive,
} from './record.ts'
import { revert, withFaultLock } from './revert.ts'
import { startWatchdog } from './watchdog.ts'

export interface LeaseTask {
  /** Directory of the faults of one state directory. */
  readonly folder: string
  readonly kind: LeasedFault['kind']
  readonly cluster: string
  readonly node: number | null
  readonly purpose: string
  /** After so long it is undone whatever becomes of this process. */
  readonly leaseMs: number
  readonly back: WayBack
}

export interface FaultLease {
  readonly record: LeasedFault
  /**
   * Does an act of the fault, while it is still this process's to do. An act during which the time ran out is undone.
   *
   * @throws AjnaError FAULT_LEASE_OVER
   */
  act<T>(work: () => Promise<T>): Promise<T>
  /** Undefined: it had been undone by another. */
  revert(why: string): Promise<EndedFault | undefined>
}

/**
 * Writes down how a fault is undone and has that watched; nothing is done yet. From here on it is undone by itself: when
 * its time is over, or this process gone.
 *
 * @throws AjnaError FAULT_UNWATCHED
 */
export async function leaseFault(task: LeaseTask): Promise<FaultLease> {
  const { folder, kind, cluster, node, purpose, leaseMs, back } = task
  const since = Date.now()
  const record: LeasedFault = {
    id: newFaultId(kind),
    kind,
    cluster,
    node,
    purpose,
    controller: (await identify(process.pid))!,
    since,
    until: since + Math.ceil(leaseMs),
    back,
  }
  await writeActive(folder, record)
  const lease = leaseOf(folder, record)
  try {
    await startWatchdog(folder, record.id)
  } catch (error) {
    await lease.revert('nobody watched it')
    throw error
  }
  return lease
}

function leaseOf(folder: string, record: LeasedFault): FaultLease {
  const { id } = record
  const over = (): AjnaError => new AjnaError(FAULT_LEASE_OVER, `fault ${id} is over`, { details: { id } })
  const held = async (): Promise<boolean> =>
    Date.now() < record.until && (await readActive(folder, id)) !== undefined
  return {
    record,
    async act(work) {
      const done = await withFaultLock(folder, id, async () => {
        if (!(await held())) throw over()
        return work()
      })
      if (await held()) return done
      // Frozen in the middle, it may have acted after the fault was undone: then it is undone once more.
      await writeActive(folder, record)
      await revert(folder, id, 'controller', 'an act came too late')
      throw over()
    },
    revert: why => revert(folder, id, 'controller', why),
  }
}
