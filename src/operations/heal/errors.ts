import { errorKind } from '../../foundation/errors/errors.ts'

export const HEAL_ACT_FAILED = errorKind(
  'HEAL_ACT_FAILED',
  'An act of the healer did not come to its end.',
  'The incident says which and why; the cluster goes on with its own means, slower. `ajna incident show` has the timeline.',
)
