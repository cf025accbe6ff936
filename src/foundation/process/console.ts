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

const headingMark = '--- started '
const tailBytes = 65_536

/** Stands in a console file before what each life of the program writes. */
export function consoleHeading(at: Date, argv: readonly string[]): string {
  return `${headingMark}${at.toISOString()} ${argv.join(' ')}\n`
}

/** The last lines that the latest life of a program left in its console file, at most `count`; empty ones are left out. */
export async function lastConsoleLines(file: string, count = 20): Promise<readonly string[]> {
  const lines = (await readTail(file, tailBytes)).split('\n')
  const heading = lines.findLastIndex(line => line.startsWith(headingMark))
  return lines
    .slice(heading + 1)
    .filter(line => line.trim() !== '')
    .slice(-count)
}

/** The end of a text file, at most so many bytes; empty when there is no file. May begin within a line. */
export async function readTail(file: string, bytes: number): Promise<string> {
  const opened = await open(file).catch(ignoreAbsent)
  if (opened === undefined) return ''
  await using handle = opened
  const { size } = await handle.stat()
  const from = Math.max(0, size - bytes)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from)
  return buffer.toString('utf8', 0, bytesRead)
}
