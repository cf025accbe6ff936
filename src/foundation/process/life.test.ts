import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { watchLife } from './life.ts'

const OVER_MS = 300

test('tells a process that is stopped from one that lives, and both from none', async t => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 20)'], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  t.after(() => child.kill('SIGKILL'))
  const pid = child.pid!
  const life = async () => (await watchLife(pid, OVER_MS, t.signal))?.ran
  assert.equal(await life(), true)
  child.kill('SIGSTOP')
  while ((await life()) === true);
  assert.equal(await life(), false)
  child.kill('SIGCONT')
  assert.equal(await life(), true)
  child.kill('SIGKILL')
  await gone
  assert.equal(await life(), undefined)
})
