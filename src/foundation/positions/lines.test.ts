import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eventTimeOf, NO_TIME } from './lines.ts'

const REFERENCE = Date.UTC(2026, 10, 23, 6, 0, 0)

function timeOf(line: string, reference = REFERENCE): string | undefined {
  // Surrounded by digits, so that reading past either end would show.
  const bytes = Buffer.from(`9999${line}9999`)
  const time = eventTimeOf(bytes, 4, bytes.length - 4, reference)
  return time === NO_TIME ? undefined : new Date(time).toISOString()
}

test('timestamps in the forms that real logs use are read', () => {
  const lines: [string, string][] = [
    ['2026-11-23T05:06:34Z hello', '2026-11-23T05:06:34.000Z'],
    ['2026-11-23T05:06:34.123Z hello', '2026-11-23T05:06:34.123Z'],
    ['2026-11-23T05:06:34.123456789Z', '2026-11-23T05:06:34.123Z'],
    ['2026-11-23T05:06:34.5+02:00 hello', '2026-11-23T03:06:34.500Z'],
    ['2026-11-23T05:06:34-0530 hello', '2026-11-23T10:36:34.000Z'],
    ['2026-11-23T05:06:34+02', '2026-11-23T03:06:34.000Z'],
    ['2026-11-23 05:06:34,123 INFO hello', '2026-11-23T05:06:34.123Z'],
    ['2026-11-23 05:06:34.123 UTC [77] LOG:  checkpoint', '2026-11-23T05:06:34.123Z'],
    ['2026-11-23 05:06:34 +0200 hello', '2026-11-23T03:06:34.000Z'],
    ['2026-11-23 05:06:34 -10 degrees', '2026-11-23T05:06:34.000Z'],
    ['2026-11-23 05:06:34 - hello', '2026-11-23T05:06:34.000Z'],
    ['2026-11-23 05:06:34 status installed libc6', '2026-11-23T05:06:34.000Z'],
    ['2026-11-23 05:06:34', '2026-11-23T05:06:34.000Z'],
    ['2026/11/23 05:06:34 [error] 7#7: *1 open()', '2026-11-23T05:06:34.000Z'],
    ['[2026-11-23 05:06:34,123] INFO [Controller id=1] x', '2026-11-23T05:06:34.123Z'],
    ['[2026-11-23T05:06:34.007+0100][info][gc] x', '2026-11-23T04:06:34.007Z'],
    ['update-alternatives 2026-11-23 05:06:34: run with --install', '2026-11-23T05:06:34.000Z'],
    ['Start-Date: 2026-11-23  05:06:34', '2026-11-23T05:06:34.000Z'],
    ['<34>1 2026-11-23T05:06:34.003Z host su - ID47 - x', '2026-11-23T05:06:34.003Z'],
    ['<13>Nov 23 05:06:34 host su: x', '2026-11-23T05:06:34.000Z'],
    ['<13>2026-11-23T05:06:34+00:00 host su: x', '2026-11-23T05:06:34.000Z'],
    ['Nov 23 05:06:34 host cron[7]: x', '2026-11-23T05:06:34.000Z'],
    ['Nov  3 05:06:34 host cron[7]: x', '2026-11-03T05:06:34.000Z'],
    ['Nov 03 05:06:34', '2026-11-03T05:06:34.000Z'],
    ['{"level":"info","time":"2026-11-23T05:06:34.123Z","pid":1}', '2026-11-23T05:06:34.123Z'],
    ['{"time": "2026-11-23T05:06:34Z", "msg": "x"}', '2026-11-23T05:06:34.000Z'],
    ['{"level":30,"time":1795410394123,"pid":1}', '2026-11-23T05:06:34.123Z'],
    ['{"level":30,"time":1795410394,"pid":1}', '2026-11-23T05:06:34.000Z'],
    ['10.0.0.1 - - [23/Nov/2026:05:06:34 +0000] "GET / HTTP/1.1" 200 5', '2026-11-23T05:06:34.000Z'],
    ['::1 - bob [23/Nov/2026:05:06:34 -0800] "GET / HTTP/1.1" 200 5', '2026-11-23T13:06:34.000Z'],
    ['www.example.org 10.0.0.1 - - [23/Nov/2026:05:06:34 +0000] "GET"', '2026-11-23T05:06:34.000Z'],
    ['2024-02-29 00:00:00', '2024-02-29T00:00:00.000Z'],
    ['2000-01-01T00:00:00Z', '2000-01-01T00:00:00.000Z'],
    ['2099-12-31T23:59:59Z', '2099-12-31T23:59:59.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
  ]
  for (const [line, expected] of lines) assert.equal(timeOf(line), expected, line)
})

test('what only looks like a time is not taken for one', () => {
  const lines = [
    '',
    '\n',
    'hello',
    '    at Object.run (file.js:1:2) 2026-11-23',
    '2026-11-23',
    '2026-11-23 05:06',
    '2026-11-23 05:06:3',
    '2026-11-23 25:06:34',
    '2026-11-23 05:60:34',
    '2026-11-23 05:06:61',
    '2026-13-23 05:06:34',
    '2026-00-23 05:06:34',
    '2026-11-31 05:06:34',
    '2026-11-00 05:06:34',
    '2025-02-29 05:06:34',
    '2100-02-29 05:06:34',
    '2026-11/23 05:06:34',
    '2026_11_23 05:06:34',
    '2026-11-23X05:06:34',
    '1970-01-01T00:00:00Z',
    '1999-12-31T23:59:59Z',
    '2100-01-01T00:00:00Z',
    '9999-99-99 99:99:99',
    '١٢٣٤-١١-٢٣ 05:06:34',
    '[    0.000000] Linux version 6.1.0',
    '[2026-11-23]',
    'Nov 31 05:06:34 host x',
    'Nox 23 05:06:34 host x',
    'Feb 29 05:06:34 host x',
    'Nov 23 5:06:34 host x',
    '<34>',
    '<9999>Nov 23 05:06:34 x',
    '<34>1 nil host app - - -',
    '{"level":30,"msg":"no time here at all"}',
    '{"level":30,"time":"soon"}',
    '{"level":30,"time":12345}',
    '{"level":30,"time":179541039412345}',
    `{"pad":"${'x'.repeat(200)}","time":"2026-11-23T05:06:34Z"}`,
    '10.0.0.1 - - [23/Nox/2026:05:06:34 +0000] "GET"',
    '10.0.0.1 - - [32/Nov/2026:05:06:34 +0000] "GET"',
    '10.0.0.1 - - [23/Nov/2026]',
    `${'x'.repeat(300)} [23/Nov/2026:05:06:34 +0000]`,
    '\u0000\u0001\u0002\u0003 binary binary binary',
    '9'.repeat(400),
  ]
  for (const line of lines) assert.equal(timeOf(line), undefined, line)
})

test('a syslog time without a year is the latest that is not a day in the future', () => {
  const atNewYear = Date.UTC(2027, 0, 1, 0, 0, 5)
  assert.equal(timeOf('Dec 31 23:59:59 host x', atNewYear), '2026-12-31T23:59:59.000Z')
  assert.equal(timeOf('Jan  1 00:00:01 host x', atNewYear), '2027-01-01T00:00:01.000Z')
  assert.equal(timeOf('Jan  1 09:00:00 host x', atNewYear), '2027-01-01T09:00:00.000Z')
  const beforeNewYear = Date.UTC(2026, 11, 31, 23, 59, 59)
  assert.equal(timeOf('Jan  1 00:00:00 host x', beforeNewYear), '2027-01-01T00:00:00.000Z')
  assert.equal(timeOf('Feb 29 12:00:00 host x', Date.UTC(2025, 1, 1)), '2024-02-29T12:00:00.000Z')
})

test('every second of the calendar is read as Date reads it', () => {
  const instant = fc.integer({ min: Date.UTC(2000, 0, 1) / 1000, max: Date.UTC(2099, 11, 31) / 1000 })
  fc.assert(
    fc.property(instant, seconds => {
      const iso = new Date(seconds * 1000).toISOString()
      assert.equal(timeOf(iso), iso)
      assert.equal(timeOf(`[${iso.replace('T', ' ').replace('.', ',').slice(0, -1)}] x`), iso)
    }),
    { numRuns: 5000 },
  )
})

test('any bytes give a time within bounds or none, and nothing outside the line counts', () => {
  const alphabet = [...Buffer.from('0123456789-/:.,TZ+ []{}<>"timeNovFeb\n'), 0, 255]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 60 }), raw => {
      const line = Buffer.from(raw)
      const time = eventTimeOf(line, 0, line.length, REFERENCE)
      assert.ok(time === NO_TIME || (time >= Date.UTC(2000) && time < Date.UTC(2100)))
      const within = Buffer.concat([Buffer.from('2026-11-23T'), line, Buffer.from('05:06:34Z')])
      assert.equal(eventTimeOf(within, 11, 11 + line.length, REFERENCE), time)
    }),
    { numRuns: 5000 },
  )
})
