import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAjnaError } from '../errors/errors.ts'
import { type ConfinedQueries, confinedQueries } from './confined.ts'
import { SqlBusy, SqlCrashed, SqlForbidden, SqlInvalid, SqlTimeout, SqlTooLarge } from './errors.ts'
import type { Json } from './json.ts'
import type { SelectLimits } from './select.ts'

const megabyte = 1024 * 1024
const limits: SelectLimits = { timeoutMs: 20_000, maxRows: 100_000, maxBytes: 100 * megabyte }
const views = { logs: 'SELECT i AS n FROM range(10000) r(i)' }
let spill = ''
let queries: ConfinedQueries

before(async () => {
  spill = await mkdtemp(join(tmpdir(), 'ajna-confined-'))
  queries = confinedQueries({
    memoryBytes: 64 * megabyte,
    threads: 1,
    spill: { directory: spill, maxBytes: 8 * megabyte },
    residentBytes: 512 * megabyte,
    processes: 2,
    waiting: 2,
  })
})
after(async () => {
  queries.close()
  await rm(spill, { recursive: true })
})

const query = (
  sql: string,
  within: Partial<SelectLimits> = {},
  signal?: AbortSignal,
): Promise<(readonly Json[])[]> =>
  queries.withProcess(async process => {
    const rows: (readonly Json[])[] = []
    for await (const part of process.select({ sql, views, limits: { ...limits, ...within } }, signal))
      if (part.kind === 'rows') rows.push(...part.rows)
    return rows
  }, signal)
const fails =
  (kind: { code: string }) =>
  (error: unknown): boolean =>
    isAjnaError(error, kind.code)

test('answers, and tells errors apart as if the query had run here', async () => {
  assert.deepEqual(await query('SELECT sum(n) FROM logs'), [[49_995_000]])
  assert.equal((await query('SELECT n FROM logs')).length, 10_000)
  await assert.rejects(query('SELEC'), fails(SqlInvalid))
  await assert.rejects(query('DROP VIEW logs'), fails(SqlForbidden))
  await assert.rejects(query('SELECT n FROM logs', { maxBytes: 100 }), fails(SqlTooLarge))
  assert.deepEqual(await query('SELECT max(n) FROM logs'), [[9999]])
})

test('a query that outgrows every limit inside one call ends its process, not this one', async () => {
  const before = process.memoryUsage.rss()
  await assert.rejects(query('SELECT len(range(100000000))'), fails(SqlTooLarge))
  await assert.rejects(query(`SELECT length(repeat('x', 2000000000))`), fails(SqlTooLarge))
  assert.ok(process.memoryUsage.rss() - before < 64 * megabyte)
  assert.deepEqual(await query('SELECT 1'), [[1]])
})

test('a query that overstays is interrupted, the caller may leave at any time, and the next one is not harmed', async () => {
  await assert.rejects(
    query('SELECT count(*) FROM range(1000000000000)', { timeoutMs: 100 }),
    fails(SqlTimeout),
  )
  const away = AbortSignal.timeout(100)
  await assert.rejects(query('SELECT count(*) FROM range(1000000000000)', {}, away), { name: 'TimeoutError' })
  await queries.withProcess(async process => {
    for await (const part of process.select({ sql: 'SELECT n FROM logs', views, limits }))
      if (part.kind === 'rows') break
    const rest: unknown[] = []
    for await (const part of process.select({ sql: 'SELECT 7', views, limits })) rest.push(part)
    assert.deepEqual(rest.slice(1), [
      { kind: 'rows', rows: [[7]] },
      { kind: 'end', rows: 1, truncated: false },
    ])
  })
})

test('runs as many queries as it has processes, lets some wait, refuses the rest', async () => {
  const away = new AbortController()
  const long = Promise.allSettled(
    Array.from({ length: 4 }, () => query('SELECT count(*) FROM range(1000000000000)', {}, away.signal)),
  )
  await assert.rejects(query('SELECT 1'), fails(SqlBusy))
  away.abort(new Error('enough'))
  for (const each of await long) assert.match(String(each.status === 'rejected' && each.reason), /enough/)
  assert.deepEqual(await query('SELECT 1'), [[1]])
})

test('a process killed from outside fails its query only', async () => {
  const other = confinedQueries({ memoryBytes: 64 * megabyte, threads: 1, residentBytes: 512 * megabyte })
  const running = other.withProcess(async process => {
    for await (const part of process.select({ sql: 'SELECT n FROM logs', views, limits })) {
      if (part.kind === 'columns') other.close()
    }
  })
  await assert.rejects(running, fails(SqlCrashed))
  other.close()
})
