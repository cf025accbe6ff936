import { errorKind } from '../../foundation/errors/errors.ts'

export const UP_RUNNING = errorKind(
  'UP_RUNNING',
  'The fleet of this state directory is already up.',
  'See `./ajna status`; stop it with `./ajna down` (or Ctrl-C where it runs) before starting it again.',
)
export const UP_NOT_RUNNING = errorKind(
  'UP_NOT_RUNNING',
  'No fleet runs from this state directory.',
  'Start it with `./ajna up`, or name another state directory with AJNA_HOME.',
)
export const UP_DISK_FULL = errorKind(
  'UP_DISK_FULL',
  'There is too little free disk space to start a fleet.',
  'Free some space, or put the state directory on another volume with AJNA_HOME.',
)
export const UP_ROLE_FAILED = errorKind(
  'UP_ROLE_FAILED',
  'A role does not stay up, or does not do its work.',
  'Read logs/<role>.log and logs/<role>.console in the state directory; `./ajna up` may be typed again at once.',
)
export const RESET_REFUSED = errorKind(
  'RESET_REFUSED',
  'The state of a fleet is not deleted without a clear yes.',
  'Type the fleet’s name when asked, or give --yes.',
  3,
)
