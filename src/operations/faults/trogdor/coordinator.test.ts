import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Coordinator, openCoordinator } from './coordinator.ts'
import { TROGDOR_TASK_CONFLICT, TROGDOR_TASKS_TOO_MANY } from './errors.ts'
import { readSpec } from './spec/spec.ts'
import { noStore, taskStore } from './store.ts'
import { done, matches, newTask, started, stopping, type TaskFilter, taskJson } from './task.ts'

const noOp = (fields: object = {}) =>
  readSpec({ class: 'org.apache.kafka.trogdor.task.NoOpTaskSpec', durationMs: 1_000_000, ...fields })
const everything: TaskFilter = {
  ids: [],
  firstStartMs: 0,
  lastStartMs: 0,
  firstEndMs: 0,
  lastEndMs: 0,
  state: undefined,
}

describe('Trogdor’s tasks', () => {
  let root: string
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'ajna-trogdor-'))
  })
  after(() => rm(root, { recursive: true, force: true }))

  const damaged: string[] = []
  const open = (folder: string): Promise<Coordinator> =>
    openCoordinator({
      store: taskStore(join(root, folder), aside => damaged.push(aside)),
      target: undefined,
      note: () => undefined,
    })

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise(resolve => setImmediate(resolve))
  }

  test('what was created is there after a kill -9; what ran is done, with an error that says so', async () => {
    const first = await open('killed')
    const startMs = Date.now() + 1_000_000
    await first.create('later', noOp({ startMs }))
    await first.create('../../etc/passwd', noOp())
    await first.create('gone', noOp({ startMs }))
    await first.destroy('gone')
    // It says so once that it runs has been written.
    await until(() => first.get('../../etc/passwd').status === 'running')
    // Nothing of the first one is ended, and it writes no more: another one opens what is on the disk.
    assert.equal((await readdir(join(root, 'killed'))).length, 2)
    await writeFile(join(root, 'killed', 'damaged.json'), '{"id":')
    const second = await open('killed')
    assert.deepEqual([second.get('later').state, second.get('later').startMs], ['PENDING', startMs])
    const { state, error, cancelled } = second.get('../../etc/passwd')
    assert.deepEqual([state, cancelled], ['DONE', false])
    assert.match(error, /the coordinator ended while the task ran/)
    assert.throws(() => second.get('gone'), /No task with ID "gone" exists/)
    assert.equal(damaged.length, 1)
    await second.close()
    await first.close()
  })

  test('the same task may be created again, also after a restart; another of its id may not', async () => {
    const first = await open('again')
    await first.create('a', noOp({ startMs: 4_102_444_800_000 }))
    await first.close()
    const second = await open('again')
    await second.create('a', noOp({ startMs: '4102444800000' }))
    await assert.rejects(second.create('a', noOp()), { code: TROGDOR_TASK_CONFLICT.code })
    await second.close()
  })

  test('a task whose time has passed does not run, one that is stopped early never does', async () => {
    const coordinator = await open('times')
    await coordinator.create('expired', noOp({ startMs: 1_000, durationMs: 0 }))
    const expired = await coordinator.ended('expired')
    assert.deepEqual([expired.error, expired.startedMs], ['worker expired', -1])
    await coordinator.create('early', noOp({ startMs: Number.MAX_SAFE_INTEGER }))
    await coordinator.stop('early')
    const early = await coordinator.ended('early')
    assert.deepEqual([early.cancelled, early.startedMs, early.error], [true, -1, ''])
    await coordinator.create('brief', noOp({ durationMs: 30 }))
    const brief = await coordinator.ended('brief')
    assert.ok(
      brief.startedMs > 0 && brief.doneMs >= brief.startedMs && brief.error === '' && !brief.cancelled,
    )
    assert.equal(brief.status, 'halted')
    await coordinator.close()
  })

  test('a thousand tasks are kept, no more, until some are destroyed', async () => {
    const coordinator = await openCoordinator({ store: noStore, target: undefined, note: () => undefined })
    const later = noOp({ startMs: 4_102_444_800_000 })
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => coordinator.create(`t${n}`, later)))
    await assert.rejects(coordinator.create('one more', later), { code: TROGDOR_TASKS_TOO_MANY.code })
    await coordinator.destroy('t7')
    await coordinator.create('one more', later)
    assert.equal(coordinator.list(everything).length, 1_000)
    await coordinator.close()
  })

  test('a task is told of as Trogdor tells of it, in each state', () => {
    const pending = newTask('t', noOp({ startMs: 5_000 }), 1_000)
    const spec = {
      class: 'org.apache.kafka.trogdor.task.NoOpTaskSpec',
      startMs: 5_000,
      durationMs: 1_000_000,
    }
    // As Trogdor 4.3.1 answered for them.
    assert.deepEqual(taskJson(pending), { state: 'PENDING', spec, status: null })
    const running = started(pending, 6_000)
    assert.deepEqual(taskJson(running), { state: 'RUNNING', spec, startedMs: 6_000, status: null })
    const ending = stopping(running)
    assert.deepEqual(taskJson(ending), { state: 'STOPPING', spec, startedMs: 6_000, status: null })
    const times = { spec, startedMs: 6_000, doneMs: 7_000 }
    assert.deepEqual(taskJson(done(ending, '', 7_000)), {
      state: 'DONE',
      ...times,
      cancelled: true,
      status: null,
    })
    const failed = { state: 'DONE', ...times, error: 'why', cancelled: false, status: null }
    assert.deepEqual(taskJson(done(running, 'why', 7_000)), failed)
  })

  test('tasks are found by id, state, and when they started and ended', () => {
    const task = done(started(newTask('t', noOp(), 0), 6_000), '', 7_000)
    const found = (filter: Partial<TaskFilter>): boolean => matches(task, { ...everything, ...filter })
    assert.ok(found({}) && found({ ids: ['s', 't'] }) && !found({ ids: ['s'] }))
    assert.ok(found({ state: 'DONE' }) && !found({ state: 'RUNNING' }))
    assert.ok(found({ firstStartMs: 6_000, lastStartMs: 6_000 }) && !found({ firstStartMs: 6_001 }))
    assert.ok(!found({ lastStartMs: 5_999 }) && !found({ firstEndMs: 7_001 }) && !found({ lastEndMs: 6_999 }))
    const never = newTask('t', noOp(), 0)
    assert.ok(!matches(never, { ...everything, lastStartMs: 9_000 }))
  })
})
