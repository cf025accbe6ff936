import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../process/testing.ts'
import { logFile } from './file.ts'
import { createLogger } from './log.ts'

test('a log is bounded on disk, and its latest lines are there in order', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'a.log')
  const log = logFile(path, 1_000)
  const line = (index: number): string => `${index} ${'x'.repeat(90)}\n`
  for (let index = 0; index < 200; index++) log.write(line(index))
  assert.deepEqual(readdirSync(folder).sort(), ['a.log', 'a.log.1', 'a.log.2'])
  for (const name of readdirSync(folder)) assert.ok(statSync(join(folder, name)).size <= 1_000 + 100)
  const text = ['a.log.2', 'a.log.1', 'a.log'].map(name => readFileSync(join(folder, name), 'utf8')).join('')
  const numbers = text
    .trimEnd()
    .split('\n')
    .map(each => Number(each.split(' ')[0]))
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, at) => 200 - numbers.length + at),
  )
})

test('two writers of one log rotate it once and lose no line', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'a.log')
  const [one, two] = [logFile(path, 1_000), logFile(path, 1_000)]
  for (let index = 0; index < 20; index++) (index % 2 === 0 ? one : two).write(`${index} ${'x'.repeat(90)}\n`)
  const lines = readdirSync(folder).flatMap(name =>
    readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'),
  )
  assert.equal(new Set(lines.map(line => line.split(' ')[0])).size, 20)
})

test('a disk that takes no lines ends nothing; how many were lost is said afterwards', async t => {
  const folder = await temporaryFolder(t)
  const directory = join(folder, 'logs')
  writeFileSync(directory, 'a file where the directory should be')
  const log = createLogger('test', join(directory, 'a.log'), 'info')
  log.info('first')
  log.info('second')
  rmSync(directory)
  mkdirSync(directory)
  log.info('third')
  const [said, third] = readFileSync(join(directory, 'a.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(said.lines, 2)
  assert.equal(said.msg, 'log lines could not be written')
  assert.equal(third.msg, 'third')
})

test('nothing is created before the first line', async t => {
  const folder = await temporaryFolder(t)
  createLogger('test', join(folder, 'logs', 'a.log'))
  assert.deepEqual(readdirSync(folder), [])
})
