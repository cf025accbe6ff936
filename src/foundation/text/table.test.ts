import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { count, renderTable, wrap } from './table.ts'

interface Row {
  readonly name: string
  readonly lag: number
}

const columns = [
  { title: 'topic', value: (row: Row) => row.name, shrinkTo: 8 },
  { title: 'lag', value: (row: Row) => row.lag, align: 'right' as const },
]

test('columns line up, numbers to the right', () => {
  const text = renderTable(columns, [
    { name: 'logs.edge', lag: 7 },
    { name: 'metrics.edge', lag: 1200 },
  ])
  assert.equal(text, ['topic          lag', 'logs.edge        7', 'metrics.edge  1200'].join('\n'))
})

test('a table never grows wider than asked while a column may shrink', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ name: fc.string({ maxLength: 300 }), lag: fc.nat() })), rows => {
      for (const line of renderTable(columns, rows, 40).split('\n')) assert.ok([...line].length <= 40, line)
    }),
  )
})

test('a cell cannot break the line or colour the terminal', () => {
  const text = renderTable(columns, [{ name: 'a\nb\u001b[31mc\rd', lag: 0 }])
  assert.equal(text.split('\n').length, 2)
  assert.ok(!text.includes('\u001b'))
})

test('a long sentence wraps at spaces', () => {
  assert.equal(wrap('one two three', 8, '  '), 'one two\n  three')
  assert.equal(wrap('  one two three', 9, '    '), '  one two\n    three')
  assert.equal(count(1, 'topic'), '1 topic')
  assert.equal(count(50_000, 'topic'), '50,000 topics')
})
