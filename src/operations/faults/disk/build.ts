import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { DISK_FAULTS_UNAVAILABLE } from '../errors.ts'

const SOURCES = fileURLToPath(new URL('./fs', import.meta.url))
const COMPILER = 'gcc'
const HEADER = '/usr/include/fuse3/fuse.h'
const DEVICE = '/dev/fuse'
const FLAGS = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-D_FILE_OFFSET_BITS=64', '-I/usr/include/fuse3']
const LIBRARIES = ['-lfuse3', '-lpthread']
const COMPILE_MS = 60_000

const run = promisify(execFile)

/** Why no disk can be made to fail on this machine; undefined: it can. */
export async function whyUnavailable(): Promise<string | undefined> {
  const absent = async (path: string): Promise<boolean> =>
    (await access(path).catch((error: unknown) => error)) !== undefined
  if (await absent(DEVICE)) return `${DEVICE} is absent`
  if (process.getuid?.() !== 0) return 'only root may mount'
  if (await absent(HEADER)) return `${HEADER} is absent`
  const compiler = await run(COMPILER, ['--version']).catch(() => undefined)
  return compiler === undefined ? `${COMPILER} is absent` : undefined
}

/**
 * The program of a disk that fails on request, built from its sources unless the cache has it.
 *
 * @param cache directory
 * @throws AjnaError DISK_FAULTS_UNAVAILABLE
 */
export async function buildDisk(cache: string): Promise<string> {
  const why = await whyUnavailable()
  if (why !== undefined) throw new AjnaError(DISK_FAULTS_UNAVAILABLE, why)
  const names = (await readdir(SOURCES)).sort()
  const hash = createHash('sha256').update(FLAGS.join())
  for (const name of names) hash.update(name).update(await readFile(join(SOURCES, name)))
  const program = join(cache, `faulty-disk-${hash.digest('hex').slice(0, 16)}`)
  if (
    await access(program).then(
      () => true,
      () => false,
    )
  )
    return program
  await mkdir(cache, { recursive: true })
  // Of its own name: several may build it at once.
  const making = `${program}.${process.pid}.new`
  const sources = names.filter(name => name.endsWith('.c')).map(name => join(SOURCES, name))
  try {
    await run(COMPILER, [...FLAGS, '-o', making, ...sources, ...LIBRARIES], { timeout: COMPILE_MS })
    await rename(making, program)
  } catch (cause) {
    await rm(making, { force: true })
    throw new AjnaError(DISK_FAULTS_UNAVAILABLE, 'the file system cannot be built', { cause })
  }
  return program
}
