import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { PartitionState } from '../../foundation/kafka/topics.ts'
import type { BrokerFacts, HealFacts } from './contract.ts'
import type { HealerOptions } from './ends.ts'
import { createSurvey } from './survey.ts'

const broker = (id: number, registration: BrokerFacts['registration'] = 'up'): BrokerFacts => ({
  ...{ id, rack: null, registration, probe: { kind: 'answers' } },
  testimony: { kind: 'none' },
})
const facts = (...brokers: readonly BrokerFacts[]): HealFacts => ({
  ...{ at: 9_000, cluster: 'edge', brokers, partitions: [] },
})
const standing = (more: Partial<PartitionState> = {}): PartitionState => ({
  ...{ partition: 0, leader: null, leaderEpoch: 6, replicas: [1, 2, 3], isr: [3], offline: [] },
  ...more,
})

/** @param views what each broker says of orders-0; null: there is no such topic */
function surveyOver(views: Readonly<Record<number, PartitionState | null>>) {
  const admin = {
    eligibleLeaders: async () => [],
    async describeTopics(_names: unknown, { broker }: { broker: number }) {
      const state = views[broker]
      return state ? [{ name: 'orders', id: '', internal: false, partitions: [state] }] : []
    },
    listReplicaEnds: async () => [],
  } as unknown as ClusterAdmin
  return createSurvey({
    ...{ cluster: 'edge', admin, brokers: [] },
    agent: {} as HealerOptions['agent'],
    book: { list: () => [], paused: () => null, tell: async () => undefined },
    signal: new AbortController().signal,
  })
}

const ORDERS = [{ topic: 'orders', partition: 0 }]

test('how a partition stands is what every broker that is up says; one that is fenced is not asked', async () => {
  const survey = surveyOver({ 1: standing(), 2: standing(), 3: standing({ leader: 3 }) })
  const [found] = await survey.again(ORDERS, 1, facts(broker(1), broker(2), broker(3, 'fenced')))
  assert.deepEqual([found!.inSync, found!.leaderEpoch], [[3], 6])
})

test('what brokers disagree on, or none can tell, is not called over: that would end what was begun', async () => {
  for (const other of [standing({ leader: 3 }), standing({ isr: [2] }), standing({ leaderEpoch: 7 }), null]) {
    const survey = surveyOver({ 1: standing(), 2: other })
    await assert.rejects(survey.again(ORDERS, 1, facts(broker(1), broker(2))), /disagree on orders-0/)
  }
  const silent = surveyOver({ 1: standing() })
  await assert.rejects(silent.again(ORDERS, 1, facts(broker(1, 'unknown'))), /no broker is up/)
})

test('what has a leader again, or is no more, is over', async () => {
  for (const now of [standing({ leader: 3 }), null]) {
    const survey = surveyOver({ 1: now, 2: now })
    assert.deepEqual(await survey.again(ORDERS, 1, facts(broker(1), broker(2))), [])
  }
})
