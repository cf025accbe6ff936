import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CountersState, fencedCounters } from '../../../test/shards/fenced-counters.ts'
import { type SimulationOptions, type SimulationReport, simulate } from '../../../test/shards/simulation.ts'
import { applyShards } from './machine.ts'

/** The first of the seeds and how many: AJNA_SIM_SEED=<the printed one> AJNA_SIM_SEEDS=1 repeats a failure. */
const FIRST = Number(process.env['AJNA_SIM_SEED'] ?? Date.now() % 2 ** 30)
const SEEDS = Number(process.env['AJNA_SIM_SEEDS'] ?? 2_000)
/** Always the same, from the first on: among so many a broken rule shows, which is rare in any one of them. */
const CONTROL_SEEDS = 400

const options: Omit<SimulationOptions, 'seed'> = {
  machine: fencedCounters,
  members: 3,
  terms: { shards: 8, leaseMs: 4_000 },
  times: { beatMs: 1_000, graceMs: 1_500, settleMs: 3_000, movesAtOnce: 2 },
  drift: 0.1,
  stormMs: 20_000,
  // Late copies arrive for up to 9 s of it.
  calmMs: 18_000,
}

/** Slowest clock's lease, the grace, turns and looks, and what the last stall held back. */
const CALM_BOUND_MS = 4_000 / 0.9 + 1_500 / 0.9 + 1_000

function* reports(
  first: number,
  count: number,
  change: Partial<SimulationOptions> = {},
): Generator<SimulationReport & { seed: number }> {
  for (let seed = first; seed < first + count; seed++)
    yield { seed, ...simulate({ ...options, ...change, seed }) }
}

test(`no seed of ${SEEDS} breaks a promise of the group (from seed ${FIRST})`, t => {
  const totals = {
    records: 0,
    acceptedWrites: 0,
    refusedWrites: 0,
    expulsions: 0,
    snapshots: 0,
    longestUnheldMs: 0,
  }
  for (const report of reports(FIRST, SEEDS)) {
    assert.deepEqual(report.violations, [], `AJNA_SIM_SEED=${report.seed} AJNA_SIM_SEEDS=1 repeats it`)
    assert(
      report.longestUnheldMs <= CALM_BOUND_MS,
      `seed ${report.seed}: unheld for ${report.longestUnheldMs} ms after the storm`,
    )
    totals.records += report.records
    totals.acceptedWrites += report.acceptedWrites
    totals.refusedWrites += report.refusedWrites
    totals.expulsions += report.expulsions
    totals.snapshots += report.snapshots
    totals.longestUnheldMs = Math.max(totals.longestUnheldMs, report.longestUnheldMs)
  }
  t.diagnostic(JSON.stringify({ seeds: SEEDS, ...totals }))
  if (SEEDS < 100) return
  assert(totals.refusedWrites > 0, 'writes of deposed owners were tried')
  assert(totals.expulsions > SEEDS, 'members were expelled')
  assert(totals.snapshots > SEEDS, 'snapshots were taken')
})

test('the same seed gives the same run', () => {
  assert.deepEqual(simulate({ ...options, seed: FIRST }), simulate({ ...options, seed: FIRST }))
})

function shows(change: Partial<SimulationOptions>, what: RegExp): void {
  for (const { violations } of reports(1, CONTROL_SEEDS, change))
    if (violations.some(violation => what.test(violation))) return
  assert.fail(`none of the first ${CONTROL_SEEDS} seeds shows it`)
}

test('the simulation shows two holders when clocks drift beyond what is assumed', () => {
  shows({ drift: 0.6 }, /is held by both/)
})

test('the simulation shows two holders when an expulsion counts although the member was heard since', () => {
  const hasty: typeof fencedCounters = {
    ...fencedCounters,
    apply(state, command, meta) {
      if (command.kind !== 'expel') return fencedCounters.apply(state, command, meta)
      const suspects = command.suspects.map(({ instance }) => ({
        instance,
        beat: state.shards.members[instance]?.beat ?? 0,
      }))
      const applied = applyShards(state.shards, { kind: 'expel', suspects }, meta)
      return applied.accepted ? { accepted: true, state: { ...state, shards: applied.state } } : applied
    },
  }
  shows({ machine: hasty }, /is held by both/)
})

test('the simulation shows a deposed writer when tokens are not looked at', () => {
  const unfenced: typeof fencedCounters = {
    ...fencedCounters,
    apply(state: CountersState, command, meta) {
      if (command.kind !== 'write') return fencedCounters.apply(state, command, meta)
      const token = state.shards.assignments[command.shard]?.token ?? 0
      return fencedCounters.apply(state, { ...command, token }, meta)
    },
  }
  shows({ machine: unfenced }, /had been deposed/)
})
