import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises'

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

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
