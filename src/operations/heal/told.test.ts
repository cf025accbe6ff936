import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGAIN_MS, isNews, mayBeDue } from './again.ts'
import { incidentId } from './chronicle.ts'
import type { Decision, Diagnosis, Incident } from './contract.ts'
import { isAbout, newIncidentId } from './told.ts'

const diagnosis: Diagnosis = {
  cause: 'broker-dead',
  cluster: 'edge',
  subject: { kind: 'broker', broker: 1 },
  domain: { kind: 'broker', cluster: 'edge', rack: 'a', broker: 1 },
  beganAt: 1_000,
  mark: '7-rs',
  signals: [],
  pid: 7,
  affected: { leaderless: 0, waitingForIt: 1, lastInSync: [] },
}
const ID = 'edge-1-7-rs'

const incident = (more: Partial<Incident> = {}): Incident => ({
  id: ID,
  revision: 0,
  cluster: 'edge',
  subject: { kind: 'broker', broker: 1 },
  cause: 'broker-dead',
  state: 'open',
  beganAt: 1_000,
  detectedAt: 1_100,
  actedAt: null,
  availableAt: null,
  healedAt: null,
  signals: [],
  decision: { kind: 'act', remedy: 'unregister', reasons: [], refused: [] },
  evidence: [],
  timeline: [{ at: 1_100, text: 'told' }],
  ...more,
})
const over = (number: string, at: number): Incident =>
  incident({ id: `${ID}${number}`, state: 'healed', healedAt: at, timeline: [{ at, text: 'it is back' }] })
const healed = over('', 9_000)
const ofBefore = { id: 'edge-1-5-zz' } as const

for (const [what, began, incidents, id] of [
  ['the first sign of a failure opens its incident', 1_000, [], ID],
  ['the same failure is an incident once', 1_000, [incident()], undefined],
  ['a failure that goes on after its incident was over is not opened again', 1_000, [healed], undefined],
  ['the same process failing again is another failure', 9_500, [healed], `${ID}-again-1`],
  ['and again', 99_000, [healed, over('-again-1', 50_000)], `${ID}-again-2`],
  [
    'a broker that was killed because it was frozen is not dead by itself',
    3_000,
    [incident({ ...ofBefore, state: 'acting', actedAt: 2_900 })],
    undefined,
  ],
  [
    'one that dies again while it catches up is another failure',
    8_000,
    [incident({ ...ofBefore, state: 'available', actedAt: 2_000, availableAt: 2_500 })],
    ID,
  ],
  ['one that was refused and dies is another failure', 8_000, [incident(ofBefore)], ID],
  [
    'another broker is none of it',
    1_000,
    [incident({ ...ofBefore, subject: { kind: 'broker', broker: 2 } })],
    ID,
  ],
] as const)
  test(what, () => {
    assert.equal(incidentId(diagnosis), ID)
    assert.equal(newIncidentId({ ...diagnosis, beganAt: began }, incidents), id)
  })

test('what nobody has acted on is decided on again, later each time, and what was acted on never', () => {
  assert.equal(mayBeDue(incident(), 1_100 + AGAIN_MS - 1), false)
  assert.equal(mayBeDue(incident(), 1_100 + AGAIN_MS), true)
  assert.equal(mayBeDue(incident({ state: 'acting', actedAt: 1_200 }), 1e9), false)
  assert.equal(mayBeDue(healed, 1e9), false)
  const long = incident({ timeline: Array.from({ length: 8 }, () => ({ at: 1_100, text: '' })) })
  assert.equal(mayBeDue(long, 1_100 + 2 * AGAIN_MS), false)
})

test('reasons against an act are told once', () => {
  const refusal: Decision = { kind: 'refuse', reasons: ['a drill'], refused: [] }
  const told = incident({ decision: { ...refusal, remedy: null, reasons: ['a drill'], refused: [] } })
  assert.equal(isNews(refusal, incident()), true)
  assert.equal(isNews(refusal, told), false)
  assert.equal(isNews({ kind: 'act', remedy: 'kill', reasons: [], refused: [] }, told), true)
  assert.equal(isNews({ kind: 'wait', why: 'nothing to do' }, told), false)
})

test('what stands is about its cause and subject, whichever healer saw it begin, and has no second incident before it is over', () => {
  const behind: Diagnosis = {
    ...diagnosis,
    cause: 'under-replicated',
    subject: { kind: 'replicas', on: 2 },
    mark: 'behind-rs',
  }
  const open = incident({ id: 'edge-replicas-2-behind-x', cause: behind.cause, subject: behind.subject })
  assert.equal(newIncidentId(behind, []), 'edge-replicas-2-behind-rs')
  assert.equal(newIncidentId(behind, [open]), undefined)
  assert.equal(isAbout(behind, open), true)
  assert.equal(isAbout({ ...behind, cause: 'isr-flapping' }, open), false)
  assert.equal(isAbout({ ...behind, subject: { kind: 'replicas', on: 3 } }, open), false)
  const healed: Incident = { ...open, state: 'healed', timeline: [{ at: 2_000, text: 'over' }] }
  assert.equal(newIncidentId({ ...behind, beganAt: 1_900 }, [healed]), undefined, 'it is part of that')
  assert.ok(newIncidentId({ ...behind, beganAt: 2_001 }, [healed]))
})
