/** Runs one query at a time for confined.ts, and ends itself when one takes more memory or time than it may. */
import { writeFileSync } from 'node:fs'
import { AjnaError, describeError, type ErrorKind } from '../errors/errors.ts'
import type { ConfinedOptions, ConfinedQuery, ProcessAnswer, ProcessRequest } from './confined.ts'
import { SqlFailed, SqlTimeout, SqlTooLarge } from './errors.ts'
import { checkSelect, select } from './select.ts'
import { openTables } from './tables.ts'

const watchMs = 20
/** An interrupted query normally stops within milliseconds; one inside a single long call does not. */
const interruptGraceMs = 1_000

const settings = JSON.parse(process.argv[2] ?? '{}') as ConfinedOptions
const tables = await openTables(settings)
let canceller = new AbortController()
let resume = (): void => {}

try {
  writeFileSync('/proc/self/oom_score_adj', '1000') // where the kernel must choose, it shall choose this process
} catch {
  // Not Linux, or not permitted: the watch below is what bounds the process.
}
setInterval(() => {
  if (process.memoryUsage.rss() > settings.residentBytes)
    end(SqlTooLarge, 'the query needed more memory than it may have')
}, watchMs)
process.on('disconnect', () => process.exit(0))
process.on('message', (request: ProcessRequest) => {
  if (request.kind === 'next') resume()
  else if (request.kind === 'cancel') {
    canceller.abort(new AjnaError(SqlFailed, 'cancelled'))
    resume()
  } else if (request.kind === 'check') void settle(check(request.sql, request.tables))
  else void settle(run(request.query))
})
answer({ kind: 'ready' })

function answer(message: ProcessAnswer): void {
  process.send?.(message)
}

/** SIGKILL: an orderly exit would wait for the very thread that does not stop. */
function end(kind: ErrorKind, message: string): void {
  const kill = (): boolean => process.kill(process.pid, 'SIGKILL')
  process.send?.(
    { kind: 'ending', error: new AjnaError(kind, message).toJSON() } satisfies ProcessAnswer,
    kill,
  )
}

async function settle(work: Promise<ProcessAnswer>): Promise<void> {
  try {
    answer(await work)
  } catch (error) {
    const known = error instanceof AjnaError ? error : new AjnaError(SqlFailed, describeError(error))
    answer({ kind: 'failed', error: known.toJSON() })
  }
}

async function check(sql: string, names: readonly string[]): Promise<ProcessAnswer> {
  const connection = await tables.connect()
  try {
    return { kind: 'checked', statement: await checkSelect(connection, sql, new Set(names)) }
  } finally {
    connection.closeSync()
  }
}

async function run({ sql, views, limits }: ConfinedQuery): Promise<ProcessAnswer> {
  canceller = new AbortController()
  const { signal } = canceller
  const tooLong = (): void => end(SqlTimeout, `the query did not end within ${limits.timeoutMs} ms`)
  let overstay = setTimeout(tooLong, limits.timeoutMs + interruptGraceMs)
  signal.addEventListener('abort', () => {
    clearTimeout(overstay)
    overstay = setTimeout(tooLong, interruptGraceMs)
  })
  const connection = await tables.connect()
  try {
    for (const [name, definition] of Object.entries(views))
      await connection.run(`CREATE TEMP VIEW ${name} AS ${definition}`)
    await checkSelect(connection, sql, new Set(Object.keys(views)))
    for await (const part of select(connection, sql, limits, signal)) {
      const wanted = Promise.withResolvers<void>()
      resume = wanted.resolve
      answer({ kind: 'part', part })
      await wanted.promise
    }
  } finally {
    clearTimeout(overstay)
    connection.closeSync()
  }
  return { kind: 'done' }
}
