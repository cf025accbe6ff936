import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitted } from './fit.ts'
import { createProcessEntries, type ProcessEvent, unfinishedBy } from './process-entries.ts'

const agent = { actor: 'agent', host: 'edge-01' }
const since = '2026-01-01T00:00:00.000Z'
const died = { name: 'kafka-edge-1', kind: 'exited', pid: 7, since, code: null, signal: 'SIGKILL' } as const

const life: readonly ProcessEvent[] = [
  { at: 1_000, ...died, expected: false },
  { at: 1_000, name: 'kafka-edge-1', kind: 'restarting', afterMs: 200 },
  { at: 1_300, name: 'kafka-edge-1', kind: 'started', pid: 8, adopted: false },
  { at: 6_000, name: 'kafka-edge-1', kind: 'ready', afterMs: 4_700 },
]

test('a killed broker is one entry from its end to its being ready again', () => {
  const entries = life.flatMap(createProcessEntries(agent))
  assert.equal(new Set(entries.map(({ id }) => id)).size, 1)
  assert.deepEqual(
    entries.map(({ revision, outcome }) => [revision, outcome]),
    [
      [0, 'running'],
      [1, 'running'],
      [2, 'done'],
    ],
  )
  const last = entries.at(-1)!
  assert.equal(last.summary, 'kafka-edge-1 ended by SIGKILL; ready again after 5.0 s')
  assert.deepEqual(last.subject, { kind: 'broker', name: '1', cluster: 'edge' })
  assert.deepEqual(fitted(last), last)
})

test('events told twice make the same entries', () => {
  assert.deepEqual(life.flatMap(createProcessEntries(agent)), life.flatMap(createProcessEntries(agent)))
})

test('hosts, roles and lives do not share an entry', () => {
  const idOf = (teller: typeof agent, event: Partial<ProcessEvent>) =>
    createProcessEntries(teller)({ at: 1, ...died, ...event })[0]!.id
  const ids = [
    idOf(agent, {}),
    idOf({ ...agent, host: 'edge-02' }, {}),
    idOf({ ...agent, actor: 'up' }, {}),
    idOf(agent, { pid: 8 }),
    idOf(agent, { since: '2026-01-01T00:00:01.000Z' }),
  ]
  assert.equal(new Set(ids).size, ids.length)
})

test('an end that nobody saw is an entry, with what is still known of it', () => {
  const tell = createProcessEntries(agent)
  const found = { at: 9_000, name: 'kafka-edge-1', kind: 'found-ended', pid: 7, since, rebooted: false }
  const [entry] = tell({ ...found, lastLines: ['one', 'two'], reason: 'OutOfMemoryError' })
  assert.equal(entry?.summary, 'kafka-edge-1 ended unseen (OutOfMemoryError)')
  assert.deepEqual(entry.evidence, [
    { label: 'host', value: 'edge-01' },
    { label: 'process', value: `pid 7, started ${since}; found ended at its next start` },
    { label: 'last lines', value: 'one\ntwo' },
  ])
  const [restarted] = tell({ at: 9_100, name: 'kafka-edge-1', kind: 'started', pid: 8, adopted: false })
  assert.equal(restarted?.id, entry.id)
  const [rebooted] = createProcessEntries(agent)({ ...found, rebooted: true, reason: 'unknown' })
  assert.equal(rebooted?.summary, 'kafka-edge-1 ended with the machine, which was started anew')
})

test('an end that was told before its teller ended is not told again by who finds it', () => {
  const first = createProcessEntries(agent)(life[0]!)
  const tell = createProcessEntries(agent, unfinishedBy(agent, first))
  const found = { name: 'kafka-edge-1', kind: 'found-ended', pid: 7, since, rebooted: false }
  assert.deepEqual(tell({ at: 9_000, ...found }), [])
  // Nor would it be two entries, had the first one not been found.
  assert.equal(createProcessEntries(agent)({ at: 9_000, ...found })[0]?.id, first[0]!.id)
})

test('one that ends again before it is ready, or is stopped then, leaves no entry that runs for ever', () => {
  const tell = createProcessEntries(agent)
  const [first] = tell(life[0]!)
  const [before, second] = tell({ at: 2_000, ...died, pid: 8, expected: false })
  assert.deepEqual([before?.id, before?.outcome, before?.endedAt], [first!.id, 'failed', 2_000])
  assert.match(before!.summary, /; ended again before it was ready$/)
  assert.equal(second?.outcome, 'running')
  const [stopped] = tell({ at: 3_000, ...died, pid: 9, expected: true })
  assert.deepEqual([stopped?.id, stopped?.outcome], [second.id, 'failed'])
  assert.deepEqual(tell({ at: 4_000, name: 'kafka-edge-1', kind: 'ready' }), [])
})

test('an end that was asked for is no entry; giving up is a failure, even of one that never started', () => {
  const tell = createProcessEntries({ actor: 'up', host: 'edge-01' })
  assert.deepEqual(
    tell({ at: 1, name: 'mirror', kind: 'exited', pid: 1, since, code: 0, expected: true }),
    [],
  )
  tell({ at: 2, name: 'mirror', kind: 'exited', pid: 2, since, code: 1, signal: null, expected: false })
  const [entry] = tell({ at: 3, name: 'mirror', kind: 'gave-up', reason: 'crashed 6 times in 9.0 s' })
  assert.equal(entry?.outcome, 'failed')
  assert.equal(entry.summary, 'mirror ended with exit code 1; given up: crashed 6 times in 9.0 s')
  const [never] = tell({ at: 4, name: 'archive', kind: 'gave-up', reason: 'crashed 6 times in 1.0 s' })
  assert.equal(never?.summary, 'archive cannot be started; given up: crashed 6 times in 1.0 s')
})

test('what an earlier life of the watcher had begun to tell is told to its end', () => {
  const [entry] = createProcessEntries(agent)(life[0]!)
  const foreign = { ...entry!, id: 'another', actor: 'up' }
  const after = createProcessEntries(agent, unfinishedBy(agent, [entry!, foreign]))
  assert.deepEqual(after({ at: 4_000, name: 'kafka-edge-1', kind: 'started', pid: 8, adopted: true }), [])
  const [told] = after({ at: 6_000, name: 'kafka-edge-1', kind: 'ready', afterMs: 10 })
  assert.deepEqual([told?.id, told?.revision, told?.outcome], [entry!.id, 1, 'done'])
})
