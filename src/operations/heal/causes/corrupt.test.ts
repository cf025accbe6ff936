import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchOf } from '../../../../test/wire/records.ts'
import { rewriteHeader } from '../../../foundation/wire/batch.ts'
import type { CorruptSegment } from '../../hosts/contract.ts'
import { incidentId } from '../chronicle.ts'
import { type BrokerFacts, type HealFacts, type PartitionFacts, policyOf } from '../contract.ts'
import { type DamageFacts, damagedIn, type OtherReplica, rangeIn, rangeText, servedOf } from '../damage.ts'
import { decide } from '../decide.ts'
import { corruptCare } from './corrupt.ts'

const NOW = 1_000_000
const LATELY = NOW - 5_000
const LONG_AGO = NOW - 60_000
const segment = (more: Partial<CorruptSegment> = {}): CorruptSegment => ({
  ...{ topic: 'orders', partition: 0, path: '/data/orders-0/00.log', inode: 77, segment: 100 },
  ...{ position: 610, from: 120, to: 130, batches: 1, what: 'a batch that does not match its checksum' },
  since: LONG_AGO,
  ...more,
})
const well = (broker: number): OtherReplica => ({ broker, state: 'well', says: '9 batches' })
const bad = (broker: number): OtherReplica => ({ broker, state: 'damaged', says: 'at offset 121' })
const unread = (broker: number): OtherReplica => ({
  broker,
  state: 'unknown',
  says: 'no agent reads its disk',
})
const damage = (more: Partial<DamageFacts> = {}): DamageFacts => ({
  ...damagedIn(new Map([[1, [segment()]]]))[0]!,
  served: { state: 'damaged', says: 'what it serves at offset 120 does not match its checksum' },
  others: [well(2), well(3)],
  minInSync: 2,
  ...more,
})
const partition = (more: Partial<PartitionFacts> = {}): PartitionFacts => ({
  ...{ topic: 'orders', partition: 0, leader: 1, replicas: [1, 2, 3], isr: [1, 2, 3], offline: [] },
  ...more,
})
const broker = (id: number): BrokerFacts => ({
  ...{ id, rack: `r${id}`, registration: 'up', testimony: { kind: 'none' }, probe: { kind: 'answers' } },
})
const facts = (damaged: Partial<DamageFacts> = {}, state: Partial<PartitionFacts> = {}): HealFacts => ({
  ...{ at: NOW, cluster: 'edge', brokers: [broker(1), broker(2), broker(3)] },
  partitions: [partition(state)],
  damaged: [damage(damaged)],
})
function decisionOn(seen: HealFacts) {
  const [diagnosis] = corruptCare.diagnose(seen)
  const memory = { acts: [], incidents: [], paused: null, hasInterlock: true }
  return decide(diagnosis!, seen, policyOf('automatic'), memory)
}
const lately = { segments: [segment({ since: LATELY })] }

for (const [what, seen, kind, why] of [
  ['of the leader, while the others are undamaged', facts(), 'act', /offsets 120 to 129 are undamaged on/],
  ['of a follower of a leader that is undamaged', facts({}, { leader: 2 }), 'act', /undamaged/],
  ['of one that is not in sync', facts({}, { leader: 2, isr: [2, 3] }), 'act', /undamaged/],
  [
    'of the leader, when one of two others is damaged too',
    facts({ others: [bad(2), well(3)] }, {}),
    'act',
    /undamaged on broker 3/,
  ],
  [
    'that only the agent finds damaged',
    facts({ served: { state: 'well', says: 'it serves it undamaged' } }),
    'refuse',
    /only the agent says so/,
  ],
  [
    'when all are damaged',
    facts({ others: [bad(2), bad(3)] }),
    'refuse',
    /every replica that is in sync is damaged.*up to 10 records, offsets 120 to 129/,
  ],
  [
    'when nobody reads the others',
    facts({ others: [unread(2), unread(3)] }),
    'refuse',
    /no other in-sync replica is known to be undamaged/,
  ],
  ['that is alone in sync', facts({ others: [] }, { isr: [1] }), 'refuse', /no other.*there is none/],
  [
    'that the topic needs to take writes',
    facts({ others: [well(2)] }, { isr: [1, 2] }),
    'refuse',
    /1 of 2 in-sync replicas.*writes would stop/,
  ],
  [
    'that would be copied from a damaged leader',
    facts({ others: [bad(2), well(3)] }, { leader: 2 }),
    'refuse',
    /copied from broker 2, which is damaged/,
  ],
  ['of a topic whose needs are not told', facts({ minInSync: null }), 'refuse', /does not say how many/],
  ['that nobody verified yet', facts({ ...lately, others: [unread(2)] }), 'wait', /no other/],
  [
    'that its broker has not served yet',
    facts({ ...lately, served: { state: 'unknown', says: '' } }),
    'wait',
    /only/,
  ],
] as const)
  test(`a damaged replica ${what}: ${kind}`, () => {
    const decision = decisionOn(seen)
    assert.equal(decision.kind, kind, JSON.stringify(decision))
    assert.match(decision.kind === 'wait' ? decision.why : decision.reasons.join('; '), why)
    if (decision.kind === 'act') assert.equal(decision.remedy, 're-replicate')
  })

test('it is about one replica, and the same failure for an agent that has begun anew', () => {
  const [diagnosis] = corruptCare.diagnose(facts())
  assert.deepEqual(diagnosis!.subject, { kind: 'replica', broker: 1, topic: 'orders', partition: 0 })
  assert.deepEqual(
    diagnosis!.signals.map(({ source }) => source),
    ['agent', 'broker'],
  )
  const [later] = corruptCare.diagnose(facts(lately))
  assert.equal(incidentId(later!), incidentId(diagnosis!))
  const [other] = corruptCare.diagnose(facts({ segments: [segment({ inode: 78 })] }))
  assert.notEqual(incidentId(other!), incidentId(diagnosis!))
})

test('all damaged segments of a replica are healed at once', () => {
  const told = new Map([
    [1, [segment({ segment: 300, from: 333, to: 340 }), segment()]],
    [2, [segment({ partition: 1 })]],
  ])
  const found = damagedIn(told)
  assert.deepEqual(
    found.map(each => [each.broker, each.partition, each.from, each.to, each.segments.length]),
    [
      [1, 0, 120, 340, 2],
      [2, 1, 120, 130, 1],
    ],
  )
  assert.deepEqual(rangeIn([{ label: 'damaged offsets', value: rangeText(found[0]!) }]), {
    from: 120,
    to: 340,
  })
})

test('what a broker serves is damaged, undamaged, or nothing to go by', () => {
  const at = (...offsets: readonly number[]): Buffer =>
    Buffer.concat(
      offsets.map(baseOffset => {
        const batch = batchOf('a', 'b')
        rewriteHeader(batch, 0, { baseOffset, leaderEpoch: 1 })
        return batch
      }),
    )
  const served = (records: Buffer, error: string | null = null) => servedOf(error, records, damage()).state
  assert.equal(served(at(120, 122)), 'well')
  assert.equal(served(at(119, 122)), 'well', 'a batch that begins before the offset comes whole')
  const flipped = at(120, 122)
  flipped[100]! ^= 1
  assert.equal(served(flipped), 'damaged')
  const nonsense = at(120)
  nonsense.writeInt32BE(3, 8)
  assert.equal(served(nonsense), 'damaged')
  assert.equal(served(at(140)), 'damaged', 'it skips what is damaged')
  assert.equal(served(Buffer.alloc(0), 'CORRUPT_MESSAGE'), 'damaged')
  assert.equal(served(Buffer.alloc(0)), 'unknown')
  assert.equal(served(Buffer.alloc(0), 'TOPIC_AUTHORIZATION_FAILED'), 'unknown')
  const behind = at(120, 122, 130)
  behind[behind.length - 2]! ^= 1
  assert.equal(served(behind), 'well', 'what lies behind is another matter')
})
