import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, type TestFn, test } from 'node:test'
import { dataOf } from '../../src/entry/api/client.ts'
import { askAgent } from '../../src/entry/control/agents.ts'
import { readFleetFile } from '../../src/entry/fleet-file.ts'
import { pidFile } from '../../src/foundation/process/run.ts'
import { serverLogPath } from '../../src/operations/fleet/brokers/logging.ts'
import { smallDisk } from '../fleets/disk.ts'
import {
  accessTo,
  type FleetPlace,
  type Foreground,
  pidsOf,
  placeFleet,
  processesIn,
  type Said,
  until,
} from './harness.ts'

/** Wide: the machine may be busy with other things. */
const PATIENT_MS = 180_000
const UP_TO_DATE_MS = 120_000
const GIB = 1024 ** 3
const DISK_FULL = /No space left on device/

const spec = await readFile(new URL('two-small-sites.yaml', import.meta.url), 'utf8')
const ROLES = ['agent', 'archive', 'auditor', 'control', 'mirror']
const BROKERS = ['kafka-edge-1', 'kafka-hub-1']
const ALL = [...ROLES.slice(0, 4), ...BROKERS, 'mirror', 'up']

test('a fleet from its first start to its reset', { timeout: 900_000 }, async t => {
  await using place = await placeFleet(spec)
  const step = steps(t)
  const { home, file } = place
  const lines = lineFile(join(place.folder, 'files', 'a.log'))

  await step('where no fleet is, every command says so and leaves nothing behind', async () => {
    for (const command of ['status', 'down']) refusal(await place.ajna(command), 1, 'HOME_NOT_SET_UP')
    assert.equal((await place.ajna('reset', '--yes')).code, 0)
    assert.equal((await place.ajna('plan', '-f', file)).code, 0)
    refusal(await place.ajna('plan', '-f', join(place.folder, 'nothing.yaml')), 2, 'FLEET_FILE_MISSING')
    assert.equal(existsSync(home.root), false)
  })

  const disk = await smallDisk(home.root, 3 * GIB)

  await step('too little disk is said before anything is started, down to the last byte', async () => {
    for (const free of [8 * 1024 ** 2, 0]) {
      await disk.fillTo(free)
      for (const how of [[], ['--detach']])
        refusal(await place.ajna('up', ...how, '-f', file), 1, 'UP_DISK_FULL')
    }
    disk.resize(3 * GIB)
    assert.deepEqual(await processesIn(place), [])
  })

  let up: Foreground | undefined
  await step(
    'a start over half a formatted data directory, in the foreground; status says what runs',
    async () => {
      const data = join(home.clusters, 'edge', '1', 'data-0')
      await mkdir(data, { recursive: true })
      await writeFile(join(data, 'bootstrap.checkpoint'), 'half of a ch')
      await writeFile(join(data, 'meta.properties.12345678.new'), 'version=')
      await lines.write(100)
      up = place.begin('up', '-f', file)
      await cameUp(up)
      const said = await place.ajna('status', '--json')
      assert.equal(said.code, 0, said.err)
      const status = JSON.parse(said.out) as { up: boolean; missing: string[]; processes: { name: string }[] }
      assert.deepEqual([status.up, status.missing], [true, []])
      assert.deepEqual(status.processes.map(({ name }) => name).sort(), ALL)
    },
  )

  await step('a second start and a reset are refused, and harm nothing', async () => {
    const before = await pidsOf(place)
    const attempts = await Promise.all(
      [['up'], ['up', '--detach'], ['reset', '--yes'], ['up', '-f', file]].map(args => place.ajna(...args)),
    )
    for (const attempt of attempts) refusal(attempt, 1, 'UP_RUNNING')
    await allLinesOnce(place, lines.written())
    assert.deepEqual(await pidsOf(place), before)
  })

  await step(
    'Ctrl-C stops it in order, roles first and brokers last, and leaves nothing running',
    async () => {
      up!.interrupt()
      up!.interrupt() // an impatient user's second one changes nothing
      const { code, err } = await up!.ended
      assert.equal(code, 0, err)
      assert.deepEqual(await processesIn(place), [])
      const roleEnds = await roleEndTimes(place)
      assert.deepEqual([...roleEnds.keys()].sort(), ROLES)
      const agentEnd = roleEnds.get('agent')!
      for (const role of ROLES) assert.ok(roleEnds.get(role)! <= agentEnd, `${role} ended after the agent`)
      for (const asked of await brokersAskedToEnd(place))
        assert.ok(asked >= agentEnd, 'a broker was asked to end before the agent had')
      assert.equal((await place.ajna('status')).code, 1)
    },
  )

  await step('a port that somebody else holds is named with its holder, and nothing is started', async () => {
    const { placed } = await readFleetFile(home)
    const { client } = placed[0]!.nodes[0]!.ports
    await using _held = await holdPort(client)
    const said = await place.ajna('up', '-f', file)
    refusal(said, 1, 'PORT_TAKEN')
    assert.match(
      said.err,
      new RegExp(`port ${client}, needed for edge/1/client, is in use by .*pid ${process.pid}`),
    )
    assert.deepEqual(await processesIn(place), [])
  })

  await step('stale pid files neither keep it from starting nor hurt whose pids they name', async () => {
    const bystander = spawn('sleep', ['600'])
    try {
      const stale = {
        startTime: 12345,
        boot: 'another boot',
        name: '',
        argv: ['x'],
        since: new Date(0).toISOString(),
      }
      const write = (name: string, text: string): Promise<void> => writeFile(pidFile(home.run, name), text)
      await write('agent', JSON.stringify({ ...stale, pid: bystander.pid, name: 'agent' }))
      await write('kafka-hub-1', JSON.stringify({ ...stale, pid: 2 ** 22 - 1, name: 'kafka-hub-1' }))
      await write('mirror', '{"pid": 1')
      await write('control', JSON.stringify({ ...stale, pid: -1 }))
      const said = await place.ajna('up', '--detach', '-f', file)
      assert.equal(said.code, 0, said.err)
      assert.deepEqual(Object.keys(await pidsOf(place)), ALL)
      assert.equal(bystander.exitCode ?? bystander.signalCode, null)
    } finally {
      bystander.kill()
    }
    // The stop before it was clean: no broker had to read its logs to find out what they hold (the metadata log aside, of
    // which Kafka always reads the end).
    for (const log of await brokerLogs(place)) {
      const thisLife = log.slice(log.lastIndexOf('Starting controller')).split('\n')
      const about = (text: string): string[] =>
        thisLife.filter(line => line.includes(text) && !line.includes('__cluster_metadata'))
      assert.deepEqual(about('Recovering unflushed segment'), [])
      assert.equal(about('since clean shutdown file was found').length, 1)
    }
  })

  await step('a supervisor that is killed takes nothing along; the next start adopts what runs', async () => {
    const before = await pidsOf(place)
    process.kill(before['up']!, 'SIGKILL')
    await until('the supervisor is gone', PATIENT_MS, async () => (await pidsOf(place))['up'] === undefined)
    assert.equal((await place.ajna('status')).code, 4)
    const broken = join(place.folder, 'broken.yaml')
    await writeFile(broken, spec.replace('brokers: 1', 'brokers: none'))
    refusal(await place.ajna('up', '-f', broken), 2, 'CONFIG_INVALID')
    refusal(await place.ajna('up', '--detach', '-f', broken), 2, 'CONFIG_INVALID')
    const { up: _, ...children } = before
    assert.deepEqual(await pidsOf(place), children)
    const [first, second] = await Promise.all([place.ajna('up', '--detach'), place.ajna('up', '--detach')])
    const [won, lost] = first.code === 0 ? [first, second] : [second, first]
    assert.equal(won.code, 0, won.err)
    refusal(lost, 1, 'UP_RUNNING')
    const { up: another, ...adopted } = await pidsOf(place)
    assert.deepEqual(adopted, children)
    assert.notEqual(another, before['up'])
    assert.equal((await place.ajna('status')).code, 0)
  })

  await step(
    'a disk that fills stops brokers and nothing else; with space again all goes on by itself',
    async () => {
      const before = await pidsOf(place)
      await disk.fillTo(64 * 1024)
      await lines.write(2_000)
      await until('the brokers say that the disk is full', PATIENT_MS, async () => {
        const ends = await endsToldByAgent(place)
        return BROKERS.every(name =>
          ends.some(({ subject, reason }) => subject === name && DISK_FULL.test(reason)),
        )
      })
      await lines.write(500)
      assert.equal((await place.ajna('status')).code, 4)
      const during = await pidsOf(place)
      for (const role of ROLES) assert.equal(during[role], before[role], `${role} did not last`)
      disk.resize(3 * GIB)
      await until('all runs again', PATIENT_MS, async () => (await place.ajna('status')).code === 0)
      await allLinesOnce(place, lines.written())
      await until('it stands in the activity', PATIENT_MS, async () => {
        const query = { limit: 50, search: 'No space left' }
        const { api } = await accessTo(place)
        const { items } = dataOf(await api.GET('/api/activity', { params: { query } }))
        return BROKERS.every(name =>
          items.some(({ summary, outcome }) => summary.startsWith(name) && outcome === 'done'),
        )
      })
    },
  )

  await step('everything killed at once: the next start comes back with every line', async () => {
    const stop = lines.keepWriting()
    await until('lines flow', UP_TO_DATE_MS, async () => (await countOf(place))[0]! > 100)
    const pids = await pidsOf(place)
    assert.deepEqual(Object.keys(pids), ALL)
    const { up: supervisor, agent, ...others } = pids
    for (const pid of [supervisor!, agent!, ...Object.values(others)]) process.kill(pid, 'SIGKILL')
    await until('nothing runs', PATIENT_MS, async () => (await processesIn(place)).length === 0)
    assert.equal((await place.ajna('status')).code, 1)
    const said = await place.ajna('up', '--detach')
    assert.equal(said.code, 0, said.err)
    await stop()
    await allLinesOnce(place, lines.written())
  })

  await step('a role that keeps crashing is given up, which is said; the others go on', async () => {
    const before = await pidsOf(place)
    const { ports } = await readFleetFile(home)
    process.kill(before['archive']!, 'SIGKILL')
    await using _held = await holdPort(ports.archive)
    const { api } = await accessTo(place)
    await until('it is given up', PATIENT_MS, async () => {
      const { items } = dataOf(
        await api.GET('/api/activity', { params: { query: { limit: 50, search: 'given up' } } }),
      )
      return items.some(
        ({ summary, outcome }) =>
          /^archive .*given up: crashed \d+ times/.test(summary) && outcome === 'failed',
      )
    })
    const status = await place.ajna('status')
    assert.equal(status.code, 4)
    assert.match(status.out, /not running: archive\n/)
    const query = await place.ajna('logs', 'query', 'SELECT 1 FROM logs')
    refusal(query, 1, 'ARCHIVE_UNREACHABLE')
    const { archive: _, ...others } = before
    assert.deepEqual(await pidsOf(place), others)
  })

  await step('what a killed supervisor has left is stopped by down, also without a fleet file', async () => {
    process.kill((await pidsOf(place))['up']!, 'SIGKILL')
    await until('the supervisor is gone', PATIENT_MS, async () => (await pidsOf(place))['up'] === undefined)
    const accepted = await readFile(home.fleet)
    await writeFile(home.fleet, accepted.subarray(0, 1_000))
    refusal(await place.ajna('status'), 1, 'HOME_DAMAGED')
    const down = await place.ajna('down')
    assert.equal(down.code, 0, down.err)
    assert.deepEqual(await processesIn(place), [])
    await writeFile(home.fleet, accepted)
  })

  await step('a broker that dies at start says why, and the start ends', async () => {
    const state = join(home.clusters, 'edge', '1', 'data-0', '__cluster_metadata-0', 'quorum-state')
    await writeFile(state, '{"leaderId":')
    const said = await place.ajna('up', '--detach')
    refusal(said, 1, 'CLUSTER_NOT_UP')
    assert.match(said.err, /kafka-edge-1 ended: .*it is started again/)
    assert.match(said.err, /error CLUSTER_NOT_UP: kafka-edge-1 ended 3 times: .*quorum/i)
    assert.deepEqual(await processesIn(place), [])
  })

  await step('a reset needs a yes, and deletes what is ajna’s and nothing else', async () => {
    refusal(await place.ajna('reset'), 3, 'RESET_REFUSED')
    assert.ok(existsSync(home.fleet))
    refusal(
      await place.ajnaWith({ AJNA_HOME: join(place.folder, 'files') }, 'reset', '--yes'),
      3,
      'RESET_REFUSED',
    )
    assert.ok(existsSync(lines.path))
    await writeFile(join(home.root, 'my-notes.txt'), 'keep me')
    const said = await place.ajna('reset', '--yes')
    assert.equal(said.code, 0, said.err)
    assert.match(said.err, /left: my-notes\.txt/)
    assert.deepEqual(await readdir(home.root), ['my-notes.txt'])
  })
})

/** Subtests that build on one another: after one that fails the rest is not tried. */
function steps(t: TestContext) {
  return async (name: string, work: TestFn): Promise<void> => {
    let passed = false
    await t.test(name, async (...args) => {
      await work(...args)
      passed = true
    })
    if (!passed) throw new Error(`not so: ${name}`)
  }
}

/** Exit code, stable code, and what to do. */
function refusal({ code, err }: Said, exit: number, kind: string): void {
  assert.match(err, new RegExp(`(^|\\n)error ${kind}: .+`), err)
  assert.match(err, /\n {2}what to do: .+/, err)
  assert.doesNotMatch(err, /UNEXPECTED|\n\s+at /, err)
  assert.equal(code, exit, err)
}

async function cameUp(up: ReturnType<FleetPlace['begin']>): Promise<void> {
  const ended = up.ended.then(({ err }) => {
    throw new Error(`it ended: ${err}`)
  })
  ended.catch(() => undefined)
  await Promise.race([
    ended,
    until('it is up', PATIENT_MS, async () => up.said().includes('The fleet is up.')),
  ])
}

/** Rows and distinct lines. */
async function countOf(place: FleetPlace): Promise<number[]> {
  const [row = []] = await (await accessTo(place)).query('SELECT count(*), count(DISTINCT line) FROM logs')
  return row.map(Number)
}

async function allLinesOnce(place: FleetPlace, written: number): Promise<void> {
  await until(
    `all ${written} lines have come through`,
    UP_TO_DATE_MS,
    async () => (await countOf(place))[1]! >= written,
  )
  assert.deepEqual(await countOf(place), [written, written])
}

/** Why processes ended that were not asked to, as the agent that keeps them knows it now. */
async function endsToldByAgent({ home }: FleetPlace): Promise<{ subject: string; reason: string }[]> {
  const { ports } = await readFleetFile(home)
  const token = (await readFile(home.token, 'utf8')).trim()
  const { events } = await askAgent({ port: ports.agent, token }, AbortSignal.timeout(PATIENT_MS))
  return events
    .filter(({ kind, details }) => kind === 'process' && details['kind'] === 'exited')
    .map(({ subject, details }) => ({ subject, reason: String(details['reason']) }))
}

interface LineFile {
  readonly path: string
  write(count: number): Promise<void>
  /** Until the function it answers is called. */
  keepWriting(): () => Promise<void>
  written(): number
}

/** Numbered lines, all different. */
function lineFile(path: string): LineFile {
  let written = 0
  const write = async (count: number): Promise<void> => {
    const time = new Date().toISOString()
    const text = Array.from({ length: count }, (_, at) => `${time} line ${written + at} ${'x'.repeat(60)}\n`)
    await appendFile(path, text.join(''))
    written += count
  }
  return {
    path,
    write,
    written: () => written,
    keepWriting() {
      let going = true
      const writing = (async () => {
        while (going) {
          await write(20)
          await new Promise(resolve => setTimeout(resolve, 20))
        }
      })()
      return async () => {
        going = false
        await writing
      }
    },
  }
}

/** Listens on a port as soon as whoever had it has let go. */
async function holdPort(port: number): Promise<AsyncDisposable> {
  const server = createServer(socket => socket.destroy())
  await until(`port ${port} is held`, PATIENT_MS, async () => {
    server.listen({ port, host: '127.0.0.1' })
    await once(server, 'listening')
    return true
  })
  return {
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

/** When each role ended, as its supervisor saw it, ms since the epoch. */
async function roleEndTimes({ home }: FleetPlace): Promise<Map<string, number>> {
  const text = await readFile(join(home.logs, 'up.log'), 'utf8')
  const events = text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as { kind?: string; role?: string; at?: number })
  return new Map(events.filter(({ kind }) => kind === 'exited').map(({ role, at }) => [role!, at!]))
}

async function brokerLogs({ home }: FleetPlace): Promise<string[]> {
  const { placed } = await readFleetFile(home)
  return Promise.all(placed.flatMap(({ nodes }) => nodes.map(node => readFile(serverLogPath(node), 'utf8'))))
}

/** When each broker was last asked to end, ms since the epoch. */
async function brokersAskedToEnd(place: FleetPlace): Promise<number[]> {
  return (await brokerLogs(place)).map(log => {
    const [time] =
      [...log.matchAll(/^(\S+Z) .*Terminating process due to signal SIGTERM/gm)].at(0)?.slice(1) ?? []
    assert.ok(time !== undefined, 'a broker was not asked to end')
    return Date.parse(time)
  })
}
