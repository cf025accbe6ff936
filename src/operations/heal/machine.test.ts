import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident, IncidentsCommand, IncidentsState } from './contract.ts'
import { incidentsMachine } from './machine.ts'

const told = (id: string, more: Partial<Incident> = {}): IncidentsCommand => ({
  kind: 'tell',
  incident: {
    id,
    revision: 0,
    cluster: 'edge',
    subject: { kind: 'broker', broker: 1 },
    cause: 'broker-dead',
    state: 'open',
    beganAt: 1,
    detectedAt: 2,
    actedAt: null,
    availableAt: null,
    healedAt: null,
    signals: [],
    decision: { kind: 'act', remedy: 'unregister', reasons: [], refused: [] },
    evidence: [],
    timeline: [],
    ...more,
  },
})

function replay(commands: readonly IncidentsCommand[], from: IncidentsState = incidentsMachine.initial) {
  let state = from
  const accepted = commands.map((command, offset) => {
    const applied = incidentsMachine.apply(state, command, {
      offset,
      at: offset,
      writer: 'w',
      machineVersion: 1,
    })
    if (applied.accepted) state = applied.state
    return applied.accepted
  })
  return { state, accepted }
}

test('of two healers that see the same failure the first has it, and only it tells on', () => {
  const { accepted, state } = replay([
    told('a'),
    told('a', { subject: { kind: 'broker', broker: 2 } }),
    told('a', { revision: 1, state: 'acting' }),
    told('a', { revision: 1, state: 'failed' }),
    told('a', { revision: 3, state: 'failed' }),
  ])
  assert.deepEqual(accepted, [true, false, true, false, false])
  assert.deepEqual(
    state.incidents.map(each => [each.subject.broker, each.state]),
    [[1, 'acting']],
  )
})

test('what is over stays as it is', () => {
  const { accepted } = replay([
    told('a'),
    told('a', { revision: 1, state: 'healed' }),
    told('a', { revision: 2 }),
  ])
  assert.deepEqual(accepted, [true, true, false])
})

test('keeps the newest; what is not over is kept before what is', () => {
  const first = [told('open'), told('over'), told('over', { revision: 1, state: 'healed' })]
  const { state } = replay([...first, ...Array.from({ length: 499 }, (_, i) => told(`n${i}`))])
  assert.equal(state.incidents.length, 500)
  assert.ok(state.incidents.some(({ id }) => id === 'open'))
  assert.ok(!state.incidents.some(({ id }) => id === 'over'))
})

test('pausing says who and why; resuming what is not paused is refused', () => {
  const paused = replay([{ kind: 'pause', actor: 'operator', reason: 'a drill' }])
  assert.deepEqual(paused.state.paused, { actor: 'operator', reason: 'a drill', at: 0 })
  const { accepted, state } = replay(
    [
      { kind: 'resume', actor: 'operator' },
      { kind: 'resume', actor: 'operator' },
    ],
    paused.state,
  )
  assert.deepEqual(accepted, [true, false])
  assert.equal(state.paused, null)
})
