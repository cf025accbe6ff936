import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { DISK_FAULTS_UNAVAILABLE } from '../errors.ts'
import { buildNative, hasCompiler } from '../native.ts'

const SOURCES = fileURLToPath(new URL('./fs', import.meta.url))
const HEADER = '/usr/include/fuse3/fuse.h'
const DEVICE = '/dev/fuse'
const FLAGS = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-D_FILE_OFFSET_BITS=64', '-I/usr/include/fuse3']
const LIBRARIES = ['-lfuse3', '-lpthread']

/** Why no disk can be made to fail on this machine; undefined: it can. */
export async function whyUnavailable(): Promise<string | undefined> {
  const absent = async (path: string): Promise<boolean> =>
    (await access(path).catch((error: unknown) => error)) !== undefined
  if (await absent(DEVICE)) return `${DEVICE} is absent`
  if (process.getuid?.() !== 0) return 'only root may mount'
  if (await absent(HEADER)) return `${HEADER} is absent`
  return (await hasCompiler()) ? undefined : 'gcc is absent'
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
  try {
    return await buildNative({
      name: 'faulty-disk',
      sources: SOURCES,
      flags: FLAGS,
      libraries: LIBRARIES,
      cache,
    })
  } catch (cause) {
    throw new AjnaError(DISK_FAULTS_UNAVAILABLE, 'the file system cannot be built', { cause })
  }
}
