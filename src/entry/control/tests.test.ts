import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestSummary, testStates } from '../../operations/faults/records/model.ts'
import { activity, supersedes } from '../../operations/fleet/activity/contract.ts'
import { entryOf } from './tests.ts'

const summary: TestSummary = {
  ...{ id: '20261126-151200-3f9c2a', what: 'scenario', name: 'leader-killed', kinds: [], runs: 1, seed: 7 },
  ...{ healer: true, startedAt: 1_000, by: 'ada', reason: 'before the release', state: 'running' },
  ...{ endedAt: null, availabilityRestoredMs: null, redundancyRestoredMs: null, acknowledged: null },
  ...{ lost: null, duplicated: null, error: null, stopped: null },
}

test('a test is in the activity with who and why, and told anew once, when it has ended in whatever way', () => {
  const begun = entryOf(summary, 'two-sites')
  assert.deepEqual([begun.actor, begun.reason, begun.outcome], ['ada', 'before the release', 'running'])
  for (const state of testStates.filter(each => each !== 'running')) {
    const endedAt = state === 'died' ? null : 2_000
    const ended = entryOf({ ...summary, state, endedAt }, 'two-sites')
    assert.ok(activity.safeParse(ended).success, state)
    assert.ok(supersedes(ended, begun), state)
    assert.equal(ended.id, begun.id)
    assert.ok(ended.outcome !== 'running', state)
  }
  const stopped = { at: 1_500, by: 'grace', reason: 'the machine is needed' }
  const ended = entryOf({ ...summary, state: 'stopped', endedAt: 2_000, stopped }, 'two-sites')
  assert.ok(ended.evidence.some(({ value }) => value === 'by grace: the machine is needed'))
})
