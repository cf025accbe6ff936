import { type Column, count, renderTable } from '../../foundation/text/table.ts'
import { subjectText } from '../heal/contract.ts'
import type { FailureFigures, HealingFigures, Spread } from './contract.ts'
import { describeBroker } from './disturb.ts'
import type { Expectation } from './judge.ts'
import type { LeasedFault } from './leases/record.ts'
import type { LatencySummary } from './load/latency.ts'
import { GAP_FROM_MS } from './load/timeline.ts'
import type { OperationState } from './planned/failed.ts'
import type { RunResult } from './run.ts'

/** What a run comes to: for people, and as one JSON document. */

export const NO_HEALER =
  'No healer at work: this is what Kafka does alone. A killed broker is started, and a frozen one woken, when the fault is taken back.'

export const WITH_HEALER =
  'Ajna’s healer is at work: an agent on each broker’s host starts what dies, one small broker keeps leases and incidents.'

export interface RunReport {
  readonly name: string
  readonly seed: number
  readonly version: string
  readonly healer: string | null
  readonly met: boolean
  readonly expectations: readonly Expectation[]
  readonly records: RunResult['records']
  readonly faults: readonly {
    readonly fault: string
    readonly brokers: readonly { readonly id: number; readonly leads: number; readonly controller: boolean }[]
    /** After the load's start, ms. */
    readonly atMs: number
    readonly detectionMs: number | null
    /** What the healer made of it; null: none was at work. */
    readonly healing: HealingFigures | null
    readonly availabilityRestoredMs: number | null
    readonly longestGapMs: number
    readonly partitionsStopped: number
    readonly afterRevertMs: number
    readonly revertedMs: number
    readonly redundancyRestoredMs: number | null
  }[]
  /** Times of brokers: from when each was asked to stop until it served again, and until all was in sync. */
  readonly operations: readonly {
    readonly operation: string
    readonly what: string
    readonly state: OperationState
    readonly reason: string | null
    /** After the load's start, ms. */
    readonly atMs: number
    readonly tookMs: number
    readonly longestGapMs: number
    readonly partitionsStopped: number
    /** Finalized level, before and after; null: the cluster did not say. */
    readonly metadataVersion: { readonly before: number | null; readonly after: number | null }
    readonly brokers: readonly { readonly id: number; readonly backMs: number; readonly wholeMs: number }[]
  }[]
  readonly latency: RunResult['latency']
  readonly load: {
    readonly recordsPerSecond: number
    readonly recordBytes: number
    readonly partitions: number
    readonly requestTimeoutMs: number
    readonly lastedMs: number
    /** The longest that the generator itself was late. */
    readonly worstLateMs: number
  }
  readonly unplannedEnds: RunResult['unplannedEnds']
  /** How well the times are known. */
  readonly resolution: { readonly gapsFromMs: number; readonly redundancyMs: number }
}

export interface ReportTask {
  readonly name: string
  readonly seed: number
  readonly version: string
  readonly healer: string | null
  readonly load: { readonly rate: number; readonly recordSize: number; readonly requestTimeout: number }
  readonly partitions: number
  readonly result: RunResult
  readonly expectations: readonly Expectation[]
}

export function reportOf(task: ReportTask): RunReport {
  const { name, seed, version, healer, load, partitions, result, expectations } = task
  const { startAt, stopAt, worstLateMs } = result.load
  return {
    name,
    seed,
    version,
    healer,
    met: expectations.every(({ met }) => met),
    expectations,
    records: result.records,
    faults: result.faults.map(each => ({
      fault: each.fault,
      brokers: each.brokers,
      atMs: Math.round(each.at - startAt),
      detectionMs: each.healing?.detectionMs ?? null,
      healing: each.healing,
      availabilityRestoredMs: each.availability.restoredMs,
      longestGapMs: each.availability.longestGapMs,
      partitionsStopped: each.availability.partitionsStopped,
      afterRevertMs: each.availability.afterRevertMs,
      revertedMs: Math.round(each.revertedAt - each.at),
      redundancyRestoredMs: each.redundancyRestoredMs,
    })),
    operations: result.operations.map(each => ({
      operation: each.operation,
      what: each.what,
      state: each.state,
      reason: each.reason,
      atMs: Math.round(each.at - startAt),
      tookMs: Math.round(each.endedAt - each.at),
      longestGapMs: each.longestGapMs,
      partitionsStopped: each.partitionsStopped,
      metadataVersion: each.metadataVersion,
      brokers: each.brokers.map(({ broker, at, backAt, wholeAt }) => ({
        id: broker,
        backMs: Math.round(backAt - at),
        wholeMs: Math.round(wholeAt - at),
      })),
    })),
    latency: result.latency,
    load: {
      recordsPerSecond: load.rate,
      recordBytes: load.recordSize,
      partitions,
      requestTimeoutMs: load.requestTimeout,
      lastedMs: Math.round(stopAt - startAt),
      worstLateMs: Math.round(worstLateMs),
    },
    unplannedEnds: result.unplannedEnds,
    resolution: { gapsFromMs: GAP_FROM_MS, redundancyMs: result.wholeness.worstSpacingMs },
  }
}

const ms = (value: number | null): string => (value === null ? 'never' : value.toLocaleString('en-US'))

/** A run for people: what was expected, what each fault did, what clients felt, and the order of events. */
export function renderRun(report: RunReport, result: RunResult): string {
  const { records, resolution } = report
  return [
    `Scenario ${report.name}, seed ${report.seed}, Kafka ${report.version}: ${report.met ? 'as expected' : 'NOT as expected'}`,
    renderTable(
      [
        { title: 'EXPECTATION', value: row => row.what },
        { title: 'EXPECTED', value: row => row.expected, shrinkTo: 20 },
        { title: 'FOUND', value: row => row.found, shrinkTo: 20 },
        { title: '', value: row => (row.met ? 'met' : 'NOT MET') },
      ],
      report.expectations,
    ),
    ...(report.faults.length === 0 ? [] : [renderFaults(report)]),
    ...(report.operations.length === 0 ? [] : [renderOperations(report)]),
    renderLatency(report.latency),
    ['Timeline (s after the load’s start)', ...timelineOf(result)].join('\n'),
    ...(records.examples.length === 0 ? [] : [records.examples.join('\n')]),
    `${count(records.acknowledged, 'record')} acknowledged, ${records.unknown.toLocaleString('en-US')} unknown. Gaps count from ${resolution.gapsFromMs} ms; redundancy is known to ${ms(resolution.redundancyMs)} ms; the generator was late by ${ms(report.load.worstLateMs)} ms at most.`,
    report.healer === null ? NO_HEALER : WITH_HEALER,
  ].join('\n\n')
}

const renderFaults = ({ faults }: RunReport): string =>
  renderTable(
    [
      { title: 'FAULT', value: row => row.fault },
      { title: 'BROKERS', value: row => row.brokers.map(describeBroker).join(', '), shrinkTo: 12 },
      { title: 'STOPPED', value: row => `${row.partitionsStopped} part.`, align: 'right' },
      {
        title: 'DETECTED ms',
        value: row => (row.healing === null ? '-' : ms(row.healing.detectionMs)),
        align: 'right',
      },
      { title: 'AVAILABLE ms', value: row => ms(row.availabilityRestoredMs), align: 'right' },
      { title: 'GAP ms', value: row => ms(row.longestGapMs), align: 'right' },
      { title: 'REVERTED ms', value: row => ms(row.revertedMs), align: 'right' },
      { title: 'REDUNDANT ms', value: row => ms(row.redundancyRestoredMs), align: 'right' },
      { title: 'LATER GAP ms', value: row => ms(row.afterRevertMs), align: 'right' },
    ],
    faults,
    120,
  )

const renderOperations = ({ operations }: RunReport): string =>
  renderTable(
    [
      { title: 'OPERATION', value: row => row.what, shrinkTo: 20 },
      { title: '', value: row => row.state },
      { title: 'TOOK ms', value: row => ms(row.tookMs), align: 'right' },
      {
        title: 'BROKERS: BACK, IN SYNC ms',
        value: ({ brokers }) =>
          brokers.map(({ id, backMs, wholeMs }) => `${id}: ${ms(backMs)}, ${ms(wholeMs)}`).join('; ') || '-',
      },
      { title: 'STOPPED', value: row => `${row.partitionsStopped} part.`, align: 'right' },
      { title: 'GAP ms', value: row => ms(row.longestGapMs), align: 'right' },
      {
        title: 'METADATA.VERSION',
        value: ({ metadataVersion: { before, after } }) =>
          before === after ? String(after ?? '?') : `${before ?? '?'} → ${after ?? '?'}`,
      },
    ],
    operations,
    140,
  )

function renderLatency(latency: RunResult['latency']): string {
  const rows = (['before', 'during', 'after'] as const).flatMap(when => {
    const summary: LatencySummary | null = latency[when]
    return summary === null ? [] : [{ when, ...summary }]
  })
  return renderTable(
    [
      { title: 'LATENCY', value: row => row.when },
      { title: 'RECORDS', value: row => row.records.toLocaleString('en-US'), align: 'right' },
      { title: 'P50 ms', value: row => row.p50Ms, align: 'right' },
      { title: 'P99 ms', value: row => row.p99Ms, align: 'right' },
      { title: 'MAX ms', value: row => row.maxMs, align: 'right' },
    ],
    rows,
  )
}

const MAX_LINES = 60

/** What happened, in order. Pure. */
export function timelineOf({
  load,
  faults,
  operations,
  wholeness,
  unplannedEnds,
  incidents,
}: RunResult): readonly string[] {
  const events: { readonly at: number; readonly what: string }[] = []
  for (const each of faults) {
    const brokers = each.brokers.map(describeBroker).join(', ')
    events.push({ at: each.at, what: `${each.fault}: broker ${brokers}` })
    events.push({
      at: each.revertedAt,
      what: `${each.fault} of ${each.brokers.map(({ id }) => id).join(', ')} is over`,
    })
  }
  for (const { what, at, endedAt, state, reason, brokers } of operations) {
    events.push({ at, what: `${what} begins` })
    for (const each of brokers) {
      events.push({ at: each.at, what: `broker ${each.broker} is asked to stop` })
      events.push({ at: each.backAt, what: `broker ${each.broker} is back` })
    }
    events.push({ at: endedAt, what: `${what}: ${state}${reason === null ? '' : `: ${reason}`}` })
  }
  for (const { broker, at, reason } of unplannedEnds)
    events.push({ at, what: `broker ${broker} had ended by itself, and is started again: ${reason}` })
  for (const { cause, subject, timeline } of incidents ?? [])
    for (const { at, text } of timeline)
      events.push({ at, what: `healer, ${cause} of ${subjectText(subject)}: ${text}` })
  for (const { partition, gaps } of load.partitions)
    for (const gap of gaps)
      events.push({
        at: gap.to,
        what: gap.open
          ? `partition ${partition} still acknowledges nothing, for ${ms(Math.round(gap.to - gap.from))} ms`
          : `partition ${partition} acknowledges again, after ${ms(Math.round(gap.to - gap.from))} ms`,
      })
  for (const { at, underReplicated, leaderless, silent } of wholeness.changes)
    events.push({
      at,
      what:
        underReplicated + leaderless + silent === 0
          ? 'every replica in sync, says every broker'
          : `${count(underReplicated, 'partition')} under-replicated, ${leaderless} without a leader, ${count(silent, 'broker')} silent`,
    })
  events.sort((a, b) => a.at - b.at)
  const lines = events.map(
    ({ at, what }) => `${((at - load.startAt) / 1_000).toFixed(2).padStart(8)}  ${what}`,
  )
  return lines.length <= MAX_LINES
    ? lines
    : [...lines.slice(0, MAX_LINES), `          and ${lines.length - MAX_LINES} more`]
}

/** The table of all kinds of failures. */
export function renderFailures(failures: readonly FailureFigures[]): string {
  const spread = (title: string, of: (row: FailureFigures) => Spread): Column<FailureFigures> => ({
    title,
    value: row => `${ms(of(row).median)} / ${ms(of(row).worst)}`,
    align: 'right',
  })
  return renderTable(
    [
      { title: 'FAILURE', value: row => row.kind },
      { title: 'RUNS', value: row => row.runs, align: 'right' },
      { title: 'DETECTED ms', value: row => row.detectionMs?.toLocaleString('en-US') ?? '-', align: 'right' },
      spread('ACTED ms', row => row.actedMs),
      spread('AVAILABLE ms', row => row.availabilityRestoredMs),
      spread('GAP ms', row => row.longestGapMs),
      spread('REVERTED ms', row => row.revertedMs),
      spread('REDUNDANT ms', row => row.redundancyRestoredMs),
      { title: 'LOST', value: row => row.lost, align: 'right' },
      { title: 'DUPL.', value: row => row.duplicated, align: 'right' },
      { title: 'INCIDENT, REMEDY', value: healingWords },
      { title: '', value: row => (row.met === row.runs ? 'met' : `${row.runs - row.met} NOT MET`) },
    ],
    failures,
    190,
  )
}

function healingWords({ healing, runs }: FailureFigures): string {
  if (healing === null) return '-'
  const words = (what: string | null, times: number): string =>
    what === null ? 'any' : what === 'none' ? 'none' : `${what} ${times}/${runs}`
  return `${words(healing.incident, healing.incidentRaised)}, ${words(healing.remedy, healing.remedyDone)}`
}

export interface ListedFault extends LeasedFault {
  /** Why it should have been undone by now; null: it is as it should be. */
  readonly overdue: string | null
}

export function renderListed(faults: readonly ListedFault[], now: number): string {
  const seconds = (value: number): string => (value / 1_000).toFixed(1)
  return renderTable(
    [
      { title: 'ID', value: row => row.id },
      { title: 'CLUSTER', value: row => row.cluster, shrinkTo: 12 },
      { title: 'BROKER', value: row => row.node ?? '-', align: 'right' },
      { title: 'FOR s', value: row => seconds(now - row.since), align: 'right' },
      { title: 'UNDONE IN s', value: row => seconds(row.until - now), align: 'right' },
      { title: 'BY', value: row => wayBackOf(row) },
      { title: 'PURPOSE', value: row => row.overdue ?? row.purpose, shrinkTo: 12 },
    ],
    faults,
  )
}

function wayBackOf({ back }: LeasedFault): string {
  switch (back.kind) {
    case 'wake':
      return `waking process ${back.process.pid}`
    case 'run':
      return `starting ${back.process.name}`
    case 'mend':
      return `mending the disk at ${back.disk.mountPoint}`
    case 'renew':
      return `ending process ${back.process.pid}`
    case 'restore':
      return `writing back ${back.file}`
    case 'unflip':
      return `writing back bytes of ${back.file}`
    case 'kept':
      return back.by
    case 'end':
      return `ending ${count(back.processes.length, 'process', 'processes')}`
    case 'clock':
      return 'setting its clock right'
    case 'network':
      return 'taking rules away'
    default:
      return back satisfies never
  }
}
