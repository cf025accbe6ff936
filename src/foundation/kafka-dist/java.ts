import { createHash } from 'node:crypto'
import { access, constants, readFile, realpath, stat } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { AjnaError } from '../errors/errors.ts'
import { JAVA_MISSING, JAVA_TOO_OLD } from './errors.ts'

export interface Java {
  /** Path of the `java` program. */
  readonly path: string
  /** As its `release` file says, e.g. `17.0.15`. */
  readonly version: string
  /** Changes whenever the runtime does: a CDS archive serves exactly the runtime that made it. */
  readonly fingerprint: string
}

/** First program of that name on PATH, or undefined. */
export async function findProgram(
  name: string,
  path = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter(Boolean)) {
    const candidate = join(folder, name)
    const runnable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runnable) return candidate
  }
  return undefined
}

/** @throws AjnaError JAVA_MISSING, JAVA_TOO_OLD */
export async function findJava(minimum: number, env: NodeJS.ProcessEnv = process.env): Promise<Java> {
  const home = env['JAVA_HOME']
  const found = home ? join(home, 'bin', 'java') : await findProgram('java', env['PATH'])
  if (found === undefined) throw new AjnaError(JAVA_MISSING, 'no java on PATH and JAVA_HOME is not set')
  const real = await realpath(found).catch((cause: unknown) => {
    throw new AjnaError(JAVA_MISSING, `there is no ${found} (JAVA_HOME says there should be)`, { cause })
  })
  const runtime = dirname(dirname(real))
  const release = await readFile(join(runtime, 'release'), 'utf8').catch((cause: unknown) => {
    throw new AjnaError(
      JAVA_MISSING,
      `${real} is not part of a Java runtime Ajna can use: no ${runtime}/release`,
      { cause },
    )
  })
  const version = /^JAVA_VERSION="([^"]+)"/m.exec(release)?.[1] ?? '0'
  if (javaMajor(version) < minimum)
    throw new AjnaError(JAVA_TOO_OLD, `${real} is Java ${version}; Java ${minimum} or newer is needed`)
  const library = await stat(join(runtime, 'lib', 'server', 'libjvm.so'), { bigint: true }).catch(
    () => undefined,
  )
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([real, release, String(library?.size), String(library?.mtimeNs)]))
    .digest('hex')
    .slice(0, 12)
  return { path: real, version, fingerprint }
}

/** `17.0.15` → 17, `1.8.0_402` → 8. */
export function javaMajor(version: string): number {
  const [first = 0, second = 0] = version.split(/[._-]/).map(Number)
  return first === 1 ? second : first
}
