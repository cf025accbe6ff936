import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident } from '../../operations/heal/contract.ts'
import { heldText } from '../../operations/heal/in-the-way.ts'
import { incidentText } from './incident-text.ts'

const BEGAN = Date.UTC(2026, 10, 26, 17, 40, 0)
const wanted = { kind: 'broker', cluster: 'edge', rack: 'b', broker: 2 } as const
const why = heldText(
  {
    ...{
      id: 'l',
      holder: 'control 4711',
      purpose: 'moving orders away',
      leaseMs: 15_000,
      token: 7,
      renewed: 9,
    },
    domain: { kind: 'rack', cluster: 'edge', rack: 'a' },
    since: BEGAN - 61_000,
  },
  wanted,
)
const heldUp: Incident = {
  ...{ id: 'edge-2-7-abc', revision: 1, cluster: 'edge', cause: 'broker-frozen', state: 'open' },
  subject: { kind: 'broker', broker: 2 },
  ...{ beganAt: BEGAN, detectedAt: BEGAN + 1_200, actedAt: null, availableAt: null, healedAt: null },
  signals: [
    { source: 'agent', says: 'no thread of process 7 runs' },
    { source: 'probe', says: 'it takes connections and has answered none for 900 ms' },
  ],
  decision: {
    kind: 'refuse',
    remedy: null,
    reasons: [why],
    refused: [{ what: 'unregister it and leave it frozen', whyNot: 'woken, it would never register again' }],
  },
  evidence: [{ when: 'before', label: 'partitions led by it, or by nobody', value: '4' }],
  timeline: [
    { at: BEGAN + 1_200, text: 'broker-frozen: broker 2; remedy: kill' },
    { at: BEGAN + 1_300, text: `nothing is done for now: ${why}` },
  ],
}

test('a refusal says in plain sentences that nothing is done, who stands in the way, since when and until when', () => {
  assert.deepEqual(incidentText(heldUp).split('\n').slice(0, 9), [
    'broker-frozen: broker 2 of edge — open',
    'began 2026-11-26 17:40:00 UTC; found after 1.2 s, not acted on',
    '',
    'Signs',
    '  agent: no thread of process 7 runs',
    '  probe: it takes connections and has answered none for 900 ms',
    '',
    'Nothing is done, because',
    '  never two racks at once, and the lease is held: control 4711 holds rack a of edge since 2026-11-26 17:38:59 UTC for “moving orders away”, until they give it up, or have been silent for 15 s',
  ])
})

test('what was done, is to be done, or was proposed is not told as one another', () => {
  const titled = (kind: Incident['decision']['kind'], actedAt: number | null): string =>
    incidentText({ ...heldUp, actedAt, decision: { ...heldUp.decision, kind, remedy: 'kill' } })
  assert.match(titled('act', null), /^To be done: kill$/m)
  assert.match(titled('act', BEGAN + 2_000), /^Done: kill$/m)
  assert.match(titled('propose', null), /^Proposed: kill$/m)
  assert.match(titled('propose', BEGAN + 2_000), /^Proposed, and done: kill$/m)
})
