import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkReasons } from './link-reasons.ts'

const partition = (number: number, state: 'caught-up' | 'waiting' | 'blocked', reason: string) => ({
  topic: 't',
  partition: number,
  state,
  reason,
})

test('every reason is shown whole and once, with the partitions that it is about', () => {
  const assigned = [
    partition(0, 'caught-up', ''),
    partition(1, 'blocked', 'no Write'),
    ...Array.from({ length: 8 }, (_, n) => partition(n + 2, 'waiting', 'no leader')),
  ]
  const shown = (reason: string) => linkReasons({ name: 'up', state: 'running', reason }, assigned)
  const theirs = [
    't-1 is blocked: no Write',
    't-2, t-3, t-4, t-5, t-6, t-7 and 2 more are waiting: no leader',
  ]
  assert.deepEqual(shown(''), theirs)
  assert.deepEqual(shown('t-1: no Write'), theirs)
  assert.deepEqual(shown('x is not copied: no Create'), [
    'up is running: x is not copied: no Create',
    ...theirs,
  ])
  assert.deepEqual(linkReasons({ name: 'up', state: 'running', reason: '' }, []), [])
})
