import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SweptFolder extends AsyncDisposable {
  readonly path: string
}

/**
 * Kills what has the folder's path in its command line, until nothing has, then unmounts what is mounted in the folder and
 * deletes it. It begins when its standard input ends, which is when the test process closes it or dies, however it dies.
 */
const sweep = `
cat >/dev/null
while :; do
  found=
  for process in /proc/[0-9]*; do
    pid=\${process#/proc/}
    [ "$pid" = $$ ] && continue
    if grep -qsF -- "$1" "$process/cmdline"; then
      [ "$(sed -n 's/^State:[[:space:]]*//p' "$process/status" 2>/dev/null | cut -c1)" = Z ] && continue
      found=yes
      kill -9 "$pid" 2>/dev/null
    fi
  done
  [ -z "$found" ] && break
  sleep 0.05
done
while read -r device at rest; do
  case "$at" in "$1"/*) umount -l "$at" ;; esac
done </proc/mounts
rm -rf -- "$1"
`

/** A temporary directory that disappears with this process, together with every process started from files in it. */
export async function sweptFolder(prefix: string): Promise<SweptFolder> {
  const path = await mkdtemp(join(tmpdir(), prefix))
  const sweeper = spawn('sh', ['-c', sweep, 'sweeper', path], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  })
  await once(sweeper, 'spawn')
  const ended = once(sweeper, 'exit')
  sweeper.unref()
  ;(sweeper.stdin as unknown as { unref?: () => void }).unref?.()
  return {
    path,
    async [Symbol.asyncDispose]() {
      sweeper.ref()
      sweeper.stdin.end()
      await ended
    },
  }
}
