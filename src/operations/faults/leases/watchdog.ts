import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { FAULT_UNWATCHED } from '../errors.ts'

const SCRIPT = fileURLToPath(new URL(`./watchdog-process${extname(import.meta.url)}`, import.meta.url))
const START_MS = 30_000

/**
 * Starts the process that undoes a recorded fault when its controller is gone or its time is over. It watches once this
 * resolves, is in a session of its own, and ends when the fault's record is gone.
 *
 * @throws AjnaError FAULT_UNWATCHED
 */
export async function startWatchdog(folder: string, id: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await using log = await open(join(folder, 'watchdog.log'), 'a')
  const child = spawn(process.execPath, [SCRIPT, folder, id], {
    cwd: '/',
    // It is not the process that its starter's pid file names.
    env: { ...process.env, AJNA_PROCESS: undefined },
    stdio: ['ignore', 'pipe', log.fd],
    detached: true,
  })
  const deadline = AbortSignal.timeout(START_MS)
  try {
    await Promise.race([
      once(child.stdout!, 'data', { signal: deadline }),
      once(child, 'exit', { signal: deadline }).then(([code]) => {
        throw new Error(`it ended with ${code}`)
      }),
    ])
  } catch (cause) {
    child.kill('SIGKILL')
    throw new AjnaError(FAULT_UNWATCHED, `nobody watches fault ${id}`, { cause })
  } finally {
    child.stdout!.destroy()
    child.unref()
  }
}
