import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FAILOVER_CHANGED } from './errors.ts'
import { COPYING } from './state.ts'
import { fileFailoverStore } from './store.ts'

test('of several who save at once on what they all have read, one has saved and the others are told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-failover-store-'))
  try {
    const path = join(folder, 'sides.json')
    assert.equal(await fileFailoverStore(path).load(), undefined)
    await fileFailoverStore(path).save(COPYING, 0)
    const states = ['promoting', 'promoted', 'returning'] as const
    const saved = await Promise.allSettled(
      states.map(phase => fileFailoverStore(path).save({ ...COPYING, phase }, 1)),
    )
    const done = saved.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    const refused = saved.flatMap(each => (each.status === 'rejected' ? [each.reason.code] : []))
    assert.equal(done.length, 1)
    assert.deepEqual(refused, [FAILOVER_CHANGED.code, FAILOVER_CHANGED.code])
    assert.deepEqual(await fileFailoverStore(path).load(), done[0])
  } finally {
    await rm(folder, { recursive: true })
  }
})
