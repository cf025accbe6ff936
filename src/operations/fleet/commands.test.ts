import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApplyResult } from './apply.ts'
import { renderApply, renderPlan, renderProgress } from './commands.ts'
import type { FleetPlan, Step } from './plan-model.ts'

const step = (change: Partial<Step>): Step => ({
  id: 'edge/delete-topic/x',
  cluster: 'edge',
  reason: 'new',
  text: 'delete topic x',
  warning: null,
  action: { kind: 'delete-topic', topic: 'x', id: 'i' },
  ...change,
})
const long = 'set topic logs.edge: '.padEnd(180, 'retention.ms 1 → 2, ')
const plan: FleetPlan = {
  fleet: 'two',
  steps: [
    step({}),
    step({
      cluster: 'hub',
      reason: 'drift',
      text: long,
      warning: 'records older or beyond that are deleted',
    }),
    step({ cluster: 'hub', reason: 'changed', text: 'add partitions' }),
  ],
  machines: [],
  links: [],
  refusals: [
    {
      cluster: 'edge',
      subject: 'topic y',
      wanted: '3 partitions instead of 6',
      because: 'Kafka cannot take partitions away',
    },
  ],
  notes: [
    { kind: 'undeclared-topic', cluster: 'hub', topic: 'z', text: 'Topic z is not declared.' },
    { kind: 'not-known', cluster: 'hub', part: 'acls', error: null, text: 'acls could not be seen' },
  ],
}

test('a plan says what, why, what is lost, what is refused and what is not known', () => {
  const text = renderPlan(plan)
  for (const expected of [
    'cluster edge\n  + delete topic x',
    '  ! set topic logs.edge:',
    '(drift)',
    '    careful: records older or beyond that are deleted',
    '  ~ add partitions',
    'refused as unsafe\n  ✗ topic y at cluster edge: 3 partitions instead of 6\n    because Kafka cannot take partitions away',
    '  · Topic z is not declared.',
    '  ? acls could not be seen',
    'Fleet two: 3 steps, 1 of them drift; 1 refused; not everything could be seen.',
  ]) {
    assert.ok(text.includes(expected), `${expected}\nnot in\n${text}`)
  }
  for (const line of text.split('\n')) assert.ok([...line].length <= 100, line)
})

test('nothing to do is one quiet line, and not said of what could not be seen', () => {
  const nothing = { ...plan, steps: [], refusals: [], notes: [], links: [] }
  assert.equal(renderPlan(nothing), 'Fleet two is as declared.')
  assert.match(
    renderPlan({ ...nothing, notes: plan.notes }),
    /nothing to do where it could be seen; the rest is not known\.$/,
  )
})

test('what changes in the machines’ processes is said, and is something to do', () => {
  const text = '2 mirror workers instead of 1 on each machine'
  const machines = [{ kind: 'mirror-workers', from: 1, to: 2, text }] as const
  const said = renderPlan({ ...plan, steps: [], machines, refusals: [], notes: [] })
  assert.equal(said, `machines\n  ~ ${text}\n\nFleet two: 0 steps; 1 change of machines' processes.`)
  const done = renderApply({
    fleet: 'two',
    results: [],
    machines,
    refusals: [],
    notes: [],
    links: [],
    exit: 0,
  })
  assert.ok(done.startsWith(`machines\n  ~ ${text}`), done)
})

test('an apply’s result is a table, with what failed, why, and what to do', () => {
  const result: ApplyResult = {
    links: [],
    fleet: 'two',
    results: [
      { step: plan.steps[0]!, state: 'done', error: null, tookMs: 12 },
      {
        step: plan.steps[1]!,
        state: 'failed',
        error: { code: 'KAFKA_REFUSED', message: 'INVALID_CONFIG', remedy: 'Look.' },
        tookMs: 3,
      },
    ],
    machines: [],
    refusals: plan.refusals,
    notes: [],
    exit: 4,
  }
  const text = renderApply(result)
  assert.match(text, /^CLUSTER +STEP +STATE +MS$/m)
  assert.match(text, /^edge +delete topic x +done +12$/m)
  assert.match(text, /^ +KAFKA_REFUSED: INVALID_CONFIG\n +Look\.$/m)
  assert.match(text, /Fleet two: 1 of 2 steps done, 1 refused\.$/)
  for (const line of text.split('\n')) assert.ok([...line].length <= 100, line)
  assert.equal(renderProgress(result.results[0]!), 'edge: delete topic x (12 ms)')
  assert.match(renderProgress(result.results[1]!), /: failed:\s+INVALID_CONFIG$/)
})
