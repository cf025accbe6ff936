import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import type { Incident } from '../../heal/contract.ts'
import { TEST_STOPPED } from '../errors.ts'
import { scenarioOf } from '../scenario.ts'
import type { TestEvent, ToldResult } from './model.ts'
import { allEvents, readEvents, readTest, summaryOf, testIds } from './read.ts'
import { renderTest, renderTests } from './render.ts'
import { standingOf } from './standing.ts'
import { KEPT_TESTS, MAX_EVENTS_BYTES, MAX_RESULT_BYTES, type NewTest, openTest } from './write.ts'

const told: NewTest = {
  ...{
    what: 'scenario',
    name: 'leader-killed',
    scenario: 'name: leader-killed\n',
    kinds: [],
    runs: 1,
    seed: 7,
  },
  ...{ healer: true, by: 'ada', reason: 'before the release' },
}
const spread = { median: 900, worst: 1_200 }
const measured: ToldResult = {
  outcome: 'missed',
  error: null,
  version: '4.3.1',
  report: null,
  failures: [
    {
      ...{ kind: 'broker-kill', runs: 1, detectionMs: 200, actedMs: spread, availabilityRestoredMs: spread },
      ...{ longestGapMs: spread, revertedMs: spread, redundancyRestoredMs: { median: null, worst: null } },
      ...{ lost: 1, duplicated: 0, reordered: 0, healing: null, met: 0 },
    },
  ],
  reproduces: null,
  runs: [],
}

test('a test that is killed leaves a record that can be read, and says that it died', async t => {
  const folder = await temporaryFolder(t)
  const writer = new URL('./write.ts', import.meta.url).href
  const program = `
    const { openTest } = await import(${JSON.stringify(writer)})
    const test = await openTest(${JSON.stringify(folder)}, ${JSON.stringify(told)})
    test.note('starting')
    test.sample({ perSecond: 300, waitMs: 12, underReplicated: 0, leaderless: 0, silent: 0 })
    console.log(test.id)
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  const id = said.toString().trim()
  assert.deepEqual(await testIds(folder), [id])
  assert.equal((await readTest(folder, id))!.state, 'running')
  child.kill('SIGKILL')
  await exited
  const died = (await readTest(folder, id))!
  const { state, by, reason, seed } = summaryOf(died)
  assert.deepEqual([state, by, reason, seed], ['died', 'ada', 'before the release', 7])
  assert.equal(died.record.scenario, 'name: leader-killed\n')
  assert.deepEqual(
    (await allEvents(folder, id)).map(({ kind }) => kind),
    ['note', 'sample'],
  )
})

test('events are followed from where the last look ended; half an event is none until it is whole', async t => {
  const folder = await temporaryFolder(t)
  const writer = await openTest(folder, told)
  writer.note('one')
  writer.mark('fault', 1_000.4, 'kill: broker 1')
  const first = await readEvents(folder, writer.id, 0)
  assert.deepEqual(
    first.items.map(({ kind }) => kind),
    ['note', 'mark'],
  )
  await appendFile(join(folder, writer.id, 'events.jsonl'), '{"kind":"note","at":5,')
  const half = await readEvents(folder, writer.id, first.next)
  assert.deepEqual(half, { items: [], next: first.next, more: false })
  await appendFile(join(folder, writer.id, 'events.jsonl'), '"text":"é"}\nnot JSON\n')
  const whole = await readEvents(folder, writer.id, half.next)
  assert.deepEqual(whole.items, [{ kind: 'note', at: 5, text: 'é' }])
  assert.equal((await readEvents(folder, writer.id, 0, 80)).more, true)
  assert.deepEqual((await readEvents(folder, '../../etc', 0)).items, [])
  assert.equal(await readTest(folder, '../../etc'), undefined)
})

test('what is kept is bounded: tests, events, results', async t => {
  const folder = await temporaryFolder(t)
  for (let older = 0; older < KEPT_TESTS + 3; older++)
    await openTest(folder, { ...told, id: `20200101-000000-${String(older).padStart(6, '0')}` })
  const writer = await openTest(folder, told)
  const ids = await testIds(folder)
  assert.equal(ids.length, KEPT_TESTS)
  assert.equal(ids[0], writer.id)
  assert.equal(ids.at(-1), '20200101-000000-000004')
  const line = 'x'.repeat(1_900)
  for (let index = 0; index < 2_500; index++) writer.note(line)
  const events = await allEvents(folder, writer.id)
  assert.ok(events.length * 1_900 <= MAX_EVENTS_BYTES, `${events.length} events`)
  const run = {
    ...{ name: 'broker-kill', what: 'kill -9', expectations: [], timeline: ['y'.repeat(500_000)] },
    trace: {
      lastsS: 1,
      throughput: [],
      latency: [],
      gaps: [],
      partitions: 1,
      underReplicated: [],
      marks: [],
    },
  }
  await writer.end({ ...measured, runs: Array.from({ length: 20 }, () => run) })
  const { result } = (await readTest(folder, writer.id))!
  assert.ok(JSON.stringify(result).length <= MAX_RESULT_BYTES + 1_000)
  assert.equal(result!.runs.length + result!.runsLeftOut, 20)
  assert.ok(result!.runsLeftOut > 0)
})

test('how a test ended is told: as its figures say, stopped, failed; a damaged record is none', async t => {
  const folder = await temporaryFolder(t)
  const [missed, stopped, failed, damaged] = await Promise.all(
    ['a', 'b', 'c', 'd'].map(id => openTest(folder, { ...told, id })),
  )
  await missed!.end(measured)
  await stopped!.fail(new AjnaError(TEST_STOPPED, 'stopped by SIGTERM'))
  await failed!.fail(new Error('no disk'))
  await writeFile(join(folder, damaged!.id, 'record.json'), '{"id":')
  const found = await Promise.all((await testIds(folder)).map(id => readTest(folder, id)))
  const summaries = found.flatMap(each => (each === undefined ? [] : [summaryOf(each)]))
  assert.deepEqual(
    summaries.map(({ id, state }) => [id, state]),
    [
      ['c', 'failed'],
      ['b', 'stopped'],
      ['a', 'missed'],
    ],
  )
  const [, , first] = summaries
  assert.deepEqual(
    [first!.availabilityRestoredMs, first!.redundancyRestoredMs, first!.lost, first!.duplicated],
    [1_200, null, 1, 0],
  )
  assert.match(renderTests(summaries), /leader-killed +NOT as expected +1,200 +– +1 +ada +a/)
  assert.match(
    renderTest({ summary: summaries[1]!, result: found[2]!.result, standing: [], events: [] }),
    /leader-killed: stopped[\s\S]*by ada: before the release[\s\S]*TEST_STOPPED: stopped by SIGTERM/,
  )
  assert.deepEqual((await readdir(folder)).length, 4)
})

const scenario = scenarioOf({
  name: 'standing',
  faults: [{ at: '5s', fault: 'kill', broker: 'leader' }],
  expect: { incident: 'broker-dead', remedy: ['unregister'], availabilityRestoredWithin: '3s' },
})
const sampled = (waitMs: number, underReplicated: number): TestEvent => ({
  ...{ kind: 'sample', at: 1, perSecond: 300, waitMs, underReplicated, leaderless: 0, silent: 0 },
})
const incident = (actedAt: number | null): TestEvent => ({
  ...{ kind: 'incident', at: 2 },
  incident: {
    id: 'one',
    cause: 'broker-dead',
    actedAt,
    decision: { remedy: 'unregister' },
  } as Incident,
})

test('expectations are open until they are met or can be met no more', () => {
  const states = (events: readonly TestEvent[], healer = true, wanted = scenario) =>
    Object.fromEntries(
      standingOf(wanted, healer, events).map(({ what, state, soFar }) => [what, `${state}: ${soFar}`]),
    )
  assert.equal(states([])['records acknowledged'], 'open: none yet')
  assert.equal(states([])['availability'], 'open: no fault yet')
  const fault: TestEvent = { kind: 'mark', at: 1, mark: 'fault', text: 'kill: broker 1' }
  const during = states([sampled(12, 0), fault, sampled(1_400, 4), incident(null)])
  assert.deepEqual(during, {
    'records acknowledged': 'met: yes',
    lost: 'open: read back at the end',
    duplicated: 'open: read back at the end',
    reordered: 'open: read back at the end',
    availability: 'open: a record waits, for 1400 ms',
    redundancy: 'open: 4 under-replicated, 0 without a leader, 0 brokers silent',
    incident: 'met: broker-dead',
    remedy: 'open: none',
  })
  const healed = states([fault, sampled(12, 0), incident(null), incident(3)])
  assert.equal(healed['remedy'], 'met: unregister')
  assert.equal(healed['redundancy'], 'open: every replica in sync')
  assert.equal('incident' in states([incident(3)], false), false)
  const untouched = { ...scenario, expect: { ...scenario.expect, incident: 'none', remedy: 'none' } as const }
  assert.equal(states([incident(3)], true, untouched)['remedy'], 'missed: unregister')
  const expect = {
    ...scenario.expect,
    incident: 'partition-leaderless',
    remedy: 'none',
    proposed: true,
  } as const
  const elsewhere = states([incident(3)], true, { ...scenario, expect })
  assert.equal(elsewhere['remedy'], 'open: none')
  assert.equal(elsewhere['loss that a person is asked to accept'], 'open: nobody is asked yet')
})
