import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sweptFolder } from '../../../test/fleets/sweeper.ts'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { TEST_OVER, TEST_RUNNING } from '../../operations/faults/errors.ts'
import { activeFaults } from '../../operations/faults/leases/record.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import { homeAt } from '../home.ts'
import { testsOf } from './tests.ts'

const DEADLINE_MS = 120_000
const SCENARIO = `name: started-by-the-console
cluster: { nodes: 1, partitions: 2 }
load: { rate: 50 }
faults: [{ at: 1s, fault: freeze, broker: 1, for: 5m }]
`
const WHY = { actor: 'ada', reason: 'before the release' }

test('a test started through the control process outlives it, is followed by the next one, and ended with nothing left', {
  timeout: 240_000,
}, async () => {
  await using folder = await sweptFolder('ajna-control-tests-')
  const home = homeAt(join(folder.path, 'home'))
  // Beside those of the command's tests, which may run meanwhile.
  process.env['AJNA_PORT_BASE'] = String(Number(process.env['AJNA_TEST_PORT_BASE'] ?? '22000') + 900)
  const told = new Map<string, Activity>()
  const control = (signal: AbortSignal) =>
    testsOf({
      ...{ home, fleet: 'two-sites', signal, log: silentLogger, known: id => told.get(id) },
      record: async entry => {
        told.set(entry.id, entry)
        return entry
      },
    })
  const first = new AbortController()
  const begun = await control(first.signal).start({ text: SCENARIO, file: 'scenario', healer: false }, WHY)
  first.abort()
  assert.deepEqual([begun.state, begun.by, begun.reason], ['running', 'ada', 'before the release'])
  assert.equal(told.get(`test-${begun.id}`)?.outcome, 'running')

  const second = new AbortController()
  const tests = control(second.signal)
  try {
    const again = tests.start({ text: SCENARIO, file: 'scenario', healer: false }, WHY)
    await assert.rejects(again, error => isAjnaError(error, TEST_RUNNING))
    const seen = new Set<string>()
    let from = 0
    await until('the fault is marked, and what clients see of it', async () => {
      const { events } = (await tests.get(begun.id, from))!
      from = events.next
      for (const event of events.items) {
        if (event.kind === 'mark') seen.add(event.mark)
        if (event.kind === 'sample' && event.waitMs > 1_000) seen.add('waits')
      }
      return seen.has('fault') && seen.has('waits')
    })
    const { standing } = (await tests.get(begun.id, from))!
    assert.equal(standing.find(({ what }) => what === 'records acknowledged')?.state, 'met')
    await tests.stop(begun.id, { actor: 'grace', reason: 'the machine is needed' })
    await until('it has ended', async () => (await tests.list())[0]?.state === 'stopped')
    assert.deepEqual(await activeFaults(home.faults), [])
    assert.deepEqual(await readdir(join(home.faults, 'clusters')), [])
    const [ended] = await tests.list()
    assert.equal(ended!.stopped?.by, 'grace')
    await assert.rejects(tests.stop(begun.id, WHY), error => isAjnaError(error, TEST_OVER))
    await until('its end is in the activity', async () => told.get(`test-${begun.id}`)?.outcome === 'done')
  } finally {
    second.abort()
  }
})

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${DEADLINE_MS} ms`)
    await delay(100)
  }
}
