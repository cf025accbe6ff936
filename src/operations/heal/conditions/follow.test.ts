import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../foundation/log/log.ts'
import { createChronicle } from '../chronicle.ts'
import type { Incident } from '../contract.ts'
import type { Work } from '../work.ts'
import { noteExplained } from './explained.ts'
import { watchCondition } from './follow.ts'
import { openIncident, partition, watched } from './testing.ts'

const open: Incident = {
  id: 'edge-replicas-2-behind-x',
  revision: 0,
  cluster: 'edge',
  subject: { kind: 'replicas', on: 2 },
  cause: 'under-replicated',
  state: 'open',
  beganAt: 1,
  detectedAt: 2,
  actedAt: null,
  availableAt: null,
  healedAt: null,
  signals: [],
  decision: { kind: 'refuse', remedy: null, reasons: ['it has to be found'], refused: [] },
  evidence: [],
  timeline: [{ at: 2, text: 'told' }],
}

function work(first: Incident, change: Partial<Work>): { work: Work; told: Incident[] } {
  const told = [first]
  const here = {
    book: {
      list: () => [told.at(-1)!],
      paused: () => null,
      tell: async (incident: Incident) => void told.push(incident),
    },
    patience: { calmMs: 1_500 },
    now: () => performance.timeOrigin + performance.now(),
    log: silentLogger,
    signal: AbortSignal.timeout(20_000),
    ...change,
  } as unknown as Work
  return { work: here, told }
}

test('is over only when it is not seen for a while: one look that misses it is not believed', async () => {
  let looks = 0
  let meanwhile = 0
  const here = work(open, { stands: () => ++looks !== 2 && looks < 4 })
  await watchCondition(here.work, createChronicle(here.work, open), async () => void meanwhile++)
  const last = here.told.at(-1)!
  assert.deepEqual([last.state, last.timeline.at(-1)!.text], ['healed', 'it is not so any more'])
  assert.equal(here.told.length, 2)
  assert.equal(meanwhile, 2, 'decided on again as long as it is so')
  assert.ok(looks >= 6, `${looks} looks`)
})

test('a leader that was not in sync is told as failed at once: nothing brings back what was lost', async () => {
  const unclean: Incident = {
    ...open,
    cause: 'unclean-leader',
    subject: { kind: 'partitions', partitions: [{ topic: 'orders', partition: 0 }] },
  }
  const here = work(unclean, { stands: () => true })
  await watchCondition(here.work, createChronicle(here.work, unclean), async () => {})
  assert.equal(here.told.at(-1)!.state, 'failed')
})

const dead: Incident = {
  ...open,
  id: 'edge-1-7-x',
  cause: 'broker-dead',
  subject: { kind: 'broker', broker: 1 },
}
function whileItIsDead() {
  const here = watched()
  const sight = {
    partitions: [partition(0, { leader: 2, isr: [2, 3] })],
    around: openIncident('broker-dead', 1),
  }
  here.look(5_000, sight)
  return here.look(60_000, sight)
}

test('what an incident explains is told in it once', async () => {
  const here = work({ ...dead, state: 'available' }, {})
  const facts = whileItIsDead()
  await noteExplained(here.work, facts)
  await noteExplained(here.work, facts)
  assert.deepEqual(
    here.told
      .at(-1)!
      .timeline.slice(1)
      .map(({ text }) => text.split(':')[0]),
    ['explains under-replicated', 'explains leaders-unbalanced'],
  )
  assert.equal(here.told.length, 3)
})

test('nothing is told in one that somebody acts on: whoever does would stand back', async () => {
  for (const state of ['acting', 'approved', 'proposed', 'healed'] as const) {
    const here = work({ ...dead, state }, {})
    await noteExplained(here.work, whileItIsDead())
    assert.equal(here.told.length, 1, state)
  }
  const here = work({ ...dead, decision: { ...dead.decision, kind: 'act' } }, {})
  await noteExplained(here.work, whileItIsDead())
  assert.equal(here.told.length, 1, 'and in one that somebody is about to')
})
