import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createMemoryTopic } from '../../../test/journal/memory-log.ts'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { openJournal } from '../../foundation/journal/journal.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import type { PlacedCluster } from '../../operations/fleet/contract.ts'
import type { Fence, Interlock } from '../../operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import type { ProcessStatus } from '../../operations/hosts/contract.ts'
import { keeperOf } from '../keeper-of.ts'
import { AGENT_REFUSED, AGENT_UNREACHABLE } from './agents.ts'
import { brokerLeases } from './broker-leases.ts'
import { restarts } from './restarts.ts'

const placed = [
  { name: 'edge', nodes: [1, 2].map(id => ({ id, rack: `r${id}` })) },
] as unknown as readonly PlacedCluster[]
const signal = AbortSignal.timeout(60_000)
const why = { actor: 'ada', reason: 'new heap size' }

async function openLeases(t: TestContext): Promise<Interlock> {
  const journal = await openJournal({ log: createMemoryTopic('keys').open(), machine: interlockMachine })
  const interlock = openInterlock({ journal, holder: 'control', lookMs: 10 })
  t.after(async () => {
    await interlock[Symbol.asyncDispose]()
    await journal.close()
  })
  return interlock
}

/** Broker 1, and an agent that answers an order with `fail`, or carries it out. */
async function world(t: TestContext, fail?: AjnaError, isUp = true) {
  const interlock = await openLeases(t)
  const told: Activity[] = []
  const fences: (Fence | undefined)[] = []
  let pid = 10
  const broker = (): ProcessStatus => ({
    ...{ name: 'kafka-edge-1', state: 'ready', pid, since: 1, lastEnd: null, starts: 1, dirs: [] },
    corrupt: [],
  })
  const { restart } = restarts({
    facts: () => undefined,
    agent: {
      processes: async () => ({ version: 1, processes: [broker()] }),
      async order(_process, _act, fence) {
        fences.push(fence)
        if (fail !== undefined) throw fail
        pid++
      },
    },
    leases: brokerLeases({ placed, leases: () => ({ keptAt: 'hub', interlock: () => interlock }) }),
    isUp: async () => isUp,
    record: async entry => {
      told.push(entry)
      return entry
    },
    now: Date.now,
    log: silentLogger,
    servesWithinMs: 300,
  })
  const end = async (): Promise<Activity> => {
    while (told.length < 2) await delay(5, undefined, { signal })
    return told[1]!
  }
  return { restart, interlock, fences, told, end }
}

test('a restart carries the fence of its lease, which is given up when the broker serves again', async t => {
  const { restart, interlock, fences, end } = await world(t)
  const begun = await restart('edge', 1, why, signal)
  const ended = await end()
  assert.deepEqual([ended.outcome, ended.actor, ended.reason], ['done', 'ada', 'new heap size'])
  assert.equal(ended.evidence[1]!.label, 'serves again after')
  const [lease] = interlock.history()
  assert.deepEqual(fences, [{ keeper: 'keys', token: lease!.token }])
  assert.deepEqual([lease!.outcome, lease!.evidence[0]!.value], ['done', begun.id])
  assert.deepEqual(interlock.held(), [])
})

for (const [what, fail, isUp, said] of [
  [
    'the agent refuses the order',
    new AjnaError(AGENT_REFUSED, 'token 1 comes after 2'),
    true,
    /comes after 2/,
  ],
  ['the agent does not answer', new AjnaError(AGENT_UNREACHABLE, 'nothing answers'), true, /nothing answers/],
  ['the broker does not serve again', undefined, false, /does not serve again after 0.3 s/],
] as const)
  test(`a restart that fails says why, and keeps nobody from healing: ${what}`, async t => {
    const { restart, interlock, end } = await world(t, fail, isUp)
    await restart('edge', 1, why, signal)
    const ended = await end()
    assert.equal(ended.outcome, 'failed')
    assert.match(ended.summary, said)
    assert.deepEqual([interlock.held(), interlock.history()[0]!.outcome], [[], 'failed'])
  })

test('a restart that cannot be recorded is not begun', async t => {
  const interlock = await openLeases(t)
  const leases = brokerLeases({ placed, leases: () => ({ keptAt: 'hub', interlock: () => interlock }) })
  const agent = {
    processes: () => assert.fail('nobody is asked'),
    order: () => assert.fail('nothing is ordered'),
  }
  const record = async () => {
    throw new Error('the disk is full')
  }
  const { restart } = restarts({
    ...{ facts: () => undefined, agent, leases, isUp: async () => true, record, now: Date.now },
    log: silentLogger,
  })
  await assert.rejects(restart('edge', 1, why, signal), /disk is full/)
  assert.deepEqual(interlock.held(), [])
})

test('somebody else’s lease is named, with since and until when; where nobody keeps leases, or they cannot be reached, nothing is done', async t => {
  const { restart, interlock, told } = await world(t)
  const domain = { kind: 'rack', cluster: 'edge', rack: 'r2' } as const
  const patch = await interlock.acquire({ domain, purpose: 'patching' })
  assert.ok(patch.granted)
  const code = 'API_ACT_REFUSED'
  const message = /control holds rack r2 of edge: patching \(since .* UTC, and until .* UTC unless renewed\)/
  await assert.rejects(restart('edge', 1, why, signal), { code, message })
  const of = (leases: Parameters<typeof brokerLeases>[0]['leases']) => brokerLeases({ placed, leases })
  assert.match(of(() => ({ keptAt: 'hub', interlock: () => interlock })).refusals('edge', 1)[0]!, message)
  const [unkept, away] = [
    of(() => undefined),
    of(() => ({ keptAt: 'hub', interlock: () => undefined })),
  ] as const
  await assert.rejects(unkept.take('edge', 1, 'x', signal), { code, message: /nobody keeps leases of edge/ })
  await assert.rejects(away.take('edge', 1, 'x', signal), { code: 'HEALING_AWAY' })
  assert.match(unkept.refusals('edge', 1)[0]!, /nobody keeps leases/)
  assert.match(away.refusals('edge', 1)[0]!, /kept on hub, which cannot be reached/)
  await patch.lease.release({ outcome: 'done' })
  assert.deepEqual(of(() => ({ keptAt: 'hub', interlock: () => interlock })).refusals('edge', 1), [])
  assert.deepEqual(told, [])
})

test('another cluster keeps the keys if there is one that may; a lone one its own', () => {
  const topics = (...having: readonly (readonly [string, string])[]) =>
    having.map(([cluster, name]) => ({ cluster, name })) as unknown as Parameters<typeof keeperOf>[1]
  const both = (cluster: string) =>
    [
      [cluster, 'ajna.fleet.interlock'],
      [cluster, 'ajna.heal.incidents'],
    ] as const
  assert.equal(keeperOf('edge', topics(...both('edge'), ...both('hub'))), 'hub')
  assert.equal(keeperOf('edge', topics(...both('edge'), ['hub', 'ajna.fleet.interlock'])), 'edge')
  assert.equal(keeperOf('edge', topics(['hub', 'ajna.fleet.interlock'])), undefined)
})
