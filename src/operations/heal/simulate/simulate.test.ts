import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomOf } from '../../faults/random.ts'
import { decide as keep } from '../../fleet/interlock/decide.ts'
import { interlockMachine } from '../../fleet/interlock/machine.ts'
import { obeys } from '../../hosts/contract.ts'
import { decide } from '../decide.ts'
import { diagnose } from '../diagnose.ts'
import { secondRack } from '../in-the-way.ts'
import { incidentsMachine } from '../machine.ts'
import { isSuspect } from '../suspects.ts'
import type { Rules, SimulationOptions, SimulationReport } from './contract.ts'
import { renderViolation } from './report.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulate.ts'

/** AJNA_SIM_SEED=<the printed one> AJNA_SIM_SEEDS=1 repeats a failure. */
const FIRST = Number(process.env['AJNA_SIM_SEED'] ?? Date.now() % 2 ** 30)
const SEEDS = Number(process.env['AJNA_SIM_SEEDS'] ?? 4)
/** Enough that a broken rule shows in any run. */
const CONTROL_SEEDS = 40

const rules: Rules = {
  isSuspect,
  diagnose,
  decide,
  incidents: incidentsMachine,
  interlock: interlockMachine,
  keep,
  obeys,
  secondRack,
}

const small: Omit<SimulationOptions, 'seed'> = {
  rules,
  randomOf,
  clusters: 3,
  brokers: 27,
  partitions: 450,
  failures: 250,
  days: 2,
  healers: 3,
}

function run(seed: number, change: Partial<SimulationOptions> = {}): SimulationReport {
  return simulate({ ...small, seed, ...change })
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++)
  test(`hundreds of failures in two days break no promise of the healers (AJNA_SIM_SEED=${seed} AJNA_SIM_SEEDS=1)`, t => {
    const { violations, acts, refusals, incidents } = run(seed)
    assert.deepEqual(violations.map(renderViolation), [])
    assert.ok(incidents > 20, `${incidents} incidents`)
    assert.ok(Object.values(acts).reduce((sum, count) => sum + count, 0) > 10)
    t.diagnostic(JSON.stringify({ seed, incidents, acts, refusals }))
  })

test('the same seed gives the same run', () => {
  assert.deepEqual(run(FIRST), run(FIRST))
})

test('with healers writes flow again sooner than with what Kafka does alone', () => {
  const median = (healers: number) => run(7, { healers }).availableMs['dead']!.p50
  assert.ok(median(3) < 3_000 && median(0) > 5_000, `${median(3)} ms, ${median(0)} ms without`)
})

/* ---- it can fail: a broken rule is found out ---- */

function shows(promise: string, broken: Partial<Rules>, change: Partial<SimulationOptions> = {}): void {
  for (let seed = FIRST; seed < FIRST + CONTROL_SEEDS; seed++) {
    const { violations } = run(seed, { ...change, rules: { ...rules, ...broken } })
    if (violations.some(violation => violation.promise === promise)) return
  }
  assert.fail(`${CONTROL_SEEDS} seeds from ${FIRST} did not show it`)
}

test('a decision that does not care for the last in-sync replica is found out', () => {
  shows('no act on what is alone in sync', {
    decide(diagnosis, facts, policy, memory) {
      const careless = { ...diagnosis, affected: { ...diagnosis.affected, lastInSync: [] } }
      return decide(careless, facts, policy, memory)
    },
  })
})

test('an interlock that grants what is held already is found out', () => {
  shows('never two racks at once', {
    interlock: {
      ...interlockMachine,
      apply(state, command, meta) {
        if (command.kind !== 'acquire') return interlockMachine.apply(state, command, meta)
        const alone = interlockMachine.apply({ ...state, leases: {} }, command, meta)
        if (!alone.accepted) return alone
        return {
          accepted: true,
          state: { ...alone.state, leases: { ...state.leases, ...alone.state.leases } },
        }
      },
    },
  })
})

test('healers that end what lives while another rack is not whole are found out', () => {
  shows('one rack is whole before what lives in another is ended', {
    decide: (diagnosis, facts, policy, memory) =>
      decide(diagnosis, facts, policy, { ...memory, incidents: [] }),
    secondRack: () => undefined,
  })
})

test('a diagnosis by one side alone is found out', () => {
  shows('no act without two sides that agree', {
    diagnose: facts =>
      diagnose({
        ...facts,
        brokers: facts.brokers.map(each =>
          each.testimony.kind === 'dead' ? { ...each, probe: { kind: 'refused' } as const } : each,
        ),
      }),
  })
})

test('healers that forget what they did are found out', () => {
  shows('limits hold', {
    decide: (diagnosis, facts, policy, memory) => decide(diagnosis, facts, policy, { ...memory, acts: [] }),
    incidents: asBefore,
  })
})

test('healers that do not heed a pause are found out', () => {
  shows('nothing is done while healing is paused', {
    decide: (diagnosis, facts, policy, memory) =>
      decide(diagnosis, facts, policy, { ...memory, paused: null }),
    incidents: asBefore,
  })
})

test('a journal that leaves the limits to healers that decide at once is found out', () => {
  shows('limits hold', { incidents: asBefore }, { clusters: 1, brokers: 27 })
})

test('healers that never look at what nobody complains about leave a broker out for ever', () => {
  shows('no starvation', { diagnose: blindToEstranged })
})

test('a violation is shrunk to the failures that it takes', () => {
  const options = {
    ...small,
    seed: 3,
    rules: { ...rules, diagnose: blindToEstranged },
  }
  const [violation] = simulate(options).violations
  const shrunk = shrink(options, violation!)
  assert.ok(shrunk !== undefined)
  assert.ok(shrunk.failures.length <= 2, renderViolation(shrunk.violation))
})

const blindToEstranged: Rules['diagnose'] = facts =>
  diagnose(facts).filter(({ cause }) => cause !== 'broker-unregistered')

/** Version 1 of the incidents' rule: an act begins when a healer says so. */
const asBefore: Rules['incidents'] = {
  ...incidentsMachine,
  apply: (state, command, meta) => incidentsMachine.apply(state, command, { ...meta, machineVersion: 1 }),
}
