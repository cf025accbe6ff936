import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryJson, renderDropped, renderQuery, renderTailLine } from './commands.ts'
import type { QueryAnswer } from './contract.ts'

const answer: QueryAnswer = {
  columns: [
    { name: 'host', type: 'VARCHAR' },
    { name: 'n', type: 'BIGINT' },
    { name: 'line', type: 'VARCHAR' },
  ],
  rows: [
    ['web-1', 12, `a very long line ${'x'.repeat(200)}`],
    [null, 3, 'short\u001b[31m red'],
  ],
  truncated: false,
  ms: 1_234,
  objects: { read: 2, all: 40 },
}

test('a query’s answer fits the width, aligns numbers, and says what it was made from', () => {
  const text = renderQuery(answer, 80)
  const lines = text.split('\n')
  assert.ok(
    lines.every(line => line.length <= 80),
    text,
  )
  assert.match(lines[0]!, /^host {3,}n {2}line$/)
  assert.match(lines[2]!, /^– +3 {2}short red$/)
  assert.equal(lines.at(-1), '2 rows in 1,234 ms, 2 of 40 objects read')
  assert.match(renderQuery({ ...answer, truncated: true }), /the first 2 rows; there are more/)
  assert.match(renderQuery({ ...answer, rows: [] }), /^host {2}n {2}line\n\n0 rows/)
})

test('--json is one document with rows by name', () => {
  const parsed = JSON.parse(queryJson(answer)) as { rows: unknown[]; truncated: boolean }
  assert.deepEqual(parsed.rows[1], { host: null, n: 3, line: 'short\u001b[31m red' })
  assert.equal(parsed.truncated, false)
})

test('a line of the tail keeps its text and cannot steer the terminal', () => {
  const line = {
    time: '2026-11-23T05:24:11.123Z',
    shipped: '2026-11-23T05:24:12.000Z',
    tenant: 'platform',
    site: 'edge',
    host: 'web-1',
    file: '/var/log/app.log',
    position: 0,
    length: 9,
    line: 'a\tb\u001b]0;title\u0007c\rd',
    topic: 'logs.edge',
    partition: 1,
    offset: 7,
  }
  assert.equal(renderTailLine(line), '05:24:11.123 web-1 /var/log/app.log │ a\tbc·d')
  assert.match(renderTailLine({ ...line, host: null, line: null }), /logs\.edge\/1\/7 │ \(no value\)$/)
  assert.match(renderDropped(1), /1 line left out/)
})
