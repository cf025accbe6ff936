import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definitionOf } from '../../../test/mirror/links-state.ts'
import { memoryRegistry, partitionStatus } from '../../../test/mirror/memory-registry.ts'
import { AjnaError, isAjnaError } from '../../foundation/errors/errors.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import { LINK_CHANGED } from '../../operations/mirror/errors.ts'
import type { LinkRegistry } from '../../operations/mirror/registry.ts'
import { linkActs } from './link-acts.ts'

/** Acts over a registry, with what was recorded of them; `ended` resolves with the entry at its end. */
function actsOver(registry: LinkRegistry | undefined, waitMs = 10_000) {
  const recorded: Activity[] = []
  const ended = Promise.withResolvers<Activity>()
  const act = linkActs({
    registry: () => registry,
    record: async entry => {
      recorded.push(entry)
      if (entry.outcome !== 'running') ended.resolve(entry)
      return entry
    },
    now: Date.now,
    log: silentLogger,
    waitMs,
  })
  return { act, recorded, ended: ended.promise }
}

const why = { actor: 'operator', reason: 'disk of hub-2' }

test('a pause is recorded when it begins, with its reason, and when the workers say that they took it up', async () => {
  const registry = memoryRegistry({ now: Date.now })
  await registry.put(definitionOf('a'))
  const { act, recorded, ended } = actsOver(registry)
  const begun = await act('a', 'pause', why)
  assert.deepEqual(
    [begun.action, begun.subject, begun.reason, begun.outcome],
    ['link.pause', { kind: 'link', name: 'a', cluster: null }, 'disk of hub-2', 'running'],
  )
  registry.say('a', { state: 'paused' })
  const entry = await ended
  assert.deepEqual([entry.id, entry.revision, entry.outcome], [begun.id, 1, 'done'])
  assert.match(entry.summary, /pause of link a: paused/)
  assert.equal(registry.get('a')?.definition.desired, 'paused')
  assert.equal(recorded.length, 2)
})

test('what no worker has taken up is done all the same, and that nobody said so is said', async () => {
  const registry = memoryRegistry({ now: Date.now })
  await registry.put(definitionOf('a'))
  registry.say('a', undefined)
  const { act, ended } = actsOver(registry, 150)
  await act('a', 'resume', why)
  const entry = await ended
  assert.equal(entry.outcome, 'done')
  assert.match(entry.summary, /in the links’ journal; not all workers said/)
})

test('a restart says of each partition that had failed what became of it, and fails if one fails again', async () => {
  const registry = memoryRegistry({ now: Date.now })
  await registry.put(definitionOf('a'))
  const halted = { state: 'halted', halted: 'target-ahead', reason: 'the source lost 5 to 9' } as const
  const well = partitionStatus('orders', 2)
  const said = (since: number, second: object) => ({
    partitions: [
      partitionStatus('orders', 0, { ...halted, since }),
      partitionStatus('orders', 1, { since, ...second }),
      well,
    ],
  })
  registry.say('a', said(1, { state: 'blocked', reason: 'not allowed' }))
  const { act, ended } = actsOver(registry)
  await act('a', 'restart-failed', why)
  registry.say('a', said(2, { state: 'starting' }))
  registry.say('a', said(3, { state: 'copying' }))
  const entry = await ended
  assert.equal(entry.outcome, 'failed')
  assert.match(entry.summary, /1 of 2 failed again: orders-0: the source lost 5 to 9/)
  assert.deepEqual(
    entry.evidence.slice(-2).map(({ label, value }) => [label, value]),
    [
      ['orders-0', 'halted: the source lost 5 to 9'],
      ['orders-1', 'copying'],
    ],
  )
  assert.ok(registry.calls.includes('restart a failed'))
})

test('what the journal refuses is recorded as failed, in its words', async () => {
  const registry = memoryRegistry({ now: Date.now })
  await registry.put(definitionOf('a'))
  const refusing: LinkRegistry = {
    ...registry,
    setDesired: () => Promise.reject(new AjnaError(LINK_CHANGED, 'the sides of the link are switched')),
  }
  const { act, ended } = actsOver(refusing)
  await act('a', 'resume', why)
  const entry = await ended
  assert.equal(entry.outcome, 'failed')
  assert.match(entry.summary, /the sides of the link are switched/)
})

test('while the journal cannot be read nothing is begun, and nothing recorded', async () => {
  const { act, recorded } = actsOver(undefined)
  await assert.rejects(act('a', 'pause', why), error => isAjnaError(error, 'API_LINKS_AWAY'))
  assert.deepEqual(recorded, [])
})
