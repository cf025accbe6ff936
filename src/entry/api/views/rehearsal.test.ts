import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionOutcome, Rehearsal } from '../../../operations/mirror/failover/rehearsal.ts'
import { rehearsalModel } from '../models.ts'
import { rehearsalAnswer } from './rehearsal.ts'

const none = { atLeast: 0, atMost: 0 }
const partition = (number: number, more: Partial<PartitionOutcome>): PartitionOutcome => ({
  topic: 'orders',
  partition: number,
  sourceEnd: 10,
  targetEnd: 10,
  toCopy: 0,
  lost: none,
  lostOffsets: null,
  note: '',
  ...more,
})
const rehearsal = (more: Partial<Rehearsal>): Rehearsal => ({
  action: 'promote',
  planned: true,
  consents: [],
  stay: false,
  link: 'edge-hub',
  at: 1,
  allowed: true,
  forbids: [],
  notes: [],
  partitions: [],
  groups: [],
  lost: none,
  again: none,
  skipped: none,
  writers: { closed: [], opened: [] },
  steps: ['stop-link'],
  pauseMs: null,
  pauseBasis: '',
  ...more,
})

test('of thousands of partitions those are answered that would lose most, and what nobody can bound comes first', () => {
  const quiet = Array.from({ length: 4_000 }, (_, i) => partition(i, {}))
  const losing = Array.from({ length: 700 }, (_, i) =>
    partition(4_000 + i, { lost: { atLeast: i + 1, atMost: i + 1 } }),
  )
  const unknown = partition(4_700, { lost: { atLeast: 0, atMost: null } })
  const answer = rehearsalAnswer(rehearsal({ partitions: [...quiet, ...losing, unknown] }))
  assert.equal(answer.partitionsInAll, 4_701)
  assert.equal(answer.partitions.length, 500)
  assert.deepEqual(
    answer.partitions.slice(0, 2).map(each => each.partition),
    [4_700, 4_699],
  )
  assert.deepEqual(rehearsalModel.parse(answer), answer)
})

test('the command says just what was rehearsed', () => {
  const commandOf = (more: Partial<Rehearsal>): string => rehearsalAnswer(rehearsal(more)).command
  assert.equal(commandOf({}), './ajna link promote edge-hub')
  assert.equal(
    commandOf({ planned: false, consents: ['accept-loss', 'unfenced'] }),
    './ajna link promote edge-hub --unplanned --accept-loss --unfenced',
  )
  assert.equal(commandOf({ action: 'demote', planned: false, stay: true }), './ajna link demote edge-hub')
  assert.equal(commandOf({ action: 'failback', stay: true }), './ajna link failback edge-hub --stay')
})
