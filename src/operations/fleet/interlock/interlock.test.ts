import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryTopic } from '../../../../test/journal/memory-log.ts'
import type { OrderedLog } from '../../../foundation/journal/contract.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import type { ShardsClock } from '../../../foundation/shards/contract.ts'
import type { HeldLease, Lease, LeaseRequest } from './contract.ts'
import { type Action, decide, type Facts } from './decide.ts'
import { openInterlock } from './interlock.ts'
import { interlockMachine } from './machine.ts'

const racks: readonly LeaseRequest[] = ['a', 'b'].map(rack => ({
  domain: { kind: 'rack', cluster: 'edge', rack },
  purpose: `patch rack ${rack}`,
  leaseMs: 300,
}))
const [rackA, rackB] = racks as [LeaseRequest, LeaseRequest]

async function open(holder: string, log: OrderedLog, clock?: ShardsClock) {
  const journal = await openJournal({ log, machine: interlockMachine })
  const interlock = openInterlock({ journal, holder, lookMs: 10, ...(clock === undefined ? {} : { clock }) })
  const close = async () => {
    await interlock[Symbol.asyncDispose]()
    await journal.close()
  }
  return { journal, interlock, close }
}

async function granted(
  interlock: Awaited<ReturnType<typeof open>>['interlock'],
  request: LeaseRequest,
): Promise<Lease> {
  const answer = await interlock.acquire(request)
  assert(answer.granted, answer.granted ? '' : answer.reason)
  return answer.lease
}

test('of many that ask at once for racks of a cluster one is granted, and the others are told who is in the way', async () => {
  const topic = createMemoryTopic()
  const processes = await Promise.all(['heal', 'patch', 'faults'].map(name => open(name, topic.open())))
  const answers = await Promise.all(
    processes.flatMap(({ interlock }) => racks.map(request => interlock.acquire(request))),
  )
  assert.equal(answers.filter(answer => answer.granted).length, 1)
  for (const answer of answers)
    if (!answer.granted) assert.match(answer.reason, /holds rack [ab] of edge: patch rack/)
  await Promise.all(processes.map(({ close }) => close()))
})

test('a lease is kept by renewal for as long as its holder lives, and recorded with its evidence when given up', async () => {
  const topic = createMemoryTopic()
  // Time passes only as this test says, however busy the machine.
  let now = 0
  const clock = { monotonic: () => now, wall: () => now }
  const [heal, patch] = await Promise.all([
    open('heal', topic.open(), clock),
    open('patch', topic.open(), clock),
  ])
  const lease = await granted(heal!.interlock, rackA)
  for (const end = 3 * rackA.leaseMs!; now < end; now += 10) {
    await sleep(11)
    assert(lease.holds(), `at ${now} ms`)
    const answer = await patch!.interlock.acquire(rackB)
    assert.ok(!answer.granted)
    const { obstacle } = answer
    // When it would be free, were nothing more heard of its holder.
    assert.ok(obstacle?.lease.holder === 'heal' && obstacle.endsAt > now)
    assert.ok(obstacle.endsAt <= now + rackA.leaseMs!)
  }
  const evidence = [{ label: 'under-replicated', value: '0' }]
  assert.equal(await lease.release({ outcome: 'done', evidence }), true)
  assert(lease.ended.aborted && !lease.holds())
  const next = await granted(patch!.interlock, rackB)
  assert(next.fence.token > lease.fence.token)
  assert.equal(next.fence.keeper, lease.fence.keeper)
  const [ended] = patch!.interlock.history()
  assert.deepEqual([ended?.outcome, ended?.holder, ended?.evidence], ['done', 'heal', evidence])
  await Promise.all([heal!.close(), patch!.close()])
})

test('a holder cut off from the log is told to stop before another gets the domain', async () => {
  const topic = createMemoryTopic()
  let cut = false
  const heal = await open(
    'heal',
    topic.open(() => (cut ? 'lost' : 'written')),
  )
  const patch = await open('patch', topic.open())
  const lease = await granted(heal.interlock, rackA)
  cut = true
  const stopped = once(lease.ended, 'abort').then(() => 'stopped')
  const taken = (async () => {
    for (;;) {
      const answer = await patch.interlock.acquire(rackB)
      if (answer.granted) return lease.holds() ? 'both' : 'taken'
      await sleep(10)
    }
  })()
  assert.equal(await Promise.race([stopped, taken]), 'stopped')
  assert.equal(await taken, 'taken')
  assert.equal(patch.interlock.history()[0]?.outcome, 'expired')
  cut = false
  assert.equal(await lease.release({ outcome: 'reverted' }), false)
  await Promise.all([heal.close(), patch.close()])
})

const lease: HeldLease = {
  id: 'x',
  domain: rackA.domain,
  holder: 'heal',
  purpose: '',
  leaseMs: 1_000,
  token: 5,
  renewed: 7,
  since: 0,
}

function facts(change: Partial<Facts>): Facts {
  return {
    now: 10_000,
    leases: [lease],
    mine: new Map(),
    seen: new Map([['x', { renewed: 7, at: 10_000 }]]),
    probed: new Map(),
    ...change,
  }
}

const silent = { seen: new Map([['x', { renewed: 7, at: 9_000 }]]) }
const table: readonly [string, Partial<Facts>, Action[]][] = [
  ['another is left alone while it renews', { seen: new Map([['x', { renewed: 7, at: 9_001 }]]) }, []],
  [
    'after a lease of silence, first see whether the log flows',
    silent,
    [{ kind: 'probe', id: 'x', renewed: 7 }],
  ],
  [
    'then give it a quarter of the lease',
    { ...silent, probed: new Map([['x', { renewed: 7, at: 9_751 }]]) },
    [],
  ],
  [
    'then ask for the expiry',
    { ...silent, probed: new Map([['x', { renewed: 7, at: 9_750 }]]) },
    [{ kind: 'expire', id: 'x', renewed: 7 }],
  ],
  [
    'a probe made before the last renewal says nothing',
    { ...silent, probed: new Map([['x', { renewed: 6, at: 5_000 }]]) },
    [{ kind: 'probe', id: 'x', renewed: 7 }],
  ],
  [
    'an own lease is renewed five times in its length',
    { mine: new Map([['x', { asked: 9_800, renewing: false }]]) },
    [{ kind: 'renew', id: 'x' }],
  ],
  ['not twice at once', { mine: new Map([['x', { asked: 9_000, renewing: true }]]) }, []],
  ['nor too soon', { mine: new Map([['x', { asked: 9_801, renewing: false }]]) }, []],
]

for (const [promise, change, expected] of table)
  test(`leases: ${promise}`, () => {
    assert.deepEqual(decide(facts(change)), expected)
  })
