/**
 * Looks at the disk of a directory, in a process of its own: a disk that hangs holds whoever touches it, and an agent has
 * only four threads for all its files.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { DiskCheck } from './decide.ts'

/** Kafka looks at directories only; this is a file. */
export const CHECK_FILE = '.ajna-disk-check'

/** Space first: a full disk takes nothing more. What was written is read from the disk, not from the page cache. */
const SCRIPT = `
stat -f -c '%a %b %S' "$1" && stat -c %d "$1" "$1/.." || exit 1
file=$1/${CHECK_FILE}
dd if=/dev/zero of="$file" bs=4096 count=1 conv=fsync status=none &&
dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0 status=none if=/dev/null &&
dd if="$file" of=/dev/null bs=4096 count=1 status=none
`
const MAX_SAID = 300

export interface RunningCheck {
  readonly at: number
  readonly ended: Promise<DiskCheck>
  /** It may not end by that: what waits for a disk in the kernel cannot always be killed. */
  kill(): void
}

export function beginCheck(directory: string): RunningCheck {
  const at = Date.now()
  const began = performance.now()
  const child = spawn('sh', ['-c', SCRIPT, 'disk-check', directory], {
    cwd: '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { at, ended: outcome(child, at, began), kill: () => void child.kill('SIGKILL') }
}

async function outcome(child: ChildProcess, at: number, began: number): Promise<DiskCheck> {
  try {
    const [said, wrong, [code]] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    if (code !== 0)
      return { kind: 'failed', at, says: wrong.trim().slice(0, MAX_SAID) || `it ended with ${code}` }
    const [available, blocks, size, device, parent] = said.trim().split(/\s+/).map(Number)
    const free = { freeBytes: available! * size!, totalBytes: blocks! * size! }
    return {
      kind: 'done',
      at,
      tookMs: Math.round(performance.now() - began),
      free,
      mounted: device !== parent,
    }
  } catch (error) {
    return { kind: 'failed', at, says: `it cannot be looked at: ${(error as Error).message}` }
  }
}
