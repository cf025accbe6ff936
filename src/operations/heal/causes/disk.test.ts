import assert from 'node:assert/strict'
import { test } from 'node:test'
import { incidentId } from '../chronicle.ts'
import type { BrokerFacts, Diagnosis, HealFacts, LogDirFacts, PartitionFacts, Plan } from '../contract.ts'
import { diskCare } from './disk.ts'

const NOW = 1_000_000
const DIR = '/disks/1/data-1'
const LIVES: BrokerFacts['testimony'] = {
  kind: 'running',
  pid: 7,
  since: NOW - 500_000,
  ran: true,
  lastEnd: null,
}
const dir = (facts: Partial<LogDirFacts> = {}): LogDirFacts => ({
  path: DIR,
  disk: 'well',
  says: 'so it says',
  since: NOW - 60_000,
  broker: 'online',
  brokerSince: NOW - 60_000,
  ...facts,
})
const WELL = dir({ path: '/disks/0/data-0' })
const broker = (id: number, facts: Partial<BrokerFacts> = {}): BrokerFacts => ({
  id,
  rack: `r${id}`,
  registration: 'up',
  testimony: LIVES,
  probe: { kind: 'answers' },
  dirs: [WELL, dir()],
  ...facts,
})
const partition = (index: number, isr: readonly number[]): PartitionFacts => ({
  topic: 'orders',
  partition: index,
  leader: isr[0]!,
  replicas: [1, 2, 3],
  isr,
  needs: 2,
  offline: isr.includes(1) ? [] : [1],
})
const MOVED = [partition(0, [2, 3]), partition(1, [1, 2, 3])]
const facts = (
  dirs: readonly LogDirFacts[],
  first: Partial<BrokerFacts> = {},
  partitions: readonly PartitionFacts[] = MOVED,
): HealFacts => ({
  at: NOW,
  cluster: 'edge',
  brokers: [broker(1, { dirs, ...first }), broker(2), broker(3)],
  partitions,
})
const FAILED = dir({ disk: 'failed', broker: 'offline', since: NOW - 2_000 })
const DEAD = { testimony: { kind: 'dead', lastEnd: null, givenUp: false }, registration: 'fenced' } as const

for (const [what, dirs, first, cause] of [
  ['is well', [WELL, dir()], {}, undefined],
  ['fails, and the broker has given it up', [WELL, FAILED], {}, 'disk-failed'],
  ['fails by the agent alone', [dir({ disk: 'failed' })], {}, undefined],
  [
    'was given up just now, and the agent has not looked',
    [dir({ disk: 'unknown', broker: 'offline' })],
    {},
    undefined,
  ],
  [
    'fails, and was all that a dead broker had',
    [dir({ disk: 'failed', broker: 'unknown' })],
    DEAD,
    'disk-failed',
  ],
  ['is full, and was given up', [dir({ disk: 'full', broker: 'offline' })], {}, 'disk-full'],
  ['is full, and is used on', [dir({ disk: 'full' })], {}, 'disk-full'],
  ['is slow', [dir({ disk: 'slow' })], {}, 'disk-slow'],
  ['hangs, and was given up', [dir({ disk: 'hanging', broker: 'offline' })], {}, 'disk-failed'],
  ['is well again, and was given up', [WELL, dir({ broker: 'offline' })], {}, 'log-dir-offline'],
  ['has been well for a moment', [dir({ broker: 'offline', since: NOW - 1_000 })], {}, undefined],
  [
    'was well when its broker gave it up just now',
    [dir({ broker: 'offline', brokerSince: NOW - 1_000 })],
    {},
    undefined,
  ],
  [
    'is well again, while its broker starts',
    [dir({ broker: 'offline' })],
    { testimony: { ...LIVES, since: NOW - 5_000 } },
    undefined,
  ],
] as const satisfies readonly (readonly [string, readonly LogDirFacts[], Partial<BrokerFacts>, unknown])[])
  test(`a disk that ${what}: ${cause ?? 'nothing is diagnosed'}`, () => {
    const found = diskCare.diagnose(facts(dirs, first))
    assert.deepEqual(
      found.map(each => [
        each.subject.kind === 'broker' || each.subject.kind === 'log-dir' ? each.subject.broker : null,
        each.cause,
      ]),
      cause === undefined ? [] : [[1, cause]],
    )
    for (const each of found) assert.match(incidentId(each), /^[0-9a-z-]{1,64}$/)
  })

function planned(seen: HealFacts): [Diagnosis, Plan] {
  const [diagnosis] = diskCare.diagnose(seen)
  return [diagnosis!, diskCare.plan(diagnosis!, seen)]
}
const remedyOf = (plan: Plan): string => (plan.kind === 'remedy' ? plan.remedy : plan.kind)

test('what is on a failed disk is withdrawn, so that nobody waits for it; once it is well again its broker is restarted', () => {
  for (const disk of ['failed', 'full'] as const)
    assert.equal(remedyOf(planned(facts([WELL, { ...FAILED, disk }]))[1]), 'withdraw-replicas')
  const [diagnosis, plan] = planned(facts([WELL, dir({ broker: 'offline' })]))
  assert.deepEqual([remedyOf(plan), diagnosis.dirs], ['restore-log-dir', [DIR]])
})

test('while nobody waits for what is on a failed disk nothing is done: waited for a while, then said', () => {
  const free = [partition(1, [1, 2, 3])]
  assert.equal(planned(facts([WELL, FAILED], {}, free))[1].kind, 'nothing')
  const old = planned(facts([WELL, { ...FAILED, since: NOW - 60_000 }], {}, free))[1]
  assert.match(old.kind === 'none' ? old.why : '', /no partition waits/)
})

test('while another of its disks fails, a broker is not restarted for one that is well again', () => {
  const seen = facts([dir({ broker: 'offline' }), { ...FAILED, path: '/disks/2' }])
  assert.deepEqual(
    diskCare.diagnose(seen).map(({ cause }) => cause),
    ['disk-failed'],
  )
})

for (const [why, partition1, says] of [
  ['it alone has something in sync', partition(1, [1]), /only in-sync replica of orders-1/],
  [
    'without it too few would be in sync',
    partition(1, [1, 3]),
    /min\.insync\.replicas of orders-1 \(1 of 2\)/,
  ],
] as const)
  test(`a broker is not restarted while ${why}: waited for a while, then said`, () => {
    const back = dir({ broker: 'offline' })
    const young = planned(facts([WELL, { ...back, since: NOW - 8_000 }], {}, [partition1]))[1]
    assert.deepEqual([young.kind, says.test(young.kind === 'nothing' ? young.why : '')], ['nothing', true])
    const old = planned(facts([WELL, back], {}, [partition1]))[1]
    assert.deepEqual([old.kind, says.test(old.kind === 'none' ? old.why : '')], ['none', true])
  })

test('a disk that is only full or slow by the agent\u2019s word moves nobody to act; what a person may do is said', () => {
  for (const disk of ['full', 'slow', 'hanging'] as const) {
    const [, plan] = planned(facts([WELL, dir({ disk })]))
    assert.equal(plan.kind, 'none', disk)
    assert.ok(plan.kind === 'none' && plan.refused.length > 0)
  }
})

test('a broker that has ended for want of its disk is left to its agent', () => {
  const [, plan] = planned(facts([dir({ disk: 'failed', broker: 'unknown' })], DEAD))
  assert.match(plan.kind === 'none' ? plan.why : '', /its agent starts it once the disk is well/)
})
