/** What a simulation comes to, for people. */
import { type Column, renderTable } from '../../../foundation/text/table.ts'
import type { SimulationOptions, SimulationReport, Spread, Violation } from './contract.ts'
import type { Shrunk } from './shrink.ts'
import { textOf } from './simulate.ts'

const HISTORY_SHOWN = 40
const WIDTH = 140

export const renderViolation = ({ promise, what, cluster, history }: Violation): string =>
  [
    `NOT KEPT: ${promise}`,
    `  ${cluster}: ${what}`,
    ...history.slice(-HISTORY_SHOWN).map(line => `  ${line}`),
  ].join('\n')

export function renderShrunk({ failures, violation }: Shrunk): string {
  const needed = failures.map(each => `  ${(each.at / 1_000).toFixed(3).padStart(12)} s  ${textOf(each)}`)
  return [`${failures.length} failures are enough:`, ...needed, renderViolation(violation)].join('\n')
}

/** Simulations of the same failures, with healers and without. */
export function renderSimulation(
  { clusters, brokers, partitions, days, healers }: SimulationOptions,
  healed: SimulationReport,
  alone: SimulationReport | undefined,
): string {
  const kinds = [...new Set([...Object.keys(healed.availableMs), ...Object.keys(alone?.availableMs ?? {})])]
  const { round } = healed
  return [
    `${count(clusters)} clusters, ${count(brokers)} brokers, ${count(partitions)} partitions, ${days} days, ${healers} healers, seed ${healed.seed}`,
    `${count(total(healed.failures))} failures (${listed(healed.failures)})`,
    `${count(healed.incidents)} incidents; acts: ${listed(healed.acts)}`,
    `not done: ${listed(healed.refusals)}`,
    `leases: ${listed(healed.leases)}; orders with a stale token: ${healed.staleOrdersRefused}; late unregistrations: ${healed.lateUnregistrations}`,
    ...(round.rounds === 0
      ? []
      : [
          `decisions of a whole round: p50 ${round.p50.toFixed(1)} ms, p99 ${round.p99.toFixed(1)} ms, worst ${round.worst.toFixed(1)} ms (${count(round.rounds)} rounds, ${count(round.diagnoses)} diagnoses)`,
        ]),
    '',
    'Until writes flow again without a broker that is',
    renderTable(columns(healed, alone), kinds, WIDTH),
  ].join('\n')
}

function columns(healed: SimulationReport, alone: SimulationReport | undefined): Column<string>[] {
  const cells = (of: SimulationReport | undefined, key: keyof Spread, title: string): Column<string> => ({
    title,
    align: 'right',
    value: kind => {
      const spread = of?.availableMs[kind]
      if (spread === undefined) return '–'
      return key === 'count' ? count(spread.count) : `${(spread[key] / 1_000).toFixed(1)} s`
    },
  })
  return [
    { title: 'STATE', value: kind => kind },
    cells(healed, 'count', 'TIMES'),
    cells(healed, 'p50', 'P50'),
    cells(healed, 'p99', 'P99'),
    cells(healed, 'worst', 'WORST'),
    cells(alone, 'p50', 'KAFKA ALONE: P50'),
    cells(alone, 'p99', 'P99'),
    cells(alone, 'worst', 'WORST'),
  ]
}

const count = (value: number): string => value.toLocaleString('en-US')

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0)

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([what, times]) => `${what} ${count(times)}`)
    .join(', ') || 'none'
