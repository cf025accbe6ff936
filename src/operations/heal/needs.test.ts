import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../foundation/log/log.ts'
import type { PartitionFacts } from './contract.ts'
import { createNeeds, type NeedsOptions } from './needs.ts'

const { signal } = new AbortController()
const of = (...topics: readonly string[]): PartitionFacts[] =>
  topics.map(topic => ({ topic, partition: 0, leader: 1, replicas: [1, 2, 3], isr: [1, 2, 3] }))

/** `settings`: min.insync.replicas of the topics that there are. */
function world(settings: Record<string, string>) {
  const asked: string[] = []
  const here = { now: 1_000_000, fails: false }
  const describeConfigs = async (resources: readonly { readonly name: string }[]) => {
    asked.push(resources.map(({ name }) => name).join(' '))
    if (here.fails) throw new Error('nobody answers')
    return resources.map(resource => {
      const value = settings[resource.name]
      return { resource, entries: new Map(value === undefined ? [] : [['min.insync.replicas', { value }]]) }
    })
  }
  const admin = { describeConfigs } as unknown as NeedsOptions['admin']
  return { here, asked, settings, needs: createNeeds({ admin, now: () => here.now, log: silentLogger }) }
}

test('while brokers fail only topics that were never seen are asked for', async () => {
  const { needs, asked, here } = world({ orders: '2', events: '1' })
  await needs.look(of('orders', 'orders'), true, signal)
  here.now += 600_000
  await needs.look(of('orders', 'events'), false, signal)
  assert.deepEqual(asked, ['orders', 'events'])
  assert.deepEqual([needs.of('orders'), needs.of('events')], [2, 1])
})

test('where nothing fails all are asked for again, but not more than once a minute', async () => {
  const { needs, asked, here, settings } = world({ orders: '2' })
  await needs.look(of('orders'), true, signal)
  settings['orders'] = '3'
  await needs.look(of('orders'), true, signal)
  assert.equal(needs.of('orders'), 2)
  here.now += 60_000
  await needs.look(of('orders'), true, signal)
  assert.deepEqual([asked.length, needs.of('orders')], [2, 3])
})

test('what could not be asked for stays as it was known, or unknown', async () => {
  const { needs, here } = world({ orders: '2' })
  await needs.look(of('orders'), true, signal)
  Object.assign(here, { now: here.now + 60_000, fails: true })
  await needs.look(of('orders', 'events'), true, signal)
  assert.deepEqual([needs.of('orders'), needs.of('events')], [2, null])
})
