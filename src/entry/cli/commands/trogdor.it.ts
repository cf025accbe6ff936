import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type SweptFolder, sweptFolder } from '../../../../test/fleets/sweeper.ts'
import { isAlive } from '../../../foundation/process/identity.ts'
import { isStopped } from '../../../operations/faults/inject.ts'
import { activeFaults, endedFaults } from '../../../operations/faults/leases/record.ts'
import { parseCommentedJson } from '../../../operations/faults/trogdor/spec/json.ts'
import { apiOf } from '../../../operations/faults/trogdor/testing/api.ts'
import {
  networkPartition,
  processStop,
  roundTripWorkload,
  simpleProduceBench,
} from '../../../operations/faults/trogdor/testing/specs.ts'
import { type Home, homeAt } from '../../home.ts'

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEADLINE_MS = 120_000
/** Of what whole fleets use when no room is tested, a part that other tests of the program leave alone. */
const PORT_BASE = String(Number(process.env['AJNA_TEST_PORT_BASE'] ?? '22000') + 800)

describe('ajna test trogdor, as a user types it', { timeout: 280_000 }, () => {
  let folder: SweptFolder
  let home: Home
  before(async () => {
    folder = await sweptFolder('ajna-trogdor-program-')
    home = homeAt(join(folder.path, 'home'))
  })
  after(() => folder[Symbol.asyncDispose]())

  const begin = (...args: readonly string[]) =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, 'test', 'trogdor', ...args], {
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

  /** Its address, and the bootstrap addresses of its cluster if it has one, once it serves. */
  async function served(child: ChildProcess): Promise<{ address: string; bootstrap: string }> {
    let bootstrap = ''
    const said: string[] = []
    for await (const line of createInterface({ input: child.stderr! })) {
      said.push(line)
      bootstrap = /bootstrapServers: ([^;]+)/.exec(line)?.[1] ?? bootstrap
      const address = /coordinator is at (http:\S+)/.exec(line)?.[1]
      if (address === undefined) continue
      child.stderr!.resume()
      return { address, bootstrap }
    }
    throw new Error(`it did not serve: ${said.join('\n')}`)
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, `${what}: not within ${DEADLINE_MS} ms`)
      await delay(50)
    }
  }

  async function fileOf(name: string, content: string): Promise<string> {
    const file = join(folder.path, name)
    await writeFile(file, content)
    return file
  }

  test('a coordinator killed -9 in the middle of a ProcessStopFault leaves no fault, and tells of it when it is back', async () => {
    const child = begin('serve', '--port', '0', '--nodes', '1')
    const { address, bootstrap } = await served(child)
    const api = apiOf(address)
    const fault = JSON.parse(processStop) as Record<string, unknown>

    // Another coordinator of the same state directory is refused.
    const second = await ajna('serve', '--port', '0')
    assert.deepEqual([second.code, /error TROGDOR_RUNNING/.test(second.err)], [1, true], second.err)

    // One specification, run from its file on the cluster that it names, while the coordinator serves.
    const spec = roundTripWorkload.replace('localhost:9092', bootstrap)
    const ran = await ajna('run', await fileOf('round.json', spec), '--json')
    assert.equal(ran.code, 0, ran.err)
    const told = JSON.parse(ran.out) as { state: string; status: unknown }
    assert.deepEqual([told.state, told.status], ['DONE', { totalUniqueSent: 100, totalReceived: 100 }])

    // A fault that is stopped is taken back before its task is done.
    await api.create('brief', fault)
    await until(
      'the broker is frozen',
      async () => (await api.task('brief')).status === 'stopped kafka.Kafka',
    )
    const [brief] = (await activeFaults(home.faults)).filter(({ kind }) => kind === 'freeze')
    assert.ok(brief?.back.kind === 'wake')
    assert.ok(await isStopped(brief.back.process.pid))
    await api.call('PUT', '/task/stop', { id: 'brief' })
    const done = await api.in('brief', 'DONE')
    assert.deepEqual([done.status, done.cancelled, done.error], ['resumed kafka.Kafka', true, undefined])
    assert.equal(await isStopped(brief.back.process.pid), false)

    await api.create('long', { ...fault, durationMs: 3_600_000 })
    await api.create('later', {
      class: 'org.apache.kafka.trogdor.task.NoOpTaskSpec',
      startMs: 4_102_444_800_000,
      durationMs: 1,
    })
    await until('the broker is frozen', async () => (await api.task('long')).status === 'stopped kafka.Kafka')
    const left = await activeFaults(home.faults)
    assert.deepEqual(left.map(({ kind }) => kind).sort(), ['cluster', 'freeze'])
    const frozen = left.find(({ kind }) => kind === 'freeze')!.back
    assert.ok(frozen.kind === 'wake' && (await isStopped(frozen.process.pid)))
    child.kill('SIGKILL')
    await until('nothing is left', async () => {
      const clusters = await readdir(join(home.faults, 'clusters')).catch(() => [])
      return clusters.length === 0 && (await activeFaults(home.faults)).length === 0
    })
    assert.equal(await isAlive(frozen.process), false)

    const again = begin('serve', '--port', '0')
    const back = apiOf((await served(again)).address)
    const long = await back.task('long')
    assert.equal(long.state, 'DONE')
    assert.match(long.error ?? '', /the coordinator ended while the task ran/)
    assert.equal((await back.task('later')).state, 'PENDING')
    assert.equal((await back.task('brief')).cancelled, true)
    assert.deepEqual(await back.call('PUT', '/shutdown', {}), { status: 200, body: {} })
    const [code] = again.exitCode === null ? await once(again, 'exit') : [again.exitCode]
    assert.equal(code, 0)
  })

  test('a NetworkPartitionFault disturbs a workload on a cluster of its own, loses nothing, and is taken back', async () => {
    const workload = {
      ...(parseCommentedJson(simpleProduceBench, 'workload') as object),
      bootstrapServers: '',
      targetMessagesPerSec: 200,
      maxMessages: 2_000,
      activeTopics: {
        parted: { numPartitions: 6, replicationFactor: 3, configs: { 'min.insync.replicas': '2' } },
      },
      inactiveTopics: {},
    }
    const files = [
      await fileOf('workload.json', JSON.stringify(workload)),
      await fileOf(
        'partition.json',
        networkPartition.replace('"startMs": 1000', '"startMs": 0').replace('30000', '5000'),
      ),
    ]
    const { code, out, err } = await ajna('run', ...files, '--nodes', '3', '--json')
    assert.equal(code, 0, err)
    const { tasks } = JSON.parse(out) as { tasks: Record<string, { status: unknown }> }
    assert.equal(tasks['partition']!.status, 'removed network partition')
    assert.equal((tasks['workload']!.status as { totalSent: number }).totalSent, 2_000)
    const cut = (await endedFaults(home.faults)).filter(({ kind }) => kind === 'partition')
    assert.deepEqual(cut.map(({ node, by }) => [node, by]).sort(), [
      [1, 'controller'],
      [2, 'controller'],
    ])
    assert.ok(cut.every(({ undone }) => undone.startsWith('took away chain')))
    assert.deepEqual(await activeFaults(home.faults), [])
  })

  test('a specification that cannot be run says why: exit code 2 for what it is, 1 for what became of it', async () => {
    const wrong = await ajna('run', await fileOf('wrong.json', '// no class\n{ "durationMs": 5 }'))
    assert.deepEqual([wrong.code, wrong.out], [2, ''])
    assert.match(wrong.err, /error TROGDOR_CLASS_UNKNOWN: class: found nothing, allowed: one of/)
    assert.equal((await ajna('run', join(folder.path, 'no-such-file.json'))).code, 2)
    assert.equal((await ajna('serve', '--port', '99999')).code, 2)
    const refused = await ajna('run', await fileOf('refused.json', processStop))
    assert.equal(refused.code, 1)
    assert.match(refused.out, /FAILED: ProcessStopFault: there is no cluster .* --nodes/)
  })
})
