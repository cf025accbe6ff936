import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProcessActivity, type ProcessEvent } from './process-activity.ts'

const life: readonly ProcessEvent[] = [
  { at: 1_000, name: 'kafka-edge-1', kind: 'exited', pid: 7, code: null, signal: 'SIGKILL', expected: false },
  { at: 1_000, name: 'kafka-edge-1', kind: 'restarting', afterMs: 200 },
  { at: 1_300, name: 'kafka-edge-1', kind: 'started', pid: 8, adopted: false },
  { at: 6_000, name: 'kafka-edge-1', kind: 'ready', afterMs: 4_700 },
]

test('a killed broker is one entry from its end to its being ready again', () => {
  const tell = createProcessActivity('agent')
  const entries = life.flatMap(event => tell(event) ?? [])
  assert.equal(new Set(entries.map(entry => entry.id)).size, 1)
  assert.deepEqual(
    entries.map(entry => entry.outcome),
    ['running', 'running', 'done'],
  )
  assert.equal(entries.at(-1)?.summary, 'kafka-edge-1 ended by SIGKILL; ready again after 5.0 s')
  assert.deepEqual(entries.at(-1)?.subject, { kind: 'broker', name: '1', cluster: 'edge' })
})

test('events told twice make the same entries', () => {
  const once = life.map(createProcessActivity('agent'))
  assert.deepEqual(life.map(createProcessActivity('agent')), once)
})

test('an end that was asked for is no entry; giving up is a failure', () => {
  const tell = createProcessActivity('up')
  assert.equal(tell({ at: 1, name: 'mirror', kind: 'exited', pid: 1, code: 0, expected: true }), undefined)
  tell({ at: 2, name: 'mirror', kind: 'exited', pid: 2, code: 1, signal: null, expected: false })
  const entry = tell({ at: 3, name: 'mirror', kind: 'gave-up', reason: 'crashed 6 times in 9.0 s' })
  assert.equal(entry?.outcome, 'failed')
  assert.equal(entry?.summary, 'mirror ended with exit code 1; given up: crashed 6 times in 9.0 s')
})

test('what an earlier life of the watcher had begun to tell is told to its end', () => {
  const entry = createProcessActivity('agent')(life[0]!)!
  const after = createProcessActivity('agent', [entry])
  assert.equal(after({ at: 4_000, name: 'kafka-edge-1', kind: 'started', pid: 8, adopted: true }), undefined)
  const told = after({ at: 6_000, name: 'kafka-edge-1', kind: 'ready', afterMs: 10 })
  assert.equal(told?.id, entry.id)
  assert.equal(told?.outcome, 'done')
})
