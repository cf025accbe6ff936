import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import { readActive } from './record.ts'
import { revert, whyOver } from './revert.ts'

/** One fault's watchdog: `node watchdog-process.ts <folder> <fault>`. */

const LOOK_EVERY_MS = 100
const AGAIN_AFTER_MS = 1_000
const ATTEMPTS = 60

const [folder, id] = process.argv.slice(2) as [string, string]
// A terminal's or a supervisor's signal is not meant for it: it ends with the fault.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

/** Why it must be undone; undefined once it has been. */
async function watched(): Promise<string | undefined> {
  for (;;) {
    const fault = await readActive(folder, id)
    if (fault === undefined) return undefined
    const why = await whyOver(fault)
    if (why !== undefined) return why
    await delay(LOOK_EVERY_MS)
  }
}

const watching = watched()
// Nobody may be there to read it.
process.stdout.on('error', () => undefined)
process.stdout.write('watching\n')
const why = await watching
for (let attempt = 1; why !== undefined && attempt <= ATTEMPTS; attempt++) {
  try {
    await revert(folder, id, 'watchdog', why)
    break
  } catch (error) {
    process.stderr.write(`${new Date().toISOString()} ${id}: cannot be undone: ${describeError(error)}\n`)
    await delay(AGAIN_AFTER_MS)
  }
}
process.exit()
