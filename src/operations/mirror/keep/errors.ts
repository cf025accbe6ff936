import { errorKind } from '../../../foundation/errors/errors.ts'

export const KEEP_STATE_INVALID = errorKind(
  'KEEP_STATE_INVALID',
  'What a link remembers of what it keeps in step cannot be read.',
  'Restore the file. Deleted, the link takes what it put at its target for somebody else’s, and leaves it alone from then on.',
)
