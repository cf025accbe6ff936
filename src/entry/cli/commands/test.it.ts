import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type SweptFolder, sweptFolder } from '../../../../test/fleets/sweeper.ts'
import { isStopped } from '../../../operations/faults/inject.ts'
import { activeFaults } from '../../../operations/faults/leases/record.ts'
import type { RunReport } from '../../../operations/faults/report.ts'
import { type Home, homeAt } from '../../home.ts'

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEADLINE_MS = 120_000
/** Whole fleets use it too, but not while rooms are tested. */
const PORT_BASE = process.env['AJNA_TEST_PORT_BASE'] ?? '22000'

const scenario = (faults: string): string => `name: by-the-program
seed: 7
cluster: { partitions: 3 }
load: { rate: 100, duration: 1s }
faults: [${faults}]
expect: { lost: 0, duplicated: 0, redundancyRestored: true }
`

describe('ajna test, as a user types it', { timeout: 500_000 }, () => {
  let folder: SweptFolder
  let home: Home
  before(async () => {
    folder = await sweptFolder('ajna-test-program-')
    home = homeAt(join(folder.path, 'home'))
  })
  after(() => folder[Symbol.asyncDispose]())

  const begin = (...args: readonly string[]) =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, 'test', ...args], {
      env: { ...process.env, AJNA_HOME: home.root, AJNA_PORT_BASE: PORT_BASE },
      stdio: ['ignore', 'pipe', 'pipe'],
    })

  async function ajna(...args: readonly string[]) {
    const child = begin(...args)
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    return { code: code as number, out, err }
  }

  async function fileOf(name: string, content: string): Promise<string> {
    const file = join(folder.path, name)
    await writeFile(file, content)
    return file
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, `${what}: not within ${DEADLINE_MS} ms`)
      await delay(50)
    }
  }

  const nothingIsLeft = async (): Promise<boolean> => {
    const clusters = await readdir(join(home.faults, 'clusters')).catch(() => [])
    return clusters.length === 0 && (await activeFaults(home.faults)).length === 0
  }

  test('a hostile scenario is refused with its line and exit code 2, and starts nothing', async () => {
    const hostile = [
      ['{ at: 1s, fault: melt, broker: any }', /hostile\.yaml:5:\d+ faults\[0\]\.fault: found "melt"/],
      ['{ at: -1s, fault: kill, broker: any }', /hostile\.yaml:5:\d+ faults\[0\]\.at: found "-1s"/],
      ['{ at: 1s, fault: kill, broker: 9 }', /found broker 9; allowed: broker ids from 1 to 3/],
    ] as const
    for (const [fault, said] of hostile) {
      const { code, out, err } = await ajna('run', await fileOf('hostile.yaml', scenario(fault)), '--json')
      assert.equal(code, 2, err)
      assert.equal(out, '')
      assert.match(err, /error CONFIG_INVALID/)
      assert.match(err, said)
    }
    const absent = await ajna('run', join(folder.path, 'no-such-file.yaml'))
    assert.deepEqual([absent.code, /CONFIG_INVALID.*no-such-file/.test(absent.err)], [2, true])
    assert.equal((await ajna('failures', '--kinds', 'meteor')).code, 2)
    assert.equal((await ajna('failures', '--runs', '1000000')).code, 2)
    assert.ok(await nothingIsLeft())
  })

  test('a scenario runs, is judged, and leaves no cluster; its faults are listed meanwhile', async () => {
    const file = await fileOf(
      'freeze.yaml',
      scenario('{ at: 1s, fault: freeze, broker: controller, for: 25s }'),
    )
    const child = begin('run', file, '--json')
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    await until('the fault begins', async () =>
      (await activeFaults(home.faults)).some(({ kind }) => kind === 'freeze'),
    )
    const listed = JSON.parse((await ajna('faults', '--json')).out) as { kind: string; overdue: unknown }[]
    assert.deepEqual(
      listed.map(({ kind, overdue }) => [kind, overdue]),
      [
        ['cluster', null],
        ['freeze', null],
      ],
    )
    assert.match((await ajna('faults')).out, /freeze-[0-9a-f]{8} .* waking process \d+ /)
    const second = await ajna('run', file)
    assert.deepEqual([second.code, /error TEST_RUNNING/.test(second.err)], [1, true])

    const [out, err, [code]] = await ended
    assert.equal(code, 0, err)
    const report = JSON.parse(out) as RunReport
    assert.deepEqual([report.met, report.seed, report.healer], [true, 7, null])
    assert.deepEqual([report.records.lost, report.records.duplicated], [0, 0])
    assert.ok(report.records.acknowledged > 0)
    assert.equal(report.faults[0]!.brokers[0]!.controller, true)
    assert.ok(await nothingIsLeft())
    assert.match((await ajna('faults')).out, /no fault is under way/)
  })

  test('killed -9 in the middle of a fault, the program leaves neither the fault nor the cluster', async () => {
    const child = begin(
      'run',
      await fileOf('kill.yaml', scenario('{ at: 1s, fault: freeze, broker: any, for: 5m }')),
    )
    await until('the fault begins', async () => {
      const fault = (await activeFaults(home.faults)).find(({ kind }) => kind === 'freeze')
      return fault?.back.kind === 'wake' && isStopped(fault.back.process.pid)
    })
    child.kill('SIGKILL')
    await until('nothing is left', nothingIsLeft)
  })

  test('Ctrl-C undoes the fault, ends the cluster and says so', async () => {
    const child = begin(
      'run',
      await fileOf('stop.yaml', scenario('{ at: 1s, fault: kill, broker: any, for: 5m }')),
    )
    const ended = Promise.all([text(child.stderr), once(child, 'exit')])
    const early = ended.then(([err, [code]]) => assert.fail(`it ended by itself, with ${code}: ${err}`))
    early.catch(() => undefined)
    const begins = until('the fault begins', async () =>
      (await activeFaults(home.faults)).some(({ kind }) => kind === 'kill'),
    )
    await Promise.race([begins, early])
    child.kill('SIGINT')
    const [err, [code]] = await ended
    assert.equal(code, 1)
    assert.match(err, /error TEST_STOPPED/)
    assert.ok(await nothingIsLeft())
  })
})
