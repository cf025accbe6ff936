import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

export const logLimitBytes = 8 * 1024 * 1024
/** Older files beside the one being written. */
const kept = 2

export interface LogFile {
  write(line: string): void
}

/**
 * A log file that is bounded on disk ({@link logLimitBytes}, and two older ones beside it, `.1` and `.2`) and never ends the
 * program: lines that the disk does not take are counted, and said once it takes lines again. Several processes may write
 * the same file. Nothing is created before the first line.
 */
export function logFile(path: string, limit = logLimitBytes): LogFile {
  let file: number | undefined
  let size = 0
  let torn = false
  let dropped = 0
  let why = ''

  function open(): number {
    mkdirSync(dirname(path), { recursive: true })
    const opened = openSync(path, 'a')
    size = fstatSync(opened).size
    return opened
  }

  function rotate(current: number): number {
    // Unless another process has done it already.
    const known = statSync(path, { throwIfNoEntry: false })
    if (known?.ino === fstatSync(current).ino) {
      rmSync(`${path}.${kept}`, { force: true })
      for (let age = kept; age > 1; age--) renameIfThere(`${path}.${age - 1}`, `${path}.${age}`)
      renameSync(path, `${path}.1`)
    }
    closeSync(current)
    file = undefined
    return open()
  }

  /** @throws what the disk says; what was written of the text by then is a torn line */
  function append(text: string): void {
    file ??= open()
    if (size >= limit) file = rotate(file)
    const bytes = Buffer.from(torn ? `\n${text}` : text)
    for (let written = 0; written < bytes.length; ) {
      const taken = writeSync(file, bytes, written)
      written += taken
      size += taken
      torn = bytes[written - 1] !== 10
    }
  }

  return {
    write(line) {
      try {
        if (dropped > 0) append(droppedLine(dropped, why))
        dropped = 0
        append(line)
      } catch (error) {
        dropped++
        why = error instanceof Error ? error.message : String(error)
      }
    },
  }
}

function droppedLine(lines: number, why: string): string {
  const time = new Date().toISOString()
  return `${JSON.stringify({ level: 'warn', time, pid: process.pid, lines, why, msg: 'log lines could not be written' })}\n`
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
