import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { FetchEvent, FetchOptions } from '../../../../foundation/wire/contract.ts'
import type { ClientConf } from '../client-conf.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'

export const fetchLimits = ({
  fetchBytes,
  fetchWaitMs,
  committedOnly,
}: ClientConf): Pick<FetchOptions, 'maxBytes' | 'maxPartitionBytes' | 'maxWaitMs' | 'isolation'> => ({
  maxBytes: fetchBytes,
  maxPartitionBytes: fetchBytes,
  maxWaitMs: fetchWaitMs,
  isolation: committedOnly ? 'read_committed' : 'read_uncommitted',
})

/** @throws AjnaError TROGDOR_WORK_FAILED when a partition's reading has ended for good */
export function mustGoOn(event: FetchEvent): void {
  switch (event.kind) {
    case 'batches':
    case 'caught-up':
    case 'served':
    case 'unserved':
      return
    case 'recreated':
      throw new AjnaError(TROGDOR_WORK_FAILED, `topic ${event.topic} was deleted and made anew`)
    case 'gone':
      throw new AjnaError(TROGDOR_WORK_FAILED, `${event.topic}-${event.partition} does not exist`)
    case 'out-of-range':
      throw new AjnaError(
        TROGDOR_WORK_FAILED,
        `${event.topic}-${event.partition} begins at ${event.logStartOffset}: ${event.position} cannot be read`,
      )
    case 'truncated':
      throw new AjnaError(
        TROGDOR_WORK_FAILED,
        `${event.topic}-${event.partition} was cut at ${event.endOffset}, below ${event.position}`,
      )
    case 'corrupt':
    case 'refused':
      throw new AjnaError(TROGDOR_WORK_FAILED, `${event.topic}-${event.partition} cannot be read`, {
        cause: event.error,
      })
    default:
      event satisfies never
  }
}
