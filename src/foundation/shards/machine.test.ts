import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Member, NO_SHARDS, type ShardsCommand, type ShardsState } from './contract.ts'
import { applyShards, mayWrite, shardsMachine } from './machine.ts'
import { preferredOwner } from './rendezvous.ts'

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)
const property = { seed: SEED, numRuns: Number(process.env['AJNA_TEST_RUNS'] ?? 300) }
const terms = { shards: 16, leaseMs: 4_000 }

const instance = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const small = fc.nat(40)
const command: fc.Arbitrary<ShardsCommand> = fc.oneof(
  fc.record({
    kind: fc.constant('join' as const),
    instance,
    name: instance,
    weight: fc.integer({ min: 1, max: 3 }),
    terms: fc.constant(terms),
  }),
  fc.record({ kind: fc.constant('beat' as const), instance }),
  fc.record({ kind: fc.constant('leave' as const), instance }),
  fc.record({
    kind: fc.constant('expel' as const),
    suspects: fc.array(fc.record({ instance, beat: small }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('release' as const),
    instance,
    shards: fc.array(fc.record({ shard: fc.nat(20), token: fc.nat(4) }), { minLength: 1, maxLength: 8 }),
  }),
)

function* run(
  commands: readonly ShardsCommand[],
): Generator<{ before: ShardsState; after: ShardsState; command: ShardsCommand }> {
  let before = NO_SHARDS
  for (const [offset, next] of commands.entries()) {
    const applied = applyShards(before, next, { offset })
    const after = applied.accepted ? applied.state : before
    yield { before, after, command: next }
    before = after
  }
}

const anyCommands = fc.array(command, { maxLength: 60 })

test(`an owner is a member, and every shard has one while there are members (seed ${SEED})`, () => {
  fc.assert(
    fc.property(anyCommands, commands => {
      for (const { after } of run(commands))
        for (const { owner } of after.assignments)
          assert.equal(
            owner === null ? Object.keys(after.members).length === 0 : Object.hasOwn(after.members, owner),
            true,
          )
    }),
    property,
  )
})

test(`a change of owner raises the token, nothing else does, and the old token may not write (seed ${SEED})`, () => {
  fc.assert(
    fc.property(anyCommands, commands => {
      for (const { before, after, command } of run(commands))
        for (const [shard, { owner, token }] of before.assignments.entries()) {
          const next = after.assignments[shard]!
          if (next.token === token) {
            assert(next.owner === owner || next.owner === null)
            continue
          }
          assert.equal(next.token, token + 1)
          assert(
            next.owner !== owner || command.kind === 'release',
            'only what was released may come back to its owner',
          )
          assert.equal(mayWrite(after, shard, token), false)
        }
    }),
    property,
  )
})

test(`the state is what its schema and JSON say, so that a snapshot holds it whole (seed ${SEED})`, () => {
  fc.assert(
    fc.property(anyCommands, commands => {
      for (const { after } of run(commands))
        assert.deepEqual(shardsMachine.state.parse(JSON.parse(JSON.stringify(after))), after)
    }),
    property,
  )
})

function stateOf(...commands: ShardsCommand[]): ShardsState {
  let state = NO_SHARDS
  for (const { after } of run(commands)) state = after
  return state
}
const join = (name: string, incarnation = 1): ShardsCommand => ({
  kind: 'join',
  instance: `${name}.${incarnation}`,
  name,
  weight: 1,
  terms,
})

test('an expulsion counts only while the beat it was decided on is the last one', () => {
  const state = stateOf(join('a'), join('b'), { kind: 'beat', instance: 'b.1' })
  const expel = (beat: number) =>
    applyShards(state, { kind: 'expel', suspects: [{ instance: 'b.1', beat }] }, { offset: 9 })
  assert.equal(expel(1).accepted, false)
  const applied = expel(2)
  assert(applied.accepted)
  assert(applied.state.assignments.every(({ owner }) => owner === 'a.1'))
})

test('an expelled member cannot beat, release or leave any more', () => {
  const state = stateOf(join('a'), join('b'), { kind: 'expel', suspects: [{ instance: 'b.1', beat: 1 }] })
  const late: ShardsCommand[] = [
    { kind: 'beat', instance: 'b.1' },
    { kind: 'leave', instance: 'b.1' },
    { kind: 'release', instance: 'b.1', shards: [{ shard: 0, token: 1 }] },
  ]
  for (const command of late) assert.equal(applyShards(state, command, { offset: 9 }).accepted, false)
})

test('who joins on other terms is refused', () => {
  const state = stateOf(join('a'))
  const other = { ...terms, leaseMs: 5_000 }
  const applied = applyShards(
    state,
    { kind: 'join', instance: 'b.1', name: 'b', weight: 1, terms: other },
    { offset: 1 },
  )
  assert.equal(applied.accepted, false)
})

test('a process that restarts gets the shards back that it had', () => {
  const shardsOf = (state: ShardsState, owner: string) =>
    state.assignments.flatMap((assignment, shard) => (assignment.owner === owner ? [shard] : []))
  const before = stateOf(join('d'), join('a'), join('b'), join('c'), { kind: 'leave', instance: 'd.1' })
  const had = shardsOf(before, 'a.1')
  assert(had.length > 0 && had.length < terms.shards)
  const restarted = applyShards(before, join('a', 2), { offset: 9 })
  assert(restarted.accepted)
  assert.deepEqual(shardsOf(restarted.state, 'a.2'), [], 'not before the old one is gone for certain')
  const expelled = applyShards(
    restarted.state,
    { kind: 'expel', suspects: [{ instance: 'a.1', beat: 1 }] },
    { offset: 10 },
  )
  assert(expelled.accepted)
  assert.deepEqual(shardsOf(expelled.state, 'a.2'), had)
})

test('live owners keep what they have when a member joins', () => {
  const state = stateOf(join('a'), join('b'))
  assert(state.assignments.every(({ owner, token }) => owner === 'a.1' && token === 1))
})

const memberOf = (name: string, weight = 1): Member => ({ name, weight, joined: 0, beat: 0 })
const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 12 })

test(`a member that goes moves its own shards only (seed ${SEED})`, () => {
  fc.assert(
    fc.property(names, all => {
      const members = Object.fromEntries(all.map(name => [name, memberOf(name)]))
      const { [all[0]!]: _gone, ...left } = members
      for (let shard = 0; shard < 64; shard++) {
        const before = preferredOwner(shard, members)
        if (before !== all[0]) assert.equal(preferredOwner(shard, left), before)
      }
    }),
    property,
  )
})

test('shares follow weights', () => {
  const members = { light: memberOf('light'), heavy: memberOf('heavy', 3), other: memberOf('other') }
  const counts: Record<string, number> = { light: 0, heavy: 0, other: 0 }
  for (let shard = 0; shard < 4_096; shard++) counts[preferredOwner(shard, members)!]!++
  for (const [name, share] of [
    ['light', 0.2],
    ['heavy', 0.6],
    ['other', 0.2],
  ] as const)
    assert(Math.abs(counts[name]! / 4_096 - share) < 0.03, `${name} has ${counts[name]} of 4096`)
})
