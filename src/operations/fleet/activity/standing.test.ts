import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import type { JournalStanding } from './contract.ts'
import { copyEntries } from './copy.ts'
import { openOutbox } from './outbox.ts'
import { activityOnDisk, describeStanding } from './standing.ts'
import { entry } from './testing.ts'

const whole: JournalStanding = {
  state: 'following',
  cluster: 'hub',
  asOf: 1_700_000_000_000,
  awaySince: null,
  problem: null,
  waiting: 0,
}

const cases: readonly [Partial<JournalStanding>, string | undefined][] = [
  [{}, undefined],
  // On its way: nothing is wrong.
  [{ waiting: 2 }, undefined],
  [
    { waiting: 1, problem: 'too few replicas' },
    '1 entry of this machine not taken into the journal on hub yet (too few replicas)',
  ],
  [
    { state: 'away', awaySince: 1_700_000_060_000, problem: 'no broker answers', waiting: 2 },
    'the journal on hub cannot be read since 2023-11-14 22:14:20 UTC (no broker answers): shown is what it held at 2023-11-14 22:13:20 UTC, and all that this machine has told (2 entries to be carried)',
  ],
  [
    { state: 'none', cluster: null, waiting: 3 },
    'the fleet declares no topic ajna.fleet.activity: shown is what this machine has told lately',
  ],
]

for (const [changes, said] of cases)
  test(`beside the list stands: ${said ?? 'nothing, it is whole'}`, () => {
    assert.equal(describeStanding({ ...whole, ...changes }), said)
  })

test('what this machine told is listed from its disk alone, with what the journal held last', async t => {
  const folder = await temporaryFolder(t)
  const outbox = openOutbox({ directory: join(folder, 'outbox'), host: 'edge-01' })
  const copy = join(folder, 'control', 'activity.json')
  await copyEntries(copy, { asOf: 7, entries: [entry({ id: 'a', at: 2 }), entry({ id: 'b', at: 1 })] })
  await outbox.put(entry({ id: 'a', at: 2, revision: 1, outcome: 'done', endedAt: 3 }))
  await outbox.put(entry({ id: 'c', at: 3 }))
  const { entries, journal } = await activityOnDisk({ outbox, copy, cluster: 'hub' }, 'nothing answers')
  assert.deepEqual(
    entries.map(({ id, revision }) => [id, revision]),
    [
      ['b', 0],
      ['a', 1],
      ['c', 0],
    ],
  )
  assert.deepEqual(journal, {
    state: 'away',
    cluster: 'hub',
    asOf: 7,
    awaySince: 7,
    problem: 'nothing answers',
    waiting: 2,
  })
})
