/** What faults need that only C can be: built once from its sources, kept by what they are. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const COMPILER = 'gcc'
const COMPILE_MS = 60_000

export interface NativeTask {
  /** What is built is called so in the cache. */
  readonly name: string
  /** Folder of its sources. */
  readonly sources: string
  readonly flags: readonly string[]
  readonly libraries: readonly string[]
  /** Directory. */
  readonly cache: string
}

export const hasCompiler = (): Promise<boolean> => done(run(COMPILER, ['--version']))

/** Path of what is built; several may build it at once. @throws what the compiler says */
export async function buildNative({ name, sources, flags, libraries, cache }: NativeTask): Promise<string> {
  const names = (await readdir(sources)).sort()
  const hash = createHash('sha256').update(flags.join())
  for (const each of names) hash.update(each).update(await readFile(join(sources, each)))
  const built = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (await done(access(built))) return built
  await mkdir(cache, { recursive: true })
  const making = `${built}.${process.pid}.new`
  const files = names.filter(each => each.endsWith('.c')).map(each => join(sources, each))
  try {
    await run(COMPILER, [...flags, '-o', making, ...files, ...libraries], { timeout: COMPILE_MS })
    await rename(making, built)
  } catch (error) {
    await rm(making, { force: true })
    throw error
  }
  return built
}

const done = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  )
