import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sweptFolder } from '../../test/fleets/sweeper.ts'
import { seededRandom } from '../../test/wire/random.ts'
import { openCluster } from '../foundation/kafka/admin.ts'
import { judge } from '../operations/faults/judge.ts'
import { activeFaults } from '../operations/faults/leases/record.ts'
import { timelineOf } from '../operations/faults/report.ts'
import { type RunResult, runScenario } from '../operations/faults/run.ts'
import { type Scenario, scenarioOf } from '../operations/faults/scenario.ts'
import { homeAt } from './home.ts'
import { openBed } from './test-bed.ts'

/** Beside those of the command's tests, which may run meanwhile. */
process.env['AJNA_PORT_BASE'] = String(Number(process.env['AJNA_TEST_PORT_BASE'] ?? '22000') + 1_000)

describe('operations on a real cluster of an earlier release, under load, with the healer at work', {
  timeout: 400_000,
}, () => {
  const random = seededRandom()
  const signal = AbortSignal.timeout(390_000)
  const note = (what: string): void => console.log(`# ${what}`)
  const stack = new AsyncDisposableStack()
  let bed: Awaited<ReturnType<typeof openBed>>
  let faults: string

  before(async () => {
    note(`seed ${random.seed}`)
    const folder = stack.use(await sweptFolder('ajna-operations-'))
    const home = homeAt(join(folder.path, 'home'))
    faults = home.faults
    const task = { nodes: 3, versions: ['4.2.2', '4.3.1'], leaseMs: 390_000, healer: 'on' } as const
    bed = stack.use(await openBed(task, { home, note, signal }))
  })
  after(() => stack.disposeAsync())

  async function run(scenario: Scenario): Promise<RunResult> {
    const { cluster, healer } = bed
    const { setups, explain } = cluster
    const task = { scenario, cluster, healer, setups, explain, folder: faults, random: random.next }
    const result = await runScenario({ ...task, note, signal })
    for (const line of timelineOf(result)) note(line)
    const left = (await activeFaults(faults)).filter(({ kind }) => kind !== 'cluster')
    assert.deepEqual(left, [])
    return result
  }

  const upgraded = scenarioOf({
    name: 'upgraded',
    cluster: { version: '4.2.2' },
    operations: [
      {
        at: '1s',
        operation: 'upgrade',
        to: '4.3.1',
        finalize: true,
        set: { 'socket.listen.backlog.size': 77 },
      },
    ],
  })

  test('an upgrade, broker by broker: nothing is lost, nobody is called, and each broker is what it should be', async () => {
    const result = await run(upgraded)
    const missed = judge(upgraded, result).filter(({ met }) => !met)
    assert.deepEqual(missed, [], `seed ${random.seed}`)
    // A busy machine's disks may well be slow.
    assert.deepEqual(
      result.incidents!.map(({ cause }) => cause).filter(cause => cause.startsWith('broker-')),
      [],
      'a planned restart is no failure',
    )
    const [operation] = result.operations
    assert.deepEqual(operation!.brokers.map(({ broker }) => broker).sort(), [1, 2, 3])
    for (const [index, { at }] of operation!.brokers.entries())
      if (index > 0) assert.ok(at > operation!.brokers[index - 1]!.wholeAt, 'the one before was whole again')
    const { before, after } = operation!.metadataVersion
    assert.ok(after! > before!, `metadata.version ${before} → ${after}`)
    await using admin = openCluster({ bootstrap: bed.cluster.bootstrap, clientId: 'operations-it' })
    for (const broker of [1, 2, 3]) {
      const features = await admin.describeFeatures({ broker, signal })
      assert.equal(features.find(({ name }) => name === 'metadata.version')?.supported?.max, after)
      const [config] = await admin.describeConfigs([{ kind: 'broker', name: String(broker) }], { signal })
      assert.equal(config!.entries.get('socket.listen.backlog.size')?.value, '77')
    }
  })

  test('a downgrade below what is finalized is refused before any broker is touched', async () => {
    const planned = scenarioOf({
      name: 'downgraded',
      cluster: { version: '4.2.2' },
      load: { duration: '1s' },
      operations: [
        { at: '0s', operation: 'upgrade', to: '4.3.1' },
        { at: '1s', operation: 'downgrade', to: '4.2.2' },
      ],
    })
    // Its file could not say so: by it the cluster was never finalized at 4.3.1.
    const result = await run({ ...planned, operations: planned.operations.slice(1) })
    const [operation] = result.operations
    assert.equal(operation!.state, 'refused')
    assert.match(operation!.reason!, /4\.2\.2 cannot run this cluster: metadata\.version is finalized at/)
    assert.deepEqual(operation!.brokers, [])
  })

  test('a setting that Kafka does not take while it runs is refused, in its own words; one that it takes is in force', async () => {
    const scenario = scenarioOf({
      name: 'configured',
      load: { duration: '1s' },
      operations: [
        { at: '0s', operation: 'configure', set: { 'num.io.threads': 5 } },
        { at: '0s', operation: 'configure', set: { 'socket.listen.backlog.size': 60 } },
        { at: '0s', operation: 'restart' },
      ],
    })
    const { operations, records } = await run(scenario)
    assert.deepEqual(
      operations.map(({ state }) => state),
      ['done', 'refused', 'skipped'],
    )
    assert.match(operations[1]!.reason!, /socket\.listen\.backlog\.size/)
    assert.deepEqual([records.lost, records.duplicated], [0, 0])
  })
})
