import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
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
  let dropped = 0
  let why = ''

  function open(): number {
    mkdirSync(dirname(path), { recursive: true })
    const opened = openSync(path, 'a+')
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

  /** @throws what the disk says; nothing of the text is left in the file then */
  function append(text: string): void {
    file ??= open()
    if (size >= limit) file = rotate(file)
    const bytes = Buffer.from(text)
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(file, bytes, written)
      size += written
    } catch (error) {
      if (written > 0) takeBack(file, bytes.subarray(0, written))
      throw error
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

/** Cuts off a line that was only written in part, unless another process has written behind it. */
function takeBack(file: number, part: Buffer): void {
  const start = fstatSync(file).size - part.length
  const found = Buffer.alloc(part.length)
  readSync(file, found, 0, part.length, start)
  if (found.equals(part)) ftruncateSync(file, start)
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
