import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { sweptFolder } from '../../test/fleets/sweeper.ts'
import { seededRandom } from '../../test/wire/random.ts'
import { judge } from '../operations/faults/judge.ts'
import { activeFaults } from '../operations/faults/leases/record.ts'
import { timelineOf } from '../operations/faults/report.ts'
import { runScenario } from '../operations/faults/run.ts'
import { readScenario } from '../operations/faults/scenario.ts'
import { bedOf } from './cli/commands/test.ts'
import { homeAt } from './home.ts'
import { openBed } from './test-bed.ts'

process.env['AJNA_PORT_BASE'] = String(Number(process.env['AJNA_TEST_PORT_BASE'] ?? '22000') + 1_000)
const LIBRARY = new URL('../../config/scenarios/', import.meta.url)
const ABOUT_INCIDENTS = ['incident', 'remedy']
const note = (what: string): void => console.log(`# ${what}`)

/** Each is as its file in the library says, whoever keeps the brokers. */
for (const [name, healer] of [
  ['upgrade', 'off'],
  ['upgrade-major', 'on'],
  ['downgrade', 'on'],
  ['downgrade', 'off'],
  ['patch', 'on'],
  ['patch-taken-back', 'on'],
  ['patch-taken-back', 'off'],
] as const)
  test(`${name}, with the healer ${healer}`, { timeout: 400_000 }, async () => {
    const file = `${name}.yaml`
    const scenario = readScenario(await readFile(new URL(file, LIBRARY), 'utf8'), file)
    await using folder = await sweptFolder('ajna-operations-')
    const home = homeAt(join(folder.path, 'home'))
    const random = seededRandom()
    const signal = AbortSignal.timeout(390_000)
    await using bed = await openBed(bedOf(scenario, healer), { home, note, signal })
    const { cluster, healer: healed } = bed
    const result = await runScenario({
      ...{ scenario, cluster, healer: healed, setups: cluster.setups, explain: cluster.explain },
      ...{ folder: home.faults, random: random.next, note, signal },
    })
    for (const line of timelineOf(result)) note(line)
    // A busy machine's disks may well be slow, and that be told; of a broker there is nothing to tell.
    const missed = judge(scenario, result).filter(({ met, what }) => !met && !ABOUT_INCIDENTS.includes(what))
    assert.deepEqual(missed, [], `seed ${random.seed}`)
    const causes = (result.incidents ?? []).map(({ cause }) => cause)
    assert.deepEqual(
      causes.filter(cause => cause.startsWith('broker-')),
      [],
    )
    const left = (await activeFaults(home.faults)).filter(({ kind }) => kind !== 'cluster')
    assert.deepEqual(left, [])
  })
