import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Incident, type IncidentsCommand, type IncidentsState, subjectKey } from './contract.ts'
import { LIMITS } from './limits.ts'
import { incidentsMachine, MAX_INCIDENTS } from './machine.ts'

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

function replay(
  commands: readonly IncidentsCommand[],
  from: IncidentsState = incidentsMachine.initial,
  machineVersion = incidentsMachine.version,
) {
  let state = from
  const accepted = commands.map((command, offset) => {
    const applied = incidentsMachine.apply(state, command, {
      offset,
      at: offset,
      writer: 'w',
      machineVersion,
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
    state.incidents.map(each => [subjectKey(each.subject), each.state]),
    [['1', 'acting']],
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

test('while all it can hold are open a new one waits, and none of them is forgotten; it is told once one is over', () => {
  const open = Array.from({ length: MAX_INCIDENTS }, (_, i) => told(`n${i}`))
  const full = replay(open).state
  assert.deepEqual(replay([told('new')], full).accepted, [false])
  const applied = incidentsMachine.apply(full, told('new'), {
    ...{ offset: 0, at: 0, writer: 'w', machineVersion: incidentsMachine.version },
  })
  assert.match(applied.accepted ? '' : applied.reason, /500 incidents are open/)
  // Those that are open go on, and make room.
  const over = told('n250', { revision: 1, state: 'failed' })
  const { accepted, state } = replay([told('n7', { revision: 1, state: 'acting' }), over, told('new')], full)
  assert.deepEqual(accepted, [true, true, true])
  assert.deepEqual([state.incidents.length, state.incidents.at(-1)!.id], [MAX_INCIDENTS, 'new'])
  assert.ok(state.incidents.every(({ id }) => id !== 'n250'))
  // A log that an earlier version wrote leads to the state that it led to.
  const earlier = replay([told('new')], full, 3)
  assert.deepEqual([earlier.accepted, earlier.state.incidents[0]!.id], [[true], 'n1'])
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

const asked = (number: number, more: Partial<Incident> = {}): Partial<Incident> => ({
  state: 'proposed',
  proposal: { number, at: 1, answer: null },
  ...more,
})
const answer = (verdict: 'approve' | 'decline', proposal = 1): IncidentsCommand => ({
  kind: 'answer',
  id: 'a',
  proposal,
  verdict,
  actor: 'ada',
  reason: 'read it',
})

test('an approval is kept with who, why and when, and what a healer told without it comes too late', () => {
  const { accepted, state } = replay([
    told('a', asked(1)),
    answer('approve'),
    told('a', { ...asked(2), revision: 1 }),
  ])
  assert.deepEqual(accepted, [true, true, false])
  const [incident] = state.incidents
  assert.equal(incident!.state, 'approved')
  assert.deepEqual(incident!.proposal!.answer, { verdict: 'approve', actor: 'ada', reason: 'read it', at: 1 })
})

test('nobody agrees to what was not put to them: proposed anew, the old answer is refused', () => {
  const { accepted, state } = replay([
    told('a', asked(1)),
    told('a', { ...asked(2), revision: 1 }),
    answer('approve', 1),
    answer('approve', 2),
  ])
  assert.deepEqual(accepted, [true, true, false, true])
  assert.equal(state.incidents[0]!.state, 'approved')
})

test('who declined may still approve; what was never proposed, or is under way, is not answered', () => {
  assert.deepEqual(
    replay([told('a', asked(1)), answer('decline'), answer('decline'), answer('approve'), answer('approve')])
      .accepted,
    [true, true, false, true, false],
  )
  assert.deepEqual(replay([told('a'), answer('approve')]).accepted, [true, false])
  assert.deepEqual(replay([answer('approve')]).accepted, [false])
})

test('of old elections the sum is kept, not every log', () => {
  const recovery = { partitions: [], doneAt: 1 }
  const over = (id: string) => [
    told(id, { recovery }),
    told(id, { recovery, revision: 1, state: 'healed' as const }),
  ]
  const { state } = replay(Array.from({ length: 120 }, (_, i) => over(`n${i}`)).flat())
  assert.equal(state.incidents.length, 120)
  assert.ok(state.incidents.filter(each => each.recovery !== undefined).length <= 101)
  assert.ok(state.incidents.at(-1)!.recovery !== undefined)
})

test('healers that group leaderless partitions differently do not make two incidents of one failure', () => {
  const about = (leaderEpoch: number, ...partitions: readonly number[]): Partial<Incident> => ({
    cause: 'partition-leaderless',
    subject: { kind: 'partitions', partitions: partitions.map(partition => ({ topic: 't', partition })) },
    recovery: {
      doneAt: null,
      partitions: partitions.map(partition => ({
        ...{ topic: 't', partition, leaderEpoch, replicas: [1], leader: 1, loss: 0, committedLoss: 0 },
        logs: [],
      })),
    },
  })
  const { accepted } = replay([
    told('a', about(6, 0, 1)),
    told('b', about(6, 1)),
    told('c', about(6, 2)),
    told('a', { ...about(6, 0, 1), revision: 1, state: 'healed' }),
    told('d', about(6, 0)),
    told('e', about(8, 0)),
  ])
  assert.deepEqual(accepted, [true, false, true, true, false, true])
})

const act = (id: string, at: number, broker = 1): IncidentsCommand[] => {
  const subject = { kind: 'broker', broker } as const
  return [told(id, { subject }), told(id, { subject, revision: 1, state: 'acting', actedAt: at })]
}

test('no act begins while healing is paused, whoever had decided on it before', () => {
  const pause = { kind: 'pause', actor: 'operator', reason: 'a drill' } as const
  const [opened, acting] = act('a', 10)
  assert.deepEqual(replay([opened!, pause, acting!]).accepted, [true, true, false])
  assert.deepEqual(replay([opened!, acting!, pause, told('a', { revision: 2, actedAt: 10 })]).accepted, [
    ...[true, true, true],
    true,
  ])
})

test('healers that decide at once do not exceed the limits together', () => {
  const rack = Array.from({ length: 8 }, (_, i) => act(`b${i}`, 100 + i, i))
  const { accepted } = replay(rack.flat())
  assert.equal(accepted.filter((each, i) => i % 2 === 1 && each).length, LIMITS.actsPerCluster)
  const later = act('later', 100 + LIMITS.windowMs + 10)
  assert.deepEqual(replay(later, replay(rack.flat()).state).accepted, [true, true])
  const same = Array.from({ length: 4 }, (_, i) => act(`c${i}`, 100 + i))
  assert.deepEqual(
    replay(same.flat()).accepted.filter((_, i) => i % 2 === 1),
    [true, true, true, false],
  )
})

test('what a person has approved is carried out at once', () => {
  const pause = { kind: 'pause', actor: 'operator', reason: 'a drill' } as const
  const acting = told('a', { ...asked(1), revision: 2, state: 'acting', actedAt: 5 })
  const approved = replay([told('a', asked(1)), answer('approve')]).state
  const { proposal } = approved.incidents[0]!
  const carried = { ...acting, incident: { ...(acting as { incident: Incident }).incident, proposal } }
  assert.deepEqual(replay([pause, carried as IncidentsCommand], approved).accepted, [true, true])
})

test('what an earlier version wrote is judged as it was then', () => {
  const rack = Array.from({ length: 8 }, (_, i) => act(`b${i}`, 100 + i, i)).flat()
  assert.ok(replay(rack, incidentsMachine.initial, 1).accepted.every(Boolean))
})

const standing = (id: string, more: Partial<Incident> = {}): IncidentsCommand =>
  told(id, {
    subject: { kind: 'replicas', on: 2 },
    cause: 'under-replicated',
    beganAt: 100,
    timeline: [{ at: 200, text: 'told' }],
    ...more,
  })

test('what stands has one incident whenever which healer saw it begin; when it is over, only what began later has another', () => {
  const { accepted } = replay([
    standing('a'),
    standing('b', { beganAt: 104 }),
    standing('c', { cause: 'isr-flapping' }),
    standing('d', { subject: { kind: 'replicas', on: 3 } }),
    standing('e', { cluster: 'hub' }),
    standing('a', { revision: 1, state: 'healed', timeline: [{ at: 300, text: 'it is not so any more' }] }),
    standing('f', { beganAt: 250 }),
    standing('g', { beganAt: 301 }),
  ])
  assert.deepEqual(accepted, [true, false, true, true, true, true, false, true])
})

test('records of one election are told of as lost once, however healers group partitions', () => {
  const of = (...partitions: readonly number[]): Partial<Incident> => ({
    cause: 'unclean-leader',
    subject: {
      kind: 'partitions',
      partitions: partitions.map(partition => ({ topic: 'orders', partition })),
    },
  })
  const { accepted } = replay([
    standing('a', of(0, 1)),
    standing('b', of(1, 2)),
    standing('a', { revision: 1, ...of(0, 1), state: 'failed', timeline: [{ at: 300, text: 'lost' }] }),
    standing('c', { ...of(1), beganAt: 299 }),
    standing('d', { ...of(1), beganAt: 301 }),
    told('e', { ...of(1), cause: 'partition-leaderless' }),
  ])
  assert.deepEqual(accepted, [true, false, true, false, true, true])
})

test('giving leadership back has limits of its own, and takes nothing from those of failures', () => {
  const leaders = (n: number): IncidentsCommand[] => {
    const its: Partial<Incident> = {
      subject: { kind: 'leaders' },
      cause: 'leaders-unbalanced',
      beganAt: 1_000 * n,
      timeline: [{ at: 1_000 * n, text: 'told' }],
    }
    return [
      told(`l${n}`, its),
      told(`l${n}`, { ...its, revision: 1, state: 'acting', actedAt: 1_000 * n }),
      told(`l${n}`, {
        ...its,
        revision: 2,
        state: 'healed',
        actedAt: 1_000 * n,
        timeline: [{ at: 1_000 * n + 1, text: 'over' }],
      }),
    ]
  }
  const { accepted, state } = replay([1, 2, 3, 4].flatMap(leaders))
  assert.deepEqual(accepted.slice(0, 9), Array(9).fill(true))
  assert.deepEqual(accepted.slice(9), [true, false, false], `${LIMITS.actsPerSubject} in ten minutes`)
  const dead = [told('dead'), told('dead', { revision: 1, state: 'acting', actedAt: 5_000 })]
  assert.deepEqual(replay(dead, state).accepted, [true, true])
})
