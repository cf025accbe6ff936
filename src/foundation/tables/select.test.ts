import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { SqlFailed, SqlForbidden, SqlInvalid, SqlTimeout, SqlTooLarge, TablesFailed } from './errors.ts'
import type { Json } from './json.ts'
import { checkSelect, type SelectLimits, select } from './select.ts'
import { openTables, type Tables } from './tables.ts'

const limits: SelectLimits = { timeoutMs: 20_000, maxRows: 10_000, maxBytes: 1_000_000 }
const offered = new Set(['logs'])
let folder = ''
let tables: Tables

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ajna-tables-'))
  for (const name of ['archive', 'spill']) await mkdir(join(folder, name))
  await writeFile(join(folder, 'archive', 'inside.csv'), 'a\n1\n')
  await writeFile(join(folder, 'outside.csv'), 'a\n1\n')
  tables = await openTables({
    memoryBytes: 128 * 1024 * 1024,
    threads: 1,
    spill: { directory: join(folder, 'spill'), maxBytes: 8 * 1024 * 1024 },
    directories: [join(folder, 'archive')],
  })
  await tables.run(`CREATE TABLE secrets AS SELECT 'token' AS token`)
  await tables.run(
    `CREATE TABLE logs AS SELECT i AS n, 'line ' || i AS line, TIMESTAMPTZ '2026-11-23 05:00:00.25+00' AS time FROM range(5000) r(i)`,
  )
})
after(async () => {
  tables.close()
  await rm(folder, { recursive: true })
})

async function query(sql: string, within: Partial<SelectLimits> = {}, signal?: AbortSignal) {
  const connection = await tables.connect()
  try {
    await checkSelect(connection, sql, offered)
    const rows: (readonly Json[])[] = []
    let columns: readonly { name: string; type: string }[] = []
    let truncated = false
    for await (const part of select(connection, sql, { ...limits, ...within }, signal)) {
      if (part.kind === 'columns') columns = part.columns
      else if (part.kind === 'rows') rows.push(...part.rows)
      else truncated = part.truncated
    }
    return { columns, rows, truncated }
  } finally {
    connection.closeSync()
  }
}

const fails = async (
  sql: string,
  kind: { code: string },
  within: Partial<SelectLimits> = {},
): Promise<AjnaError> => {
  const error = await query(sql, within).then(
    result => assert.fail(`${sql} answered ${JSON.stringify(result).slice(0, 200)}`),
    (thrown: unknown) => thrown,
  )
  assert.ok(
    isAjnaError(error, kind.code),
    `${sql}: ${error instanceof AjnaError ? `${error.code} ${error.message}` : error}`,
  )
  return error
}

const permitted = [
  'SELECT count(*) FROM logs',
  'FROM logs LIMIT 1',
  'VALUES (1), (2)',
  'WITH recent AS (SELECT * FROM logs WHERE n > 4990) SELECT count(*) FROM recent',
  'WITH RECURSIVE up(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < 5) SELECT max(i) FROM up',
  'SELECT l.n FROM logs l JOIN LOGS m USING (n) WHERE l.n < 3',
  'SELECT n, lag(n) OVER (ORDER BY n) FROM logs LIMIT 2',
  'SELECT * FROM range(3)',
  `SELECT unnest(regexp_extract_all(line, '\\d+')) FROM logs LIMIT 1`,
  'DESCRIBE logs',
  'SUMMARIZE logs',
  `SELECT time_bucket(INTERVAL 10 MINUTES, time) b, count(*) FROM logs WHERE time > TIMESTAMPTZ '2026-01-01' AND time < now() + INTERVAL 100 YEAR GROUP BY b`,
  'SELECT n FROM logs WHERE n IN (SELECT max(n) FROM logs); -- and a remark',
]

const forbidden = [
  'INSERT INTO logs VALUES (1)',
  'DELETE FROM logs',
  'DROP TABLE logs',
  'CREATE TABLE x AS SELECT 1',
  'CREATE VIEW v AS SELECT 1',
  `COPY logs TO '/tmp/x.csv'`,
  `COPY (SELECT 1) TO 'x.parquet' (FORMAT parquet)`,
  `ATTACH 'other.db'`,
  `EXPORT DATABASE 'x'`,
  `IMPORT DATABASE 'x'`,
  'INSTALL httpfs',
  'LOAD httpfs',
  'PRAGMA version',
  'PRAGMA database_list',
  'SET threads = 64',
  `SET enable_external_access = true`,
  'RESET ALL',
  'CALL pragma_version()',
  'CHECKPOINT',
  'BEGIN',
  'EXPLAIN ANALYZE SELECT 1',
  'SELECT 1; SELECT 2',
  'SELECT 1; DROP TABLE logs',
  'SELECT * FROM secrets',
  'SELECT * FROM main.logs',
  'SELECT * FROM memory.main.secrets',
  'SELECT (SELECT token FROM secrets)',
  'SELECT * FROM logs WHERE n IN (SELECT 1 FROM secrets)',
  'SELECT * FROM logs UNION ALL SELECT 1, token, NULL FROM secrets',
  'WITH x AS (SELECT * FROM secrets) SELECT * FROM x',
  'SELECT * FROM information_schema.tables',
  'SELECT * FROM duckdb_settings()',
  'SELECT * FROM duckdb_tables',
  'SELECT * FROM pg_catalog.pg_class',
  'SELECT * FROM sqlite_master',
  'SHOW TABLES',
  'SHOW ALL TABLES',
  `SELECT * FROM read_csv('/etc/passwd')`,
  `SELECT * FROM read_text('/etc/passwd')`,
  `SELECT * FROM read_blob('/proc/self/environ')`,
  `SELECT * FROM glob('/*')`,
  `SELECT * FROM read_parquet('https://example.com/x.parquet')`,
  `SELECT * FROM '/etc/passwd.csv'`,
  `SELECT * FROM "archive/inside.csv"`,
  `WITH "x.csv" AS (SELECT 1) SELECT * FROM "x.csv"`,
  `SELECT * FROM query('DROP TABLE logs')`,
  `SELECT * FROM query_table('secrets')`,
  `SELECT * FROM json_execute_serialized_sql('{}')`,
  `SELECT * FROM (SELECT * FROM parquet_metadata('x'))`,
  `SELECT current_setting('temp_directory')`,
  `SELECT getenv('HOME')`,
  'SELECT sleep_ms(100000)',
  `SELECT write_log('forged')`,
  'SELECT pg_catalog.version()',
]

const invalid = [
  ['', 'empty'],
  ['   -- nothing', 'empty'],
  ['SELEC 1', 'line 1, column 1'],
  ['SELECT *\nFROM logs\nWHER n = 1', 'line 3'],
  [`SELECT 'open`, 'unterminated'],
  ['SELECT nosuch FROM logs', 'nosuch'],
  ['SELECT nosuch(1)', 'nosuch'],
  ['SELECT n FROM logs WHERE n = $1', ''],
  ['SELECT '.concat('('.repeat(3000), '1'), ''],
  ['SELECT \u0000 1', ''],
] as const

test('answers what a SELECT over the offered table asks', async () => {
  for (const sql of permitted) assert.ok((await query(sql)).rows.length > 0, sql)
  const { columns, rows } = await query(
    `SELECT n, line, time, 9007199254740993 AS big, [1, NULL] AS list, '\\xFF'::BLOB AS raw FROM logs LIMIT 1`,
  )
  assert.deepEqual(rows, [[0, 'line 0', '2026-11-23T05:00:00.250Z', '9007199254740993', [1, null], '/w==']])
  assert.deepEqual(
    columns.slice(0, 3).map(column => column.type),
    ['BIGINT', 'VARCHAR', 'TIMESTAMP WITH TIME ZONE'],
  )
})

test('refuses every statement but a SELECT, and every source but the offered table', async () => {
  for (const sql of forbidden) await fails(sql, SqlForbidden)
  const [row] = (await query('SELECT count(*) FROM logs')).rows
  assert.deepEqual(row, [5000])
})

test('points at what is wrong with the SQL', async () => {
  for (const [sql, hint] of invalid) {
    const error = await query(sql).catch((thrown: unknown) => thrown)
    assert.ok(isAjnaError(error, SqlInvalid, SqlTooLarge, SqlFailed), `${sql.slice(0, 40)}: ${error}`)
    assert.ok(error.message.includes(hint), `${sql.slice(0, 40)}: ${error.message}`)
  }
  assert.deepEqual((await fails('SELECT 1 +\n  FROM WHERE', SqlInvalid)).details['line'], 2)
})

test('says that a value could not be converted', async () => {
  await fails(`SELECT CAST(line AS INTEGER) FROM logs`, SqlFailed)
})

test('ends a query that runs too long, and the next one is not harmed', async () => {
  for (const sql of [
    'SELECT count(*) FROM range(1000000000000) a',
    'SELECT count(*) FROM logs a, logs b, logs c WHERE a.line > b.line || c.line',
  ])
    await fails(sql, SqlTimeout, { timeoutMs: 200 })
  assert.deepEqual((await query('SELECT 1')).rows, [[1]])
})

test('ends a query whose caller went away', async () => {
  const away = new AbortController()
  setTimeout(() => away.abort(new Error('gone')), 100)
  await assert.rejects(query('SELECT count(*) FROM range(1000000000000)', {}, away.signal), /gone/)
  await assert.rejects(query('SELECT 1', {}, AbortSignal.abort(new Error('gone'))), /gone/)
})

test('cuts off at the row limit and says so; refuses an answer beyond the byte limit', async () => {
  const cut = await query('SELECT n FROM logs', { maxRows: 2500 })
  assert.equal(cut.rows.length, 2500)
  assert.equal(cut.truncated, true)
  assert.equal((await query('SELECT n FROM logs', { maxRows: 5000 })).truncated, false)
  await fails(`SELECT repeat('x', 1000) FROM logs`, SqlTooLarge)
})

test('a query beyond the memory limit fails, and the process and its tables live on', async () => {
  await fails(`SELECT DISTINCT repeat('x', 100) || i FROM range(10000000) r(i)`, SqlTooLarge)
  assert.deepEqual((await query('SELECT count(*) FROM logs')).rows, [[5000]])
})

test('is confined to its directories, whoever asks, and cannot be let out', async () => {
  const refused = (error: unknown): boolean => isAjnaError(error, TablesFailed)
  await assert.rejects(tables.read(`SELECT * FROM read_csv('${folder}/outside.csv')`), refused)
  await assert.rejects(tables.read(`SELECT * FROM read_csv('${folder}/archive/../outside.csv')`), refused)
  await assert.rejects(tables.run(`COPY logs TO '${folder}/outside.parquet'`), refused)
  await assert.rejects(tables.run('SET enable_external_access = true'), refused)
  await assert.rejects(tables.run(`SET GLOBAL allowed_directories = ['/']`), refused)
  await assert.rejects(tables.run(`ATTACH '${folder}/x.db'`), refused)
  await assert.rejects(tables.run('INSTALL httpfs'), refused)
  assert.deepEqual(await tables.read(`SELECT * FROM read_csv('${folder}/archive/inside.csv')`), [{ a: 1 }])
  assert.deepEqual((await readdir(folder)).sort(), ['archive', 'outside.csv', 'spill'])
})
