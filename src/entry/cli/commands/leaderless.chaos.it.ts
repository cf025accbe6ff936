import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type SweptFolder, sweptFolder } from '../../../../test/fleets/sweeper.ts'
import type { FailureFigures } from '../../../operations/faults/contract.ts'
import { activeFaults } from '../../../operations/faults/leases/record.ts'
import { homeAt } from '../../home.ts'

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url))
const PORT_BASE = process.env['AJNA_TEST_PORT_BASE'] ?? '22000'
const KINDS = ['leaderless', 'leaderless-unsafe']

describe('leaderless partitions under load, measured as any failure is', { timeout: 500_000 }, () => {
  let folder: SweptFolder
  before(async () => {
    folder = await sweptFolder('ajna-leaderless-')
  })
  after(() => folder[Symbol.asyncDispose]())

  test('whoever has everything is elected by itself; of a loss a person is asked, and told what the load counts; nothing is lost', async () => {
    const home = homeAt(join(folder.path, 'home'))
    const env = { ...process.env, AJNA_HOME: home.root, AJNA_PORT_BASE: PORT_BASE }
    const args = ['test', 'failures', '--kinds', KINDS.join(), '--json']
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    assert.equal(code, 0, err)
    const { failures } = JSON.parse(out) as { failures: readonly FailureFigures[] }
    const found = failures.map(({ kind, lost, duplicated, met, runs }) => [kind, lost, duplicated, met, runs])
    assert.deepEqual(
      found,
      KINDS.map(kind => [kind, 0, 0, 1, 1]),
    )
    const [safe, unsafe] = failures
    assert.ok(safe!.actedMs.worst! < safe!.availabilityRestoredMs.worst!)
    assert.ok(safe!.availabilityRestoredMs.worst! < safe!.revertedMs.worst!, 'before the last one was back')
    assert.equal(unsafe!.actedMs.worst, null, 'nothing was done')
    assert.deepEqual(await activeFaults(home.faults), [])
    console.log(
      `# writes flowed ${safe!.availabilityRestoredMs.worst} ms after the last in-sync replica's end`,
    )
  })
})
