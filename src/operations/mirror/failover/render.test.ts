import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rehearsal } from './rehearsal.ts'
import { boundText, renderRehearsal } from './render.ts'

test('a bound is said as a number, a range, or what is known of it', () => {
  assert.deepEqual(
    [
      { atLeast: 5, atMost: 5 },
      { atLeast: 0, atMost: 7 },
      { atLeast: 3, atMost: null },
    ].map(boundText),
    ['5', '0–7', '≥ 3'],
  )
})

test('a rehearsal is read from top to bottom: what stands in the way, what is lost, who moves, which steps', () => {
  const none = { atLeast: 0, atMost: 0 }
  const rehearsal: Rehearsal = {
    link: 'edge-hub',
    action: 'promote',
    planned: false,
    consents: [],
    stay: false,
    at: 0,
    allowed: false,
    forbids: [{ code: 'would-lose', text: 'at least 7 records would be lost', unless: 'accept-loss' }],
    notes: ['Who may write at the source was last seen yesterday.'],
    partitions: [
      {
        topic: 'orders',
        partition: 0,
        sourceEnd: 107,
        targetEnd: 100,
        toCopy: null,
        lost: { atLeast: 7, atMost: null },
        lostOffsets: { from: 100, to: 107 },
        note: 'as last seen',
      },
      {
        topic: 'orders',
        partition: 1,
        sourceEnd: 5,
        targetEnd: 5,
        toCopy: 0,
        lost: none,
        lostOffsets: null,
        note: '',
      },
    ],
    groups: [
      {
        group: 'readers',
        topic: 'orders',
        partition: 0,
        here: 55,
        there: 40,
        after: 40,
        again: { atLeast: 15, atMost: 60 },
        skipped: none,
        note: '',
      },
    ],
    lost: { atLeast: 7, atMost: null },
    again: { atLeast: 15, atMost: 60 },
    skipped: none,
    writers: { closed: [], opened: ['User:app'] },
    steps: ['stop-link', 'fence-link', 'note-ends', 'open-target'],
    pauseMs: null,
    pauseBasis: 'the source does not answer',
  }
  assert.equal(
    renderRehearsal(rehearsal),
    `Promotion of edge-hub, without the source: the target becomes the original.

Refused:
- at least 7 records would be lost (say --accept-loss to go on all the same)

Who may write at the source was last seen yesterday.

PARTITION  SOURCE END  TARGET END  TO COPY  LOST  OFFSETS  NOTE
orders-0          107         100            ≥ 7  100–106  as last seen
1 partition with nothing to copy and nothing to lose.

GROUP    PARTITION  STANDS AT  THERE  AFTER  READ AGAIN  SKIPPED  NOTE
readers  orders-0          55     40     40       15–60        0

Records lost: ≥ 7; read again: 15–60; skipped: 0.

Closed to: nobody. Opened to: User:app.

How long nobody can write is not known: the source does not answer.

 1. stop the link
 2. refuse writes of the link at the target, at every broker
 3. note where the copies end
 4. let the writers write at the target`,
  )
})
