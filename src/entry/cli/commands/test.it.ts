import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type SweptFolder, sweptFolder } from '../../../../test/fleets/sweeper.ts'
import { isStopped } from '../../../operations/faults/inject.ts'
import { activeFaults } from '../../../operations/faults/leases/record.ts'
import type { TestEvent, TestResult, TestSummary } from '../../../operations/faults/records/model.ts'
import type { RunReport } from '../../../operations/faults/report.ts'
import { homeAt } from '../../home.ts'

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEADLINE_MS = 120_000
/** Whole fleets use it too, but not while rooms are tested. */
const PORT_BASE = process.env['AJNA_TEST_PORT_BASE'] ?? '22000'

const PORTS_EACH = 100

/** One node where nothing depends on there being more: it starts sooner. */
const scenario = (nodes: 1 | 3, faults: string, incident?: string): string => `name: by-the-program
seed: 7
cluster: { nodes: ${nodes}, partitions: 3 }
load: { rate: 100, duration: 1s }
faults: [${faults}]
expect: { lost: 0, duplicated: 0, redundancyRestored: true${incident === undefined ? '' : `, incident: ${incident}`} }
`

/** Two at a time: each waits for brokers most of its time, in a state directory of its own. */
describe('ajna test, as a user types it', { timeout: 500_000, concurrency: 2 }, () => {
  let folder: SweptFolder
  before(async () => {
    folder = await sweptFolder('ajna-test-program-')
  })
  after(() => folder[Symbol.asyncDispose]())

  let homes = 0
  function newHome() {
    const number = homes++
    const home = homeAt(join(folder.path, `home-${number}`))
    const env = {
      ...process.env,
      AJNA_HOME: home.root,
      AJNA_PORT_BASE: String(Number(PORT_BASE) + number * PORTS_EACH),
    }
    const begin = (...args: readonly string[]) =>
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, 'test', ...args], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    const active = () => activeFaults(home.faults)
    async function ajna(...args: readonly string[]) {
      const child = begin(...args)
      const [out, err, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'exit'),
      ])
      return { code: code as number, out, err }
    }
    return {
      begin,
      active,
      ajna,
      /** As they are listed, newest first. */
      listed: async () => JSON.parse((await ajna('list', '--json')).out) as readonly TestSummary[],
      async nothingIsLeft(): Promise<boolean> {
        const clusters = await readdir(join(home.faults, 'clusters')).catch(() => [])
        return clusters.length === 0 && (await active()).length === 0
      },
    }
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

  test('a broker is killed with the healer at work: told of, healed, nothing lost, and on the page', async () => {
    const { ajna, listed, nothingIsLeft } = newHome()
    const killed = scenario(3, '{ at: 1s, fault: kill, broker: leader }', 'broker-dead, remedy: unregister')
    const page = join(folder.path, 'report.html')
    const file = await fileOf('healed.yaml', killed)
    const said = ['--reason', 'before the release', '--by', 'ada']
    const { code, out, err } = await ajna('run', file, '--json', '--report', page, ...said)
    assert.equal(code, 0, err)
    const report = JSON.parse(out) as RunReport
    assert.deepEqual([report.met, report.seed, report.healer], [true, 7, 'ajna'])
    assert.deepEqual([report.records.lost, report.records.duplicated], [0, 0])
    assert.ok(report.records.acknowledged > 0)
    const { healing, revertedMs } = report.faults[0]!
    const [incident] = healing!.incidents
    assert.deepEqual(
      [incident!.cause, incident!.remedy, incident!.state],
      ['broker-dead', 'unregister', 'healed'],
    )
    const order = [0, healing!.detectionMs!, healing!.actedMs!, incident!.availableMs!, incident!.healedMs!]
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    )
    assert.ok(revertedMs > 0, 'its agent has started it')
    assert.match(await readFile(page, 'utf8'), /✓ as expected.*acts: unregister/s)
    assert.ok(await nothingIsLeft())
    const [kept] = await listed()
    assert.deepEqual(
      [kept!.state, kept!.by, kept!.reason, kept!.lost],
      ['met', 'ada', 'before the release', 0],
    )
    const whole = await ajna('show', kept!.id, '--json')
    const { events, result } = JSON.parse(whole.out) as {
      events: readonly TestEvent[]
      result: TestResult
    }
    const marks = events.flatMap(event => (event.kind === 'mark' ? [event.mark] : []))
    for (const mark of ['fault', 'detected', 'acted', 'available', 'healed', 'over'] as const)
      assert.ok(marks.includes(mark), `${mark} is marked`)
    assert.ok(events.some(event => event.kind === 'sample' && event.perSecond > 0))
    assert.equal(result.report!.records.acknowledged, report.records.acknowledged)
    assert.match((await ajna('show', kept!.id)).out, /as expected[\s\S]*by ada: before the release/)
    assert.equal((await ajna('show', '../../etc')).code, 2)
    console.log(`# detected, acted, available, healed after ${order.slice(1).join(', ')} ms`)
  })

  test('a scenario in which all is well fails when its alert stays silent', async () => {
    const { ajna, nothingIsLeft } = newHome()
    const blink = scenario(1, '{ at: 1s, fault: freeze, broker: any, for: 200ms }', 'broker-frozen')
    const { code, out, err } = await ajna('run', await fileOf('silent.yaml', blink), '--json')
    assert.equal(code, 1, err)
    const { expectations } = JSON.parse(out) as RunReport
    assert.deepEqual(
      expectations.filter(({ met }) => !met).map(({ what, found }) => `${what}: ${found}`),
      ['incident: none: the alert stayed silent'],
    )
    assert.ok(await nothingIsLeft())
  })

  test('what is hostile is refused with exit code 2, a scenario with its line, and starts nothing', async () => {
    const { ajna, listed, nothingIsLeft } = newHome()
    const hostile = scenario(
      3,
      '{ at: -1s, fault: melt, broker: any }, { at: 1s, fault: kill, broker: any, for: 0s }',
    )
    const hostileFile = await fileOf('hostile.yaml', hostile)
    const good = await fileOf('good.yaml', scenario(3, ''))
    const cases: readonly (readonly [args: readonly string[], ...said: RegExp[]])[] = [
      [
        ['run', hostileFile, '--json'],
        /error CONFIG_INVALID/,
        /hostile\.yaml:5:\d+ faults\[0\]\.at: found "-1s"/,
        /hostile\.yaml:5:\d+ faults\[0\]\.fault: found "melt"/,
        /faults\[1\]\.for: found "0s"/,
      ],
      [['run', join(folder.path, 'no-such-file.yaml')], /CONFIG_INVALID.*no-such-file/],
      [['run', good, '--report', join(folder.path, 'nowhere', 'a.html')], /TEST_REPORT_UNWRITABLE/],
      [['failures', '--kinds', 'meteor'], /TEST_KIND_UNKNOWN.*meteor/],
      [['failures', '--runs', '1000000'], /1000000/],
      [['failures', '--compare', good], /CONFIG_INVALID.*good\.yaml/s],
    ]
    const answers = await Promise.all(cases.map(([args]) => ajna(...args)))
    for (const [index, { code, out, err }] of answers.entries()) {
      assert.equal(code, 2, err)
      assert.equal(out, '')
      for (const said of cases[index]!.slice(1) as RegExp[]) assert.match(err, said)
    }
    assert.ok(await nothingIsLeft())
    assert.deepEqual(await listed(), [])
  })

  test('faults are listed while they last; killed -9 in the middle of one, the program leaves neither it nor its cluster', async () => {
    const { begin, ajna, active, listed: tests, nothingIsLeft } = newHome()
    const file = await fileOf(
      'kill.yaml',
      scenario(1, '{ at: 1s, fault: freeze, broker: controller, for: 5m }'),
    )
    const child = begin('run', file, '--healer', 'off')
    await until('the fault begins', async () => {
      const fault = (await active()).find(({ kind }) => kind === 'freeze')
      return fault?.back.kind === 'wake' && isStopped(fault.back.process.pid)
    })
    const [json, table, second] = await Promise.all([
      ajna('faults', '--json'),
      ajna('faults'),
      ajna('run', file),
    ])
    const listed = JSON.parse(json.out) as { kind: string; overdue: unknown }[]
    assert.deepEqual(
      listed.map(({ kind, overdue }) => [kind, overdue]),
      [
        ['cluster', null],
        ['freeze', null],
      ],
    )
    assert.match(table.out, /freeze-[0-9a-f]{8} .* waking process \d+ /)
    assert.deepEqual([second.code, /error TEST_RUNNING/.test(second.err)], [1, true])
    assert.deepEqual(
      (await tests()).map(({ state }) => state),
      ['running'],
    )
    child.kill('SIGKILL')
    await until('nothing is left', nothingIsLeft)
    assert.match((await ajna('faults')).out, /no fault is under way/)
    const [killed] = await tests()
    assert.equal(killed!.state, 'died')
    assert.match((await ajna('show', killed!.id)).out, /its process is gone[\s\S]*freeze broker \d/)
  })

  test('killed -9 while a broker is down for a planned restart, the program leaves neither it nor its cluster', async () => {
    const { begin, active, nothingIsLeft } = newHome()
    const planned = `${scenario(1, '')}operations: [{ at: 0s, operation: restart }]\n`
    const child = begin('run', await fileOf('restart.yaml', planned), '--healer', 'off')
    const ended = Promise.all([text(child.stderr), once(child, 'exit')])
    const early = ended.then(([err, [code]]) => assert.fail(`it ended by itself, with ${code}: ${err}`))
    early.catch(() => undefined)
    const begins = until('the broker is being stopped', async () => {
      const restart = (await active()).find(({ kind }) => kind === 'restart')
      if (restart?.back.kind !== 'run') return false
      // Watched, and its settings written anew: it is stopped next.
      return (await stat(restart.back.process.args.at(-1)!)).mtimeMs > restart.since
    })
    await Promise.race([begins, early])
    child.kill('SIGKILL')
    await until('nothing is left', nothingIsLeft)
  })

  test('Ctrl-C undoes the fault, ends the cluster and what heals it, and says so', async () => {
    const { begin, active, listed, nothingIsLeft } = newHome()
    const child = begin(
      'run',
      await fileOf('stop.yaml', scenario(1, '{ at: 1s, fault: bad-config, broker: any, for: 5m }')),
    )
    const ended = Promise.all([text(child.stderr), once(child, 'exit')])
    const early = ended.then(([err, [code]]) => assert.fail(`it ended by itself, with ${code}: ${err}`))
    early.catch(() => undefined)
    const begins = until('the fault begins', async () =>
      (await active()).some(({ kind }) => kind === 'bad-config'),
    )
    await Promise.race([begins, early])
    child.kill('SIGINT')
    const [err, [code]] = await ended
    assert.equal(code, 1)
    assert.match(err, /error TEST_STOPPED/)
    assert.ok(await nothingIsLeft())
    const [stopped] = await listed()
    assert.deepEqual([stopped!.state, stopped!.error?.code], ['stopped', 'TEST_STOPPED'])
  })
})
