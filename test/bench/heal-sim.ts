/**
 * The rules that heal, at the size of a fleet, on a simulated one: how long the decisions of a whole round take, with the
 * promises checked all the while. Run with `make bench-heal-sim`.
 */
import { simulatedRules } from '../../src/entry/heal-rules.ts'
import {
  causes,
  type HealFacts,
  type HealPolicy,
  type PartitionFacts,
} from '../../src/operations/heal/contract.ts'
import { createCluster } from '../../src/operations/heal/simulate/cluster.ts'
import type { SimulationOptions } from '../../src/operations/heal/simulate/contract.ts'
import { spreadOf } from '../../src/operations/heal/simulate/figures.ts'
import { factsNow } from '../../src/operations/heal/simulate/healer.ts'
import { renderSimulation, renderViolation } from '../../src/operations/heal/simulate/report.ts'
import { simulate } from '../../src/operations/heal/simulate/simulate.ts'

const SEED = Number(process.env['AJNA_SIM_SEED'] ?? 1)
const size = { clusters: 100, brokers: 2_500, partitions: 300_000, failures: 5_000, days: 21, healers: 3 }
const ROUNDS = 20

const options: SimulationOptions = { ...simulatedRules, ...size, seed: SEED, clock: () => performance.now() }
const { rules } = options

/** Everything of one rack dead at once, in each of so many clusters: the most there can be to decide. */
function rackLost(clusters: number, brokers: number, partitions: number): HealFacts[] {
  return Array.from({ length: clusters }, (_, index) => {
    const cluster = createCluster({ index: index * 20, brokers, partitions })
    const facts = factsNow(cluster, 1_000_000)
    return {
      ...facts,
      brokers: facts.brokers.map(each => {
        if (each.rack !== 'a') return each
        const lastEnd = { at: 999_500, pid: 7, how: 'SIGKILL', expected: false }
        return {
          ...each,
          testimony: { kind: 'dead', lastEnd, givenUp: false },
          probe: { kind: 'refused' },
        } as const
      }),
    }
  })
}

/** Facts are new in each round, as they are when they have been gathered. */
function rounds(what: string, lost: readonly HealFacts[]) {
  const policy = Object.fromEntries(causes.map(cause => [cause, 'automatic'])) as HealPolicy
  let diagnoses = 0
  const times = Array.from({ length: ROUNDS }, () => {
    const gathered = lost.map(each => ({
      ...each,
      partitions: [...(each.partitions as readonly PartitionFacts[])],
    }))
    diagnoses = 0
    const began = performance.now()
    for (const facts of gathered)
      for (const diagnosis of rules.diagnose(facts)) {
        diagnoses++
        rules.decide(diagnosis, facts, policy, { acts: [], incidents: [], paused: null, hasInterlock: true })
      }
    return performance.now() - began
  })
  const { p50, worst } = spreadOf(times)
  console.log(`${what}: ${diagnoses} diagnoses in p50 ${p50.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`)
  return { diagnoses, p50, worst }
}

const storms = {
  'a rack of each of 100 clusters': rounds(
    'a rack of each of 100 clusters is lost at once',
    rackLost(100, 25, 3_000),
  ),
  'a rack of one cluster of 300 brokers': rounds(
    'a rack of one cluster of 300 brokers, 100,000 partitions is lost',
    rackLost(1, 300, 100_000),
  ),
}
const began = performance.now()
const healed = simulate(options)
const tookMs = Math.round(performance.now() - began)
for (const violation of healed.violations) console.log(renderViolation(violation))
const { clock: _clock, ...unmeasured } = options
const alone = simulate({ ...unmeasured, healers: 0 })
const maxRssMb = Math.round(process.resourceUsage().maxRSS / 1_024)
console.log(renderSimulation(options, healed, alone))
const { violations, ...figures } = healed
console.log(
  JSON.stringify({
    bench: 'heal-sim',
    ...size,
    tookMs,
    maxRssMb,
    storms,
    violations: violations.length,
    ...figures,
    alone: alone.availableMs,
  }),
)
if (violations.length > 0) process.exitCode = 1
