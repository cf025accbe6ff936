import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sweptFolder } from '../../test/fleets/sweeper.ts'
import { openCluster } from '../foundation/kafka/admin.ts'
import { batchesIn } from '../foundation/wire/batch.ts'
import { BatchBuilder } from '../foundation/wire/build.ts'
import type { Wire } from '../foundation/wire/contract.ts'
import { recordsIn } from '../foundation/wire/records.ts'
import { openWire } from '../foundation/wire/wire.ts'
import { armFault } from '../operations/faults/inject.ts'
import { activeFaults } from '../operations/faults/leases/record.ts'
import { homeAt } from './home.ts'
import { type StartedTestCluster, startTestCluster } from './test-cluster.ts'

/** Beside those of the command's tests, which may run meanwhile. */
process.env['AJNA_PORT_BASE'] = String(Number(process.env['AJNA_TEST_PORT_BASE'] ?? '22000') + 1_100)
const HOUR_MS = 3_600_000
const LEASE_MS = 170_000

describe('the clock of a real broker is set wrong while it runs', { timeout: 180_000 }, () => {
  const signal = AbortSignal.timeout(LEASE_MS)
  const stack = new AsyncDisposableStack()
  let cluster: StartedTestCluster
  let wire: Wire
  let faults: string

  before(async () => {
    const folder = stack.use(await sweptFolder('ajna-clock-'))
    const home = homeAt(join(folder.path, 'home'))
    faults = home.faults
    const note = (what: string): void => console.log(`# ${what}`)
    cluster = stack.use(
      await startTestCluster({ home, nodes: 1, clocks: true, leaseMs: LEASE_MS, note, signal }),
    )
    const { bootstrap } = cluster
    await using admin = openCluster({ bootstrap, clientId: 'clock-it' })
    const layout = { partitions: 1, replicationFactor: 1 }
    const made = await admin.createTopics(
      [
        { name: 'create-time', layout },
        { name: 'append-time', layout, config: { 'message.timestamp.type': 'LogAppendTime' } },
      ],
      { signal },
    )
    assert.ok(made.every(({ error }) => error === null))
    wire = stack.use(openWire({ bootstrap, clientId: 'clock-it' }))
  })
  after(() => stack.disposeAsync())

  /** Appends a record of now, with the broker's clock as wrong as that; answers how far off its time is as it is read back. */
  async function wrongBy(topic: string, skewMs: number): Promise<number> {
    const node = cluster.nodes[0]!
    const plan = { kind: 'clock-skew', times: 1, everyMs: 1, skewMs } as const
    const fault = await armFault({
      folder: faults,
      cluster,
      node,
      plan,
      purpose: 'a test',
      leaseMs: LEASE_MS,
    })
    try {
      await fault.begin(signal)
      return await appendedNow(topic)
    } finally {
      await fault.revert('enough')
    }
  }

  async function appendedNow(topic: string): Promise<number> {
    const now = Date.now()
    const batch = new BatchBuilder()
    batch.add({ timestamp: now, value: Buffer.from('now') })
    await using producer = await wire.producer({}, signal)
    const { baseOffset } = await producer.append(topic, 0, batch.finish())
    await using stream = wire.fetch({ from: [{ topic, partition: 0, offset: baseOffset }], signal })
    for await (const event of stream) {
      if (event.kind !== 'batches') continue
      for (const header of batchesIn(event.bytes))
        for (const { offset, timestamp } of recordsIn(event.bytes, header))
          if (offset === baseOffset) return (header.logAppendTime ? header.maxTimestamp : timestamp) - now
    }
    assert.fail('it was not read back')
  }

  const near = (found: number, wanted: number): void =>
    assert.ok(Math.abs(found - wanted) < HOUR_MS / 4, `wrong by ${found} ms, not about ${wanted}`)

  test('times that the broker gives are its own, times that clients give stay theirs', async () => {
    near(await wrongBy('append-time', HOUR_MS), HOUR_MS)
    near(await wrongBy('append-time', -HOUR_MS), -HOUR_MS)
    near(await appendedNow('append-time'), 0)
    assert.equal(await wrongBy('create-time', HOUR_MS), 0)
    assert.deepEqual(
      (await activeFaults(faults)).map(({ kind }) => kind),
      ['cluster'],
    )
  })

  test('more than an hour behind, a broker refuses what is written now: it lies in its future', async () => {
    await assert.rejects(wrongBy('create-time', -2 * HOUR_MS), /INVALID_TIMESTAMP/)
    assert.equal(await appendedNow('create-time'), 0, 'right again, it takes it')
  })
})
