import { errorKind } from '../errors/errors.ts'

export const CONFIG_INVALID = errorKind(
  'CONFIG_INVALID',
  'A configuration file says something that is not allowed.',
  'Correct the lines named; each says what was found and what is allowed there.',
  2,
)
