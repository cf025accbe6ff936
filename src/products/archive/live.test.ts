import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { TailFilterInvalid } from './errors.ts'
import { tailFilter } from './live.ts'
import { historySql } from './routes.ts'

const origin = { tenant: 'a', site: 's', host: 'h', path: '/var/log/x.log' }

test('filters by where a line is from and by what it says; a line of no known origin only passes when none is asked for', () => {
  assert.ok(tailFilter({}).stream(undefined))
  assert.ok(!tailFilter({ tenant: 'a' }).stream(undefined))
  assert.ok(tailFilter({ tenant: 'a', site: 's', host: 'h', file: '*.log' }).stream(origin))
  for (const other of [{ tenant: 'b' }, { site: 'b' }, { host: 'b' }, { file: '/var/log/*.gz' }])
    assert.ok(!tailFilter({ tenant: 'a', ...other }).stream(origin), JSON.stringify(other))
  assert.ok(tailFilter({ contains: 'err', regex: '^\\w+: \\d+$' }).text('error: 12'))
  assert.ok(!tailFilter({ contains: 'err', regex: '^\\w+: \\d+$' }).text('error: x'))
  assert.ok(tailFilter({ match: 'disk (sd' }).text('ERROR: Disk (SDA) is gone'))
  assert.ok(!tailFilter({ match: 'disk (sd' }).text('ERROR: disk sda'))
})

test('an expression cannot cost more than the line is long', () => {
  const filter = tailFilter({ regex: '(a+)+$' })
  const began = performance.now()
  assert.ok(!filter.text(`${'a'.repeat(100_000)}b`))
  // A backtracking engine would be at it for longer than the universe is old.
  assert.ok(performance.now() - began < 30_000)
  for (const regex of ['(a)\\1', '(?=a)b', '(', 'a{5000}'])
    assert.throws(
      () => tailFilter({ regex }),
      error => isAjnaError(error, TailFilterInvalid),
      regex,
    )
})

test('what is asked of the past is quoted', () => {
  const sql = historySql(
    { tenant: `o'neil`, file: `/a_b%/*.log`, contains: `it's`, match: `It's` },
    '2026-01-01T00:00:00Z',
    10,
  )
  assert.match(sql, /tenant = 'o''neil'/)
  assert.match(sql, /file LIKE '\/a\\_b\\%\/%\.log' ESCAPE '\\'/)
  assert.match(sql, /contains\(line, 'it''s'\)/)
  assert.match(sql, /contains\(lower\(line\), lower\('It''s'\)\)/)
})
