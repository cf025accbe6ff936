import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type SweptFolder, sweptFolder } from '../../../../test/fleets/sweeper.ts'
import { adopt, start } from '../../../foundation/process/run.ts'
import type { NetworkEffect, TestedCluster, TestedNode } from '../contract.ts'
import { type ArmedFault, armFault } from '../inject.ts'
import { activeFaults, endedFaults } from '../leases/record.ts'
import type { Asked, Said } from '../testing/parties.ts'
import { markConnections } from './network.ts'
import { CLIENTS, gidOf } from './rules.ts'

/**
 * The test runs once more in a network of its own, where it does its work: two brokers in name, in their groups, and this
 * process as their client.
 */
const INSIDE = 'AJNA_TEST_NETWORK'
const PARTY = fileURLToPath(new URL('../testing/party.ts', import.meta.url))
const COORDINATOR = fileURLToPath(new URL('../testing/coordinator.ts', import.meta.url))
const DEADLINE_MS = 60_000
const run = promisify(execFile)

if (process.env[INSIDE] === undefined)
  test('faults in the network, in a network of its own', { timeout: 150_000 }, async () => {
    const env = {
      ...process.env,
      [INSIDE]: await readlink('/proc/self/ns/net'),
      NODE_TEST_CONTEXT: undefined,
    }
    const args = [
      '--net',
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(import.meta.url),
    ]
    const child = spawn('unshare', args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
    const [code] = await once(child, 'exit')
    assert.equal(code, 0)
  })
else
  describe('two brokers and their client', () => {
    const signal = AbortSignal.timeout(140_000)
    let folder: SweptFolder
    let cluster: TestedCluster
    let nodes: readonly [TestedNode, TestedNode]
    let one: Party
    let two: Party

    before(async () => {
      assert.notEqual(await readlink('/proc/self/ns/net'), process.env[INSIDE])
      await run('ip', ['link', 'set', 'lo', 'up'])
      folder = await sweptFolder('ajna-network-')
      const node = (id: number): TestedNode => ({
        id,
        settings: '',
        network: { gid: gidOf(id), ports: [7_000 + id] },
        process: {
          name: `party-${id}`,
          command: 'setpriv',
          args: [
            '--regid',
            `${gidOf(id)}`,
            '--clear-groups',
            process.execPath,
            PARTY,
            `${7_000 + id}`,
            `${8_000 + id}`,
            // It does not look at it: who clears up knows it by this.
            folder.path,
          ],
          runDir: join(folder.path, 'run'),
          consoleFile: join(folder.path, `party-${id}.log`),
        },
      })
      nodes = [node(1), node(2)]
      cluster = { name: 'parties', version: '-', bootstrap: [], nodes }
      // As of a cluster before, whose ports are others'.
      const before = nodes.map(({ id }) => ({ id, network: { gid: gidOf(id), ports: [6_000 + id] } }))
      for (const each of [before, nodes, nodes]) await markConnections(each)
      await Promise.all(nodes.map(({ process: spec }) => start(spec)))
      ;[one, two] = await Promise.all([partyAt(8_001, signal), partyAt(8_002, signal)])
    })
    after(() => folder[Symbol.asyncDispose]())

    const arm = (network: NetworkEffect): Promise<ArmedFault> =>
      armFault({
        folder: join(folder.path, 'faults'),
        cluster,
        node: nodes[0],
        plan: { kind: network.act.kind, times: 1, everyMs: 1, network },
        purpose: 'a test',
        leaseMs: DEADLINE_MS,
      })

    /** Does something to the first broker's network while the work goes on. */
    async function during(network: NetworkEffect, work: () => Promise<void>): Promise<void> {
      const fault = await arm(network)
      try {
        await fault.begin(signal)
        await work()
      } finally {
        await fault.revert('the test is done')
      }
    }

    test('however many clusters were in the network before, connections are marked for the last one, once', async () => {
      const { stdout } = await run('iptables', ['-t', 'mangle', '-S'])
      const rules = stdout.split('\n').filter(line => line.startsWith('-A '))
      const marks = rules.filter(line => line.includes('--set-'))
      assert.equal(marks.length, 4, stdout)
      assert.ok(marks.every(line => /--dports 700[12] /.test(line)))
      assert.equal(rules.length, 5, 'and one that leads there')
    })

    test('a partition between brokers stops what they say to each other, and nothing else', async () => {
      await bothConnected()
      await during({ way: 'both', from: [2], act: { kind: 'partition' } }, async () => {
        const before = [await one.look(), await two.look()]
        await Promise.all([one.send(10), two.send(10)])
        const client = connect(7_001, '127.0.0.1')
        client.write('x'.repeat(1_000))
        await until(async () => (await one.look()).received >= before[0]!.received + 1_000)
        assert.equal((await one.look()).received, before[0]!.received + 1_000, 'of the client alone')
        assert.equal((await two.look()).received, before[1]!.received)
        client.destroy()
      })
      // What was lost is sent again.
      await until(async () => (await one.look()).echoed === 10 && (await two.look()).echoed === 10)
    })

    test('a one-way partition: what the broker sends goes out, what it is sent is lost; and the other way round', async () => {
      for (const [way, heard, deaf] of [
        ['in', two, one],
        ['out', one, two],
      ] as const) {
        await bothConnected()
        const before = [await heard.look(), await deaf.look()]
        await during({ way, from: [2], act: { kind: 'partition' } }, async () => {
          await Promise.all([one.send(10), two.send(10)])
          await until(async () => (await heard.look()).received === before[0]!.received + 10)
          assert.equal((await deaf.look()).received, before[1]!.received, way)
        })
        await until(async () => (await one.look()).echoed === 10 && (await two.look()).echoed === 10)
      }
    })

    test('a reset ends connections at once, of clients only when they are meant', async () => {
      await bothConnected()
      const client = connect(7_001, '127.0.0.1')
      const ended = once(client, 'error')
      await during({ way: 'both', from: [2], act: { kind: 'reset' } }, async () => {
        await one.send(10)
        await until(async () => (await one.look()).broken === 'ECONNRESET')
        const { received } = await one.look()
        client.write('x')
        await until(async () => (await one.look()).received === received + 1)
      })
      await during({ way: 'both', from: [CLIENTS], act: { kind: 'reset' } }, async () => {
        client.write('x')
        const [error] = (await ended) as [NodeJS.ErrnoException]
        assert.equal(error.code, 'ECONNRESET')
      })
    })

    test('a throttle lets so much pass and no more', async () => {
      const BYTES = 20_000_000
      await bothConnected()
      const unlimited = await timed(async () => {
        await one.send(BYTES)
        await until(async () => (await one.look()).echoed === BYTES)
      })
      const limit: NetworkEffect = {
        way: 'out',
        from: [2],
        act: { kind: 'throttle', bytesPerSecond: 1_000_000 },
      }
      await bothConnected()
      await during(limit, async () => {
        await one.send(BYTES)
        const before = await two.look()
        const ms = await timed(() =>
          until(async () => (await two.look()).received > before.received + 500_000),
        )
        assert.ok(ms > 0)
        await sleep(Math.max(1_000, 2 * unlimited))
        const passed = (await two.look()).received - before.received
        assert.ok(passed < BYTES / 2, `${passed} bytes in ${ms + Math.max(1_000, 2 * unlimited)} ms`)
      })
      await until(async () => (await one.look()).echoed === BYTES)
    })

    test('a delay: connections made before are reset, bytes of those made since come late, others are as they were', async () => {
      const late: NetworkEffect = {
        way: 'both',
        from: [2],
        act: { kind: 'delay', byMs: 300, jitterMs: 50, seed: 7 },
      }
      await bothConnected()
      const client = connect(7_001, '127.0.0.1')
      await once(client, 'connect')
      await during(late, async () => {
        await one.send(10)
        await until(async () => (await one.look()).broken === 'ECONNRESET')
        for (const [party, other] of [
          [one, 7_002],
          [two, 7_001],
        ] as const) {
          await party.connect(other)
          const ms = await timed(async () => {
            await party.send(200_000)
            await until(async () => (await party.look()).echoed === 200_000)
          })
          assert.ok(ms >= 500, `there and back after ${ms} ms`)
        }
        const { received } = await one.look()
        client.write('x')
        await until(async () => (await one.look()).received === received + 1)
      })
      client.destroy()
      const [ended] = await endedFaults(join(folder.path, 'faults'))
      assert.match(ended!.undone, /took away chain delay-.*; ended relay-/)
      await bothConnected()
      await one.send(10)
      await until(async () => (await one.look()).echoed === 10)
    })

    for (const kind of ['partition', 'delay'] as const)
      test(`a coordinator killed -9 leaves nothing of a ${kind} behind`, () => killed(kind))

    async function killed(kind: 'partition' | 'delay'): Promise<void> {
      const args = [join(folder.path, 'faults'), JSON.stringify(cluster), '1', kind, `${DEADLINE_MS}`]
      const coordinator = spawn(process.execPath, [COORDINATOR, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await begun(coordinator)
      const rulesOf = async (table: string) =>
        (await run('iptables', ['-t', table, '-S'])).stdout
          .trim()
          .split('\n')
          .filter(rule => !rule.startsWith('-P'))
      const rules = async () => [...(await rulesOf('filter')), ...(await rulesOf('nat'))]
      assert.ok((await rules()).length > 0)
      coordinator.kill('SIGKILL')
      await until(async () => (await activeFaults(join(folder.path, 'faults'))).length === 0)
      assert.deepEqual(await rules(), [])
      const relays = await Promise.all(
        (await readdir(join(folder.path, 'run'))).map(async file => {
          const [name] = /^relay-[0-9a-f]+(?=\.json$)/.exec(file) ?? []
          return name === undefined ? undefined : adopt(join(folder.path, 'run'), name)
        }),
      )
      assert.deepEqual(
        relays.filter(each => each !== undefined),
        [],
      )
      await bothConnected()
    }

    async function bothConnected(): Promise<void> {
      await Promise.all([one.connect(7_002), two.connect(7_001)])
      assert.deepEqual([(await one.look()).broken, (await two.look()).broken], [null, null])
    }

    async function until(holds: () => Promise<boolean>): Promise<void> {
      while (!(await holds())) await sleep(20, undefined, { signal })
    }
  })

async function begun(coordinator: ChildProcess): Promise<void> {
  await Promise.race([
    once(coordinator.stdout!, 'data'),
    once(coordinator, 'exit').then(([code]) => assert.fail(`it ended with ${code}`)),
  ])
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

interface Party {
  look(): Promise<Said>
  connect(port: number): Promise<Said>
  send(bytes: number): Promise<Said>
}

/** Over its control port. */
async function partyAt(port: number, signal: AbortSignal): Promise<Party> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const made = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
    ])
    if (!made) {
      await sleep(50, undefined, { signal })
      continue
    }
    socket.unref()
    const lines = createInterface({ input: socket })
    const ask = async (asked: Asked): Promise<Said> => {
      socket.write(`${JSON.stringify(asked)}\n`)
      const [line] = (await once(lines, 'line', { signal })) as [string]
      return JSON.parse(line) as Said
    }
    return {
      look: () => ask({ do: 'look' }),
      connect: to => ask({ do: 'connect', port: to }),
      send: bytes => ask({ do: 'send', bytes }),
    }
  }
}
