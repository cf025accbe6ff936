import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_SHARDS, type ShardsState } from './contract.ts'
import { type Action, decide, type Facts, leaseEnd, type Sighting } from './decide.ts'
import { applyShards } from './machine.ts'

const leaseMs = 4_000
const terms = { shards: 64, leaseMs }

function group(...names: string[]): ShardsState {
  return names.reduce((state, name, offset) => {
    const applied = applyShards(state, { kind: 'join', instance: name, name, weight: 1, terms }, { offset })
    assert(applied.accepted)
    return applied.state
  }, NO_SHARDS)
}

/** At 100 s, everything is well: all were heard just now, and long known. */
function facts(state: ShardsState, change: Partial<Facts> = {}): Facts {
  const now = 100_000
  const fresh = ([instance, { beat }]: [string, { beat: number }]): [string, Sighting] => [
    instance,
    { beat, at: now, since: 0 },
  ]
  return {
    now,
    state,
    me: 'a',
    sightings: new Map(Object.entries(state.members).map(fresh)),
    flowingSince: 0,
    lastBeat: now,
    lastRelease: 0,
    awaiting: new Set(),
    times: { beatMs: 1_000, graceMs: 1_500, settleMs: 5_000, movesAtOnce: 4 },
    ...change,
  }
}

function seen(base: Facts, instance: string, ago: number, since = 0): Facts {
  const sighting = { beat: base.state.members[instance]!.beat, at: base.now - ago, since }
  return { ...base, sightings: new Map([...base.sightings, [instance, sighting]]) }
}

const kinds = (actions: readonly Action[]) => actions.map(action => action.kind)

test('does nothing while all is well, and beats when it is time', () => {
  const base = facts(group('a'))
  assert.deepEqual(decide(base), [])
  assert.deepEqual(decide({ ...base, lastBeat: base.now - 1_000 }), [{ kind: 'beat' }])
  assert.deepEqual(decide({ ...base, lastBeat: base.now - 1_000, awaiting: new Set(['beat'] as const) }), [])
})

test('joins when it is no member, and waits for the answer', () => {
  const base = facts(group('b'))
  assert.deepEqual(decide(base), [{ kind: 'join' }])
  assert.deepEqual(decide({ ...base, awaiting: new Set(['join'] as const) }), [])
})

test('an owner stops a quarter of the lease before anyone may ask to expel it', () => {
  const base = facts(group('a', 'b'))
  const asked = base.now
  // Seen at the earliest when it was asked; silent since.
  const at = (now: number) => decide({ ...seen(base, 'b', 0), now, lastBeat: now })
  assert.deepEqual(kinds(at(asked + leaseMs - 1)), [])
  assert.deepEqual(kinds(at(asked + leaseMs)), ['expel'])
  assert.equal(leaseEnd(asked, leaseMs), asked + 3_000)
})

test('expels by the beat it last saw', () => {
  const base = facts(group('z', 'a', 'c'))
  assert.deepEqual(decide(seen(base, 'c', 4_000)), [
    { kind: 'expel', suspects: [{ instance: 'c', beat: 2 }] },
  ])
})

test('silence says nothing about anyone while the log stands still, or just after', () => {
  const silent = seen(facts(group('a', 'b')), 'b', 20_000)
  assert.deepEqual(decide({ ...silent, flowingSince: undefined }), [])
  assert.deepEqual(decide({ ...silent, flowingSince: silent.now - 1_499 }), [])
  assert.deepEqual(kinds(decide({ ...silent, flowingSince: silent.now - 1_500 })), ['expel'])
})

test('live members take turns, so that mostly one of them asks', () => {
  const base = facts(group('a', 'b', 'c'), { me: 'b' })
  assert.deepEqual(decide(seen(base, 'c', 4_100)), [])
  assert.deepEqual(kinds(decide(seen(base, 'c', 4_200))), ['expel'])
  // When the first in turn is silent too, the second is first.
  assert.deepEqual(kinds(decide(seen(seen(base, 'c', 4_000), 'a', 4_000))), ['expel'])
})

/** `a` was alone and has everything; `b` joined. */
const crowded = group('a', 'b')

test('gives up a few shards at a time, only those meant for the other, once it has settled', () => {
  const base = facts(crowded)
  const [release, ...more] = decide(base)
  assert(release?.kind === 'release' && more.length === 0)
  assert.equal(release.shards.length, 4)
  const expelled = applyShards(
    crowded,
    { kind: 'release', instance: 'a', shards: [...release.shards] },
    { offset: 9 },
  )
  assert(expelled.accepted)
  for (const { shard } of release.shards) assert.equal(expelled.state.assignments[shard]?.owner, 'b')
  assert.deepEqual(decide(seen(base, 'b', 0, base.now - 4_999)), [], 'not yet settled')
  assert.deepEqual(decide({ ...base, lastRelease: base.now - 999 }), [], 'not twice in a beat')
  assert.deepEqual(decide(seen(base, 'b', 2_000)), [], 'not to one who has fallen silent')
})

test('a group comes to rest: every shard ends where it is meant to be, and nothing moves any more', () => {
  let state = crowded
  let moves = 0
  for (;;) {
    const [action] = decide(facts(state))
    if (action === undefined) break
    assert(action.kind === 'release' && ++moves < 64)
    const applied = applyShards(
      state,
      { kind: 'release', instance: 'a', shards: [...action.shards] },
      { offset: moves },
    )
    assert(applied.accepted)
    state = applied.state
  }
  const mine = state.assignments.filter(({ owner }) => owner === 'a').length
  assert(mine > 16 && mine < 48, `a keeps ${mine} of 64`)
  assert.deepEqual(decide(facts(state, { me: 'b' })), [])
})
