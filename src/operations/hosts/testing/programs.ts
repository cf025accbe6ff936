import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** A random source that a seed makes repeatable (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Programs that write logs and have them rotated, each in its own way, and remember to the byte what they wrote: one
 * entry a generation of a file, which is what the agent must ship as one stream.
 */
export interface Programs {
  /** One program does one thing. */
  step(): void
  /** Completes every open line. */
  finish(): void
  /** Contents of all generations, by their first line (unique). */
  expected(): Map<string, Buffer>
  readonly globs: readonly string[]
}

interface Program {
  readonly path: string
  readonly rotate: (program: Program) => void
  generation: number
  written: Buffer[]
}

export interface ProgramsOptions {
  readonly directory: string
  readonly random: () => number
  /** Whether everything of the file with this inode is shipped: it may be deleted without loss. */
  readonly isShipped: (inode: string, bytes: number) => boolean
}

export function createPrograms({ directory, random, isShipped }: ProgramsOptions): Programs {
  const generations: Buffer[][] = []
  const below = (limit: number): number => Math.floor(random() * limit)
  let lines = 0

  function begin(program: Program): void {
    program.generation++
    program.written = []
    generations.push(program.written)
    write(program, Buffer.from(`${program.path} generation ${program.generation}\n`))
  }

  function write(program: Program, bytes: Buffer): void {
    appendFileSync(program.path, bytes)
    program.written.push(bytes)
  }

  const time = (): string => new Date(1_795_000_000_000 + lines++ * 37).toISOString()

  function someBytes(): Buffer {
    const kind = below(100)
    if (kind < 1) return Buffer.from(`${time()} ${'long '.repeat(210_000 + below(200_000))}\n`)
    if (kind < 4) return Buffer.from(`\n\n${time()} after empty lines\r\n`)
    if (kind < 8) return Buffer.from([0xff, 0xfe, 0, 0x80, below(256), 0, 13, 10])
    if (kind < 16) return Buffer.from(`${time()} the beginning of a line`)
    if (kind < 20) return Buffer.from('\n')
    const count = 1 + below(60)
    return Buffer.from(Array.from({ length: count }, () => `${time()} line ${lines} of a program\n`).join(''))
  }

  const numbered = (path: string): string => {
    for (let n = 1; ; n++)
      if (!existsSync(`${path}.${n}`) && !existsSync(`${path}.${n}.gz`)) return `${path}.${n}`
  }

  function byRename(program: Program): void {
    const rotated = numbered(program.path)
    renameSync(program.path, rotated)
    // A program keeps writing to the file it has open until it is told to open the new one.
    const late = Buffer.from(`${time()} written after the rename\n`)
    appendFileSync(rotated, late)
    program.written.push(late)
    begin(program)
  }

  function byCopyAndTruncate(program: Program): void {
    copyFileSync(program.path, numbered(program.path))
    truncateSync(program.path)
    begin(program)
  }

  function byRenameAndCompression(program: Program): void {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name)
      if (path.startsWith(`${program.path}.`) && !path.endsWith('.gz') && random() < 0.5) compressFile(path)
    }
    renameSync(program.path, numbered(program.path))
    begin(program)
  }

  function compressFile(path: string): void {
    const { atime, mtime } = statSync(path)
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
    utimesSync(`${path}.gz`, atime, mtime)
    unlinkSync(path)
  }

  /** Deleted once shipped; the next file may well get its inode number. */
  function byDeletion(program: Program): void {
    const { ino, size } = statSync(program.path, { bigint: true })
    if (!isShipped(ino.toString(), Number(size))) return
    unlinkSync(program.path)
    begin(program)
  }

  const kinds: readonly (readonly [string, (program: Program) => void])[] = [
    ['rename', byRename],
    ['renamed-in-glob', byRename],
    ['copytruncate', byCopyAndTruncate],
    ['copytruncate-in-glob', byCopyAndTruncate],
    ['compressed', byRenameAndCompression],
    ['deleted', byDeletion],
  ]
  const programs = kinds.map(([name, rotate]): Program => {
    const program = { path: join(directory, `${name}.log`), rotate, generation: 0, written: [] }
    begin(program)
    return program
  })

  return {
    step() {
      const program = programs[below(programs.length)]!
      if (random() < 0.06) program.rotate(program)
      else write(program, someBytes())
    },
    finish() {
      for (const program of programs) write(program, Buffer.from(`\n${time()} the end\n`))
    },
    expected() {
      const contents = new Map<string, Buffer>()
      for (const written of generations) {
        const bytes = Buffer.concat(written)
        contents.set(bytes.toString('latin1', 0, bytes.indexOf(10)), bytes)
      }
      return contents
    },
    globs: [
      join(directory, '*.log'),
      join(directory, 'renamed-in-glob.log*'),
      join(directory, 'copytruncate-in-glob.log*'),
    ],
  }
}
