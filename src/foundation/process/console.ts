import { copyFile, open, rename, rm, stat, truncate } from 'node:fs/promises'

export const consoleLimitBytes = 4 * 1024 * 1024
const kept = 2

/**
 * Keeps a console file within {@link consoleLimitBytes}, and two older ones beside it. The program that writes it holds
 * it open (in append mode), so it is copied and truncated; what is written between the two is lost, which a console
 * (last words and stack traces; programs log to files of their own) can bear.
 */
export async function rotateConsole(file: string, limit = consoleLimitBytes): Promise<boolean> {
  const size = await stat(file).then(
    found => found.size,
    () => 0,
  )
  if (size < limit) return false
  for (let age = kept; age > 1; age--)
    await rename(`${file}.${age - 1}`, `${file}.${age}`).catch(ignoreAbsent)
  await rm(`${file}.1`, { force: true })
  await copyFile(file, `${file}.1`)
  await truncate(file, 0)
  return true
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

const tailBytes = 16_384

/** The last lines of a console file, at most 20; none when there is no file. */
export async function lastConsoleLines(file: string, count = 20): Promise<readonly string[]> {
  const handle = await open(file).catch(ignoreAbsent)
  if (handle === undefined) return []
  await using console = handle
  const { size } = await console.stat()
  const from = Math.max(0, size - tailBytes)
  const { buffer, bytesRead } = await console.read(Buffer.alloc(size - from), 0, size - from, from)
  return buffer
    .toString('utf8', 0, bytesRead)
    .split('\n')
    .filter(line => line.trim() !== '')
    .slice(-count)
}
