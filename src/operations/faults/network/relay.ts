/** A relay as a process of its own, which outlives whoever asked for it: its fault's way back ends it. */

import { extname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { readIfThere } from '../../../foundation/files/whole.ts'
import { adopt, start } from '../../../foundation/process/run.ts'
import { FAULT_NETWORK_UNAVAILABLE } from '../errors.ts'
import { RELAY_GID, type Relayed } from './rules.ts'

/** Where it is found again. JSON-safe. */
export interface RelayPlace {
  readonly runDir: string
  readonly name: string
}

/** What its process is told. */
export interface RelayTask {
  readonly routes: readonly Pick<Relayed, 'port' | 'upMs' | 'downMs'>[]
  readonly jitterMs: number
  readonly seed: number
  /** The file that it writes its ports to, in the routes' order. */
  readonly told: string
}

const PROGRAM = fileURLToPath(new URL(`./relay-process${extname(import.meta.url)}`, import.meta.url))
const READY_MS = 30_000
const LOOK_EVERY_MS = 20

/** Answers its ports, in the routes' order. @throws AjnaError FAULT_NETWORK_UNAVAILABLE, PROCESS_NOT_STARTED */
export async function startRelay(
  { runDir, name }: RelayPlace,
  task: Omit<RelayTask, 'told'>,
): Promise<readonly number[]> {
  const told = join(runDir, `${name}.ports`)
  const args = [process.execPath, PROGRAM, JSON.stringify({ ...task, told })]
  const running = await start({
    name,
    command: 'setpriv',
    // What it opens itself must not be led through it again.
    args: ['--regid', String(RELAY_GID), '--clear-groups', ...args],
    runDir,
    consoleFile: join(runDir, `${name}.log`),
  })
  const until = performance.now() + READY_MS
  for (;;) {
    const text = await readIfThere(told)
    if (text !== undefined) return JSON.parse(text) as number[]
    const ended = await Promise.race([running.exited, delay(LOOK_EVERY_MS)])
    if (ended !== undefined || performance.now() > until)
      throw new AjnaError(FAULT_NETWORK_UNAVAILABLE, `the relay of a delay did not start: see ${name}.log`)
  }
}

/** May be done twice. Answers what was undone, for people. */
export async function endRelay({ runDir, name }: RelayPlace): Promise<string> {
  const running = await adopt(runDir, name)
  if (running === undefined) return `${name} had ended`
  await running.stop({ signal: 'SIGKILL' })
  return `ended ${name}`
}
