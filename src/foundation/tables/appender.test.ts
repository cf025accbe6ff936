import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAjnaError } from '../errors/errors.ts'
import { appendColumns, type ColumnData } from './appender.ts'
import { TablesFailed } from './errors.ts'
import { openTables } from './tables.ts'

const megabyte = 1024 * 1024

test('appends whole columns over many chunks, nulls and any bytes included', async () => {
  const tables = await openTables({ memoryBytes: 256 * megabyte, threads: 1 })
  await tables.run('CREATE TABLE t (n DOUBLE, i INTEGER, b BLOB, s VARCHAR)')
  const rows = 5001
  const columns: ColumnData[] = [
    { type: 'double', values: Float64Array.from({ length: rows }, (_, i) => 2 ** 53 - 1 - i) },
    { type: 'integer', values: Int32Array.from({ length: rows }, (_, i) => -i) },
    {
      type: 'bytes',
      values: Array.from({ length: rows }, (_, i) => (i % 7 === 0 ? null : Buffer.from([i & 255, 0, 255]))),
    },
    { type: 'text', values: Array.from({ length: rows }, (_, i) => (i % 5 === 0 ? null : `zeile ${i} ü`)) },
  ]
  await appendColumns(tables, 't', columns, rows)
  await appendColumns(tables, 't', columns, 1)
  const read = await tables.read('SELECT n::BIGINT n, i, hex(b) b, s FROM t ORDER BY n DESC LIMIT 3')
  assert.deepEqual(read, [
    { n: 2 ** 53 - 1, i: 0, b: null, s: null },
    { n: 2 ** 53 - 1, i: 0, b: null, s: null },
    { n: 2 ** 53 - 2, i: -1, b: '0100FF', s: 'zeile 1 ü' },
  ])
  assert.deepEqual(await tables.read('SELECT count(*) c, count(b) b, count(s) s FROM t'), [
    { c: 5002, b: 4286, s: 4000 },
  ])
  tables.close()
})

test('appends all of the rows or none, and says which', async () => {
  const tables = await openTables({ memoryBytes: 16 * megabyte, threads: 1 })
  await tables.run('CREATE TABLE t (b BLOB)')
  const column = (rows: number): ColumnData => ({
    type: 'bytes',
    values: Array.from({ length: rows }, (_, i) => Buffer.alloc(2000, i)),
  })
  await appendColumns(tables, 't', [column(100)], 100)
  await assert.rejects(appendColumns(tables, 't', [column(100_000)], 100_000), error =>
    isAjnaError(error, TablesFailed),
  )
  assert.deepEqual(await tables.read('SELECT count(*) c FROM t'), [{ c: 100 }])
  await appendColumns(tables, 't', [column(100)], 100)
  assert.deepEqual(await tables.read('SELECT count(*) c FROM t'), [{ c: 200 }])
  tables.close()
})
