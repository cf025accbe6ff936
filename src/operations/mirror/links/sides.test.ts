import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { definitionOf, promotion, put, said } from '../../../../test/mirror/links-state.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import { COPYING, type FailoverState } from '../failover/state.ts'
import { type LinksCommand, type LinksState, linksState } from './contract.ts'
import { rulesHeldByLinks } from './held.ts'
import { linksMachine } from './machine.ts'

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)

const at = (expected: number, more: Partial<FailoverState>): LinksCommand => ({
  kind: 'switch',
  name: 'a',
  expected,
  state: { ...COPYING, ...more },
})
const promoting: Partial<FailoverState> = {
  phase: 'promoting',
  operation: promotion,
  runs: { link: false, reverse: false },
}
const ends = { source: { cluster: 'hub' }, target: { cluster: 'edge' } }
const back = (more = {}): LinksCommand =>
  put('a.back', { ...ends, desired: 'stopped', ...more }, { owner: 'switch', reverseOf: 'a' })
const desire = (name: string, desired: 'running' | 'paused' | 'stopped'): LinksCommand => ({
  kind: 'desire',
  name,
  desired,
})
const desiredOf = ({ links }: LinksState): Record<string, string> =>
  Object.fromEntries(Object.entries(links).map(([name, { definition }]) => [name, definition.desired]))

test('a switch counts only on what it was decided on; whoever comes second is told', () => {
  assert.equal(said(put('a'), at(0, promoting)).reason, undefined)
  assert.match(
    said(put('a'), at(0, promoting), at(0, promoting)).reason!,
    /version 0 of the switch, it is at 1/,
  )
  const twice = said(put('a'), at(0, promoting), at(1, { ...promoting, phase: 'promoted' })).state
  assert.deepEqual([twice.links['a']?.sides?.version, twice.links['a']?.sides?.state.phase], [2, 'promoted'])
})

test('what is not to run is stopped in the same moment, and stays so whoever asks', () => {
  const begun = [put('a'), at(0, promoting)]
  assert.deepEqual(desiredOf(said(...begun).state), { a: 'stopped' })
  for (const desired of ['running', 'paused'] as const)
    assert.match(said(...begun, desire('a', desired)).reason!, /sides of the link are switched/)
  assert.match(said(...begun, put('a', { topics: { include: ['x'] } })).reason!, /not to run now/)
  const stopped = put('a', { topics: { include: ['x'] }, desired: 'stopped' })
  assert.equal(said(...begun, stopped).reason, undefined, 'its definition may change')
  const returning = [...begun, back(), at(1, { ...promoting, runs: { link: false, reverse: true } })]
  assert.deepEqual(desiredOf(said(...returning, desire('a.back', 'running')).state), {
    a: 'stopped',
    'a.back': 'running',
  })
  const both = at(2, { runs: { link: true, reverse: true } })
  assert.match(said(...returning, both).reason!, /cannot both run/)
  const done = said(...returning, desire('a.back', 'running'), at(2, {}), desire('a', 'running'))
  assert.deepEqual(desiredOf(done.state), { a: 'running' }, 'the way back is gone with the last step')
})

test("the way back is the switch's alone, leads back, and is no loop", () => {
  assert.match(said(put('a'), back()).reason!, /no switch of the sides of link a is under way/)
  const begun = [put('a'), at(0, promoting)]
  assert.match(said(...begun, put('a.back', ends)).reason!, /loop/, 'another link that leads back is one')
  assert.match(said(...begun, back({ target: { cluster: 'far' } })).reason!, /does not lead back/)
  assert.match(said(...begun, back({ desired: 'running' })).reason!, /not to run now/)
  assert.match(
    said(...begun, put('a.back', { topics: { include: ['x'] } }), back()).reason!,
    /there is a link a.back already/,
  )
  const made = [...begun, back()]
  assert.equal(said(...made).reason, undefined)
  assert.match(said(...made, put('a.back', { ...ends, desired: 'stopped' })).reason!, /is the way back of a/)
  assert.match(
    said(...made, { kind: 'remove', name: 'a.back', owner: 'api' }).reason!,
    /is the way back of a/,
  )
  const writes = put('b', { source: { cluster: 'far' }, target: { cluster: 'edge' } })
  assert.match(said(...made, writes).reason!, /link a.back writes orders at edge as well/)
  assert.match(
    said(put('a'), writes, at(0, promoting), back()).reason!,
    /link b writes orders at edge as well/,
  )
  const on = put('c', { source: { cluster: 'hub' }, target: { cluster: 'far' } })
  assert.equal(said(...made, on).reason, undefined, 'what goes on from the target is not in a loop')
})

test('a link whose sides are switched is not ended', () => {
  const remove: LinksCommand = { kind: 'remove', name: 'a', owner: 'api' }
  assert.match(said(put('a'), at(0, promoting), remove).reason!, /switch them back first/)
  assert.match(said(put('a'), at(0, { phase: 'promoted' }), remove).reason!, /switch them back first/)
  assert.equal(said(put('a'), at(0, promoting), at(1, {}), remove).reason, undefined)
})

const acl = (principal: string): AclBinding => ({
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal,
  host: '*',
  operation: 'read',
  permission: 'allow',
})

test('the rules that links hold are told by cluster, those of links that were removed included', () => {
  const keep: LinksCommand = {
    kind: 'keep-rights',
    name: 'a',
    way: 'keeps',
    expected: 0,
    operation: null,
    fence: null,
    acls: [acl('User:kept')],
    quotas: [],
    writers: null,
  }
  const ours = { source: [acl('User:*')], target: [acl('User:link')] }
  const names = (state: LinksState) =>
    Object.fromEntries(
      [...rulesHeldByLinks(state)].map(([cluster, acls]) => [cluster, acls.map(each => each.principal)]),
    )
  const switched = [put('a'), keep, at(0, { ...promoting, ours })]
  assert.deepEqual(names(said(...switched).state), { edge: ['User:*'], hub: ['User:link', 'User:kept'] })
  const removed = said(...switched, at(1, {}), { kind: 'remove', name: 'a', owner: 'api' }).state
  assert.deepEqual(names(removed), { hub: ['User:kept'] })
  assert.deepEqual(
    names(said(...switched, at(1, {}), { kind: 'remove', name: 'a', owner: 'api' }, put('a')).state),
    {
      hub: ['User:kept'],
    },
  )
})

test('a state from before sides could be switched is read', () => {
  const { links, removed, ...rest } = said(put('a')).state
  const { keeps: _k, keepsBack: _b, sides: _s, reverseOf: _r, ...old } = links['a']!
  const { keep: _, ...definition } = old.definition
  const read = linksState.parse({ ...rest, removed, links: { a: { ...old, definition } } })
  assert.deepEqual(read, said(put('a')).state)
})

test(`whatever is asked in whatever order, a link and its way back never both run (seed ${SEED})`, () => {
  const runs = fc.constantFrom(
    { link: true, reverse: false },
    { link: false, reverse: true },
    { link: false, reverse: false },
    { link: true, reverse: true },
  )
  const name = fc.constantFrom('a', 'a.back')
  const commands: fc.Arbitrary<LinksCommand> = fc.oneof(
    fc
      .record({ name, desired: fc.constantFrom('running' as const, 'paused' as const, 'stopped' as const) })
      .map(each => desire(each.name, each.desired)),
    fc.constantFrom(put('a'), back(), back({ desired: 'running' }), put('a.back', ends)),
    fc.constantFrom<LinksCommand>(
      { kind: 'remove', name: 'a', owner: 'api' },
      { kind: 'remove', name: 'a.back', owner: 'api' },
    ),
    fc
      .record({
        expected: fc.nat(6),
        runs,
        under: fc.boolean(),
        phase: fc.constantFrom('copying', 'promoted'),
      })
      .map(each =>
        at(each.expected, {
          runs: each.runs,
          operation: each.under ? promotion : null,
          phase: each.phase as 'copying',
        }),
      ),
  )
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 60 }), all => {
      let state = linksMachine.initial
      for (const [offset, command] of all.entries()) {
        const meta = { offset, at: 0, writer: 'w', machineVersion: linksMachine.version }
        const applied = linksMachine.apply(state, command, meta)
        if (!applied.accepted) continue
        state = applied.state
        assert.deepEqual(linksState.parse(JSON.parse(JSON.stringify(state))), state)
        const { a, 'a.back': way } = state.links
        if (way === undefined || a === undefined || way.reverseOf === null) continue
        const running = [a, way].filter(({ definition }) => definition.desired !== 'stopped')
        assert.ok(running.length < 2)
        assert.ok(
          running.every(each => (each === a ? a.sides?.state.runs.link : a.sides?.state.runs.reverse)),
        )
      }
    }),
    { seed: SEED, numRuns: 300 },
  )
  assert.equal(definitionOf('a').keep.everyMs, 5_000)
})
