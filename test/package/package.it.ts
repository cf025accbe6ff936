import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

test('the packed package, installed elsewhere, says its version and plans a fleet', async t => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'ajna-package-'))
  t.after(() => rm(elsewhere, { recursive: true, force: true }))
  await run(join(root, 'scripts', 'build'), { cwd: root })
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', elsewhere], { cwd: root })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  await writeFile(join(elsewhere, 'package.json'), '{ "private": true }')
  const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', join(elsewhere, filename)]
  await run('npm', install, { cwd: elsewhere })

  const ajna = join(elsewhere, 'node_modules', '.bin', 'ajna')
  const env = { ...process.env, AJNA_HOME: join(elsewhere, 'home') }
  const version = await run(ajna, ['--version'], { cwd: elsewhere, env })
  const { version: expected } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  assert.equal(version.stdout.trim(), expected)

  const example = join(elsewhere, 'node_modules', 'ajna', 'config', 'two-sites.yaml')
  const planned = await run(ajna, ['plan', '-f', example, '--json'], { cwd: elsewhere, env })
  const plan = JSON.parse(planned.stdout) as { fleet: string; steps: { text: string }[] }
  assert.equal(plan.fleet, 'two-sites')
  assert.ok(plan.steps.some(({ text }) => text.startsWith('start brokers')))
})
