/** The wall clock of a process that can be set wrong while it runs: clock.c is preloaded into it, and reads a file. */
import { open, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AjnaError, describeError } from '../../../foundation/errors/errors.ts'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { FAULT_CLOCK_UNAVAILABLE } from '../errors.ts'
import { buildNative, hasCompiler } from '../native.ts'

const SOURCES = fileURLToPath(new URL('./shim', import.meta.url))
const FLAGS = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-shared', '-fPIC']
const NS = 1_000_000n

/** Why no clock can be set wrong on this machine; undefined: it can. */
export const whyNoClocks = async (): Promise<string | undefined> =>
  (await hasCompiler()) ? undefined : 'gcc is absent'

/** Path of what is preloaded. @throws AjnaError FAULT_CLOCK_UNAVAILABLE */
export async function buildClock(cache: string): Promise<string> {
  const why = await whyNoClocks()
  if (why !== undefined) throw new AjnaError(FAULT_CLOCK_UNAVAILABLE, why)
  try {
    return await buildNative({ name: 'clock', sources: SOURCES, flags: FLAGS, libraries: ['-ldl'], cache })
  } catch (cause) {
    throw new AjnaError(FAULT_CLOCK_UNAVAILABLE, describeError(cause), { cause })
  }
}

/** What a process needs in its environment to have the clock that the file says. */
export const clockEnvironment = (preloaded: string, file: string): Readonly<Record<string, string>> => ({
  LD_PRELOAD: preloaded,
  AJNA_CLOCK: file,
})

/** A clock that is right. */
export const newClock = (file: string): Promise<void> => writeWhole(file, '\0'.repeat(8))

/** In place: it is mapped. Positive: it is ahead. @throws if there is none */
export async function setClock(file: string, wrongByMs: number): Promise<void> {
  await using clock = await open(file, 'r+')
  await clock.write(bytesOf(wrongByMs), 0, 8, 0)
}

/** May be done twice. Answers what was done, for people. */
export async function rightClock(file: string): Promise<string> {
  if ((await stat(file).catch(() => undefined)) === undefined) return `nothing is left of ${file}`
  await setClock(file, 0)
  return `the clock of ${file} is right`
}

function bytesOf(ms: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(Math.round(ms)) * NS)
  return bytes
}
