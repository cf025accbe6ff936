import { errorKind } from '../errors/errors.ts'

export const LOCK_UNAVAILABLE = errorKind(
  'LOCK_UNAVAILABLE',
  'A lock file could not be used.',
  'Check that the directory is writable and that the program flock (Debian: util-linux) is installed.',
)
export const PROCESS_NOT_STARTED = errorKind(
  'PROCESS_NOT_STARTED',
  'A program could not be started at all.',
  'Check that the program named exists, may be executed, and that the process limit (ulimit -u) and memory allow one more.',
)
export const PROCESS_STUCK = errorKind(
  'PROCESS_STUCK',
  'A process did not end even after SIGKILL.',
  'It hangs in the kernel, usually on a broken disk or network mount: look at its state in /proc/<pid>/stack, repair the mount or restart the machine.',
)
