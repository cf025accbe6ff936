import { errorKind } from '../errors/errors.ts'

export const LockUnavailable = errorKind(
  'LOCK_UNAVAILABLE',
  'A lock file could not be used.',
  'Check that the directory is writable and that the program flock (Debian: util-linux) is installed.',
)
