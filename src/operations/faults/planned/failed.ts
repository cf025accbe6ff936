import { AjnaError, isAjnaError } from '../../../foundation/errors/errors.ts'
import { TEST_OPERATION_FAILED } from '../errors.ts'

/**
 * How an operation ended. `taken-back`: a broker did not come up with it and has what it had before; the others were not touched.
 * `refused`: nothing was done. `skipped`: one before it did not end as it was to.
 */
export const operationStates = ['done', 'taken-back', 'refused', 'failed', 'skipped'] as const
export type OperationState = (typeof operationStates)[number]

export const failed = (
  reason: string,
  state: Exclude<OperationState, 'done' | 'skipped'> = 'failed',
): AjnaError => new AjnaError(TEST_OPERATION_FAILED, reason, { details: { state } })

/** @param failure undefined: there was none */
export function stateOf(failure: unknown): OperationState {
  if (failure === undefined) return 'done'
  const state = isAjnaError(failure, TEST_OPERATION_FAILED) ? failure.details['state'] : undefined
  return operationStates.find(each => each === state) ?? 'failed'
}
