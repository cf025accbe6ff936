import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { conflicts, type Domain, type InterlockCommand, type InterlockState } from './contract.ts'
import { interlockMachine } from './machine.ts'

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)
const property = { seed: SEED, numRuns: Number(process.env['AJNA_TEST_RUNS'] ?? 300) }

const cluster = (name = 'edge'): Domain => ({ kind: 'cluster', cluster: name })
const rack = (name: string, of = 'edge'): Domain => ({ kind: 'rack', cluster: of, rack: name })
const broker = (id: number, inRack: string | null, of = 'edge'): Domain => ({
  kind: 'broker',
  cluster: of,
  rack: inRack,
  broker: id,
})

const table: readonly [Domain, Domain, boolean, string][] = [
  [cluster(), cluster('hub'), false, 'clusters do not concern each other'],
  [rack('a'), rack('b', 'hub'), false, 'nor do their racks'],
  [cluster(), broker(1, 'a'), true, 'a cluster and anything in it'],
  [rack('a'), rack('b'), true, 'never two racks of a cluster'],
  [broker(1, 'a'), broker(2, 'b'), true, 'brokers of two racks'],
  [broker(1, 'a'), broker(2, 'a'), false, 'two brokers of one rack: no more than the rack is at risk'],
  [broker(1, 'a'), broker(1, 'a'), true, 'one broker twice'],
  [rack('a'), broker(1, 'a'), true, 'a rack and a broker in it'],
  [broker(1, null), broker(2, null), true, 'without racks each broker is one'],
]

test('two acts may not go on at once where together they endanger more than one rack', () => {
  for (const [a, b, expected, why] of table) {
    assert.equal(conflicts(a, b), expected, why)
    assert.equal(conflicts(b, a), expected, `${why}, the other way round`)
  }
})

const id = fc.constantFrom('1', '2', '3', '4')
const domains = fc.constantFrom(...table.flatMap(([a, b]) => [{ ...a }, { ...b }]))
const commands: fc.Arbitrary<InterlockCommand> = fc.oneof(
  fc.record({
    kind: fc.constant('acquire' as const),
    id,
    domain: domains,
    holder: id,
    purpose: id,
    leaseMs: fc.constant(1_000),
  }),
  fc.record({ kind: fc.constant('renew' as const), id }),
  fc.record({
    kind: fc.constant('release' as const),
    id,
    outcome: fc.constantFrom('done' as const, 'failed' as const),
    evidence: fc.constant<{ label: string; value: string }[]>([]),
  }),
  fc.record({ kind: fc.constant('expire' as const), id, renewed: fc.nat(40) }),
)

function* run(
  all: readonly InterlockCommand[],
): Generator<{ before: InterlockState; after: InterlockState; command: InterlockCommand }> {
  let before = interlockMachine.initial
  for (const [offset, command] of all.entries()) {
    const applied = interlockMachine.apply(before, command, {
      offset,
      at: offset,
      writer: 'w',
      machineVersion: 1,
    })
    const after = applied.accepted ? applied.state : before
    yield { before, after, command }
    before = after
  }
}

test(`whatever is asked in whatever order, no two leases that conflict are ever held at once (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 60 }), all => {
      for (const { after } of run(all)) {
        const held = Object.values(after.leases)
        for (const a of held) for (const b of held) assert(a === b || !conflicts(a.domain, b.domain))
      }
    }),
    property,
  )
})

test(`tokens rise, every ended lease is recorded, and one renewed since is not expired (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 60 }), all => {
      let highest = -1
      for (const { before, after, command } of run(all)) {
        const fresh = Object.values(after.leases).filter(
          lease => before.leases[lease.id]?.token !== lease.token,
        )
        for (const { token } of fresh) {
          assert(token > highest)
          highest = token
        }
        const gone = Object.values(before.leases).filter(lease => after.leases[lease.id] === undefined)
        for (const lease of gone) assert.equal(after.ended.at(-1)?.token, lease.token)
        if (command.kind === 'expire' && gone.length > 0) assert.equal(gone[0]?.renewed, command.renewed)
      }
    }),
    property,
  )
})
