import { errorKind } from '../../../foundation/errors/errors.ts'

export const KEEP_CHANGED = errorKind(
  'KEEP_CHANGED',
  'What a link keeps in step cannot be noted: somebody else has noted something meanwhile, or its sides are switched.',
  'Nothing was done that is not noted. The next round looks anew; a command is given again.',
)
