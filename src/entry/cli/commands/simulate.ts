/** `ajna test simulate`: the rules that heal a fleet, over a simulated one. */
import { randomInt } from 'node:crypto'
import { CONFIG_INVALID } from '../../../foundation/config/errors.ts'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { SimulationOptions } from '../../../operations/heal/simulate/contract.ts'
import { renderShrunk, renderSimulation, renderViolation } from '../../../operations/heal/simulate/report.ts'
import { shrink } from '../../../operations/heal/simulate/shrink.ts'
import { simulate } from '../../../operations/heal/simulate/simulate.ts'
import { simulatedRules } from '../../heal-rules.ts'
import { print, printJson, say } from '../output.ts'

export interface SimulateOptions {
  readonly clusters: number
  readonly brokers: number
  readonly partitions: number
  readonly failures: number
  readonly days: number
  readonly healers: number
  readonly seed?: number
  readonly json?: boolean
}

/** Racks are simulated with at least one broker each. */
const LEAST_BROKERS = 3

export function runSimulation({ json, seed = randomInt(2 ** 32), ...size }: SimulateOptions): void {
  if (size.brokers < LEAST_BROKERS * size.clusters)
    throw new AjnaError(CONFIG_INVALID, `${size.brokers} brokers are too few for ${size.clusters} clusters`, {
      remedy: `Give at least ${LEAST_BROKERS * size.clusters} (--brokers), or fewer --clusters.`,
    })
  const options: SimulationOptions = { ...size, ...simulatedRules, seed, clock: () => performance.now() }
  say(`seed ${seed}`)
  const began = performance.now()
  const healed = simulate(options)
  const tookMs = Math.round(performance.now() - began)
  if (healed.violations.length > 0) process.exitCode = 1
  for (const violation of healed.violations) {
    const shrunk = shrink(options, violation)
    say(shrunk === undefined ? renderViolation(violation) : renderShrunk(shrunk))
  }
  const alone = healed.violations.length > 0 ? undefined : simulate(withoutHealers(options))
  const maxRssMb = Math.round(process.resourceUsage().maxRSS / 1_024)
  const document = { tookMs, maxRssMb, ...size, ...healed, alone: alone?.availableMs ?? null }
  if (json === true) {
    printJson(document)
    return
  }
  print(renderSimulation(options, healed, alone))
  print(`${(tookMs / 1_000).toFixed(1)} s, ${maxRssMb} MB resident at most`)
  print(`\n${JSON.stringify(document)}`)
}

/** What Kafka and the agents do by themselves about the same failures. */
function withoutHealers({ clock: _clock, ...options }: SimulationOptions): SimulationOptions {
  return { ...options, healers: 0 }
}
