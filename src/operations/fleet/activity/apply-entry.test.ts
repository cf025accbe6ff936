import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApplyResult, StepResult } from '../apply.ts'
import type { FleetPlan, Step } from '../plan-model.ts'
import { applyBegun, applyEnded } from './apply-entry.ts'
import { fitted } from './fit.ts'

const step = (number: number): Step => ({
  id: `edge/${number}`,
  cluster: 'edge',
  reason: 'new',
  text: `create topic t${number}`,
  warning: null,
  action: { kind: 'delete-topic', topic: `t${number}`, id: 'id' },
})
const plan = (steps: number): FleetPlan => ({
  fleet: 'two-sites',
  steps: Array.from({ length: steps }, (_, number) => step(number)),
  machines: [],
  links: [],
  refusals: [],
  notes: [],
})
const result = (results: readonly StepResult[], exit: ApplyResult['exit']): ApplyResult => ({
  fleet: 'two-sites',
  results,
  machines: [],
  links: [],
  refusals: [],
  notes: [],
  exit,
})

test('an apply is told when it begins, so that one that is killed leaves an entry, and again when it ends', () => {
  const begun = applyBegun(plan(3), 'ada', 1_000)!
  assert.deepEqual([begun.outcome, begun.summary], ['running', 'fleet two-sites is applied: 3 steps begun'])
  const results = [0, 1, 2].map(number => ({
    step: step(number),
    state: 'done' as const,
    error: null,
    tookMs: 1,
  }))
  const ended = applyEnded(begun, result(results, 0), 2_000)
  assert.deepEqual([ended.id, ended.revision, ended.outcome, ended.endedAt], [begun.id, 1, 'done', 2_000])
  assert.equal(ended.summary, 'fleet two-sites applied: 3 of 3 steps done')
})

test('an apply with nothing to do is no entry', () => {
  assert.equal(applyBegun(plan(0), 'ada', 1_000), undefined)
})

test('of more steps than an entry holds those that failed are kept', () => {
  const results = Array.from({ length: 1_000 }, (_, number): StepResult => {
    const failed = number === 900
    const error = failed ? { code: 'X', message: 'no such broker', remedy: '' } : null
    return { step: step(number), state: failed ? 'failed' : 'done', error, tookMs: 1 }
  })
  const { evidence, outcome } = fitted(applyEnded(applyBegun(plan(1_000), 'ada', 1)!, result(results, 4), 2))
  assert.equal(outcome, 'failed')
  assert.deepEqual(evidence[0], { label: 'edge, failed', value: 'create topic t900: no such broker' })
})
