import { z } from 'zod'
import type { DeepReadonly } from '../../../foundation/config/config.ts'
import { causes, incident, remedies } from '../../heal/contract.ts'
import { operationStates } from '../planned/failed.ts'

/** What is kept of a test: what it is, what happens while it runs, how it ended. Times are ms since the epoch. */

const time = z.int().nonnegative()
const count = z.int().nonnegative()
const ms = z.number()
const line = z.string().max(2_000)

export const MAX_SCENARIO_BYTES = 64 * 1024

/** Written before anything is started. */
export const testRecord = z.object({
  id: z.string().regex(/^[0-9a-z-]{1,80}$/),
  what: z.enum(['scenario', 'failures', 'exploration']),
  /** The scenario's, or how many kinds of failures are measured. */
  name: line,
  /** The scenario's file; null: kinds of failures are measured. */
  scenario: z.string().max(MAX_SCENARIO_BYTES).nullable(),
  /** Kinds of failures, and runs of each. */
  kinds: z.array(line).max(100),
  runs: count,
  seed: count,
  healer: z.boolean(),
  startedAt: time,
  process: z.object({ pid: z.int().min(2), startTime: count, boot: z.string().min(1) }),
  by: z.string().max(100),
  reason: z.string().max(500).nullable(),
})
export type TestRecord = Readonly<z.infer<typeof testRecord>>

export const markKinds = ['fault', 'planned', 'over', 'detected', 'acted', 'available', 'healed'] as const

/** Once a second while the load runs. */
export const liveSample = z.object({
  /** Records acknowledged, a second. */
  perSecond: ms,
  /** The longest that a record which is due has waited, of the last second. */
  waitMs: ms,
  underReplicated: count,
  leaderless: count,
  /** Brokers that say nothing. */
  silent: count,
})
export type LiveSample = Readonly<z.infer<typeof liveSample>>

export const testEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('note'), at: time, text: line }),
  /** One of several runs begins. */
  z.object({ kind: z.literal('run'), at: time, name: line, text: line }),
  z.object({ kind: z.literal('sample'), at: time, ...liveSample.shape }),
  z.object({ kind: z.literal('mark'), at: time, mark: z.enum(markKinds), text: line }),
  /** As it is told each time that it changes. */
  z.object({ kind: z.literal('incident'), at: time, incident }),
])
export type TestEvent = Readonly<z.infer<typeof testEvent>>

const expectation = z.object({ what: line, expected: line, found: line, met: z.boolean() })
const latencySummary = z.object({ records: count, p50Ms: ms, p99Ms: ms, maxMs: ms })
const healing = z.object({
  detectionMs: ms.nullable(),
  actedMs: ms.nullable(),
  incidents: z.array(
    z.object({
      id: z.string(),
      cause: z.enum(causes),
      subject: z.string(),
      remedy: z.enum(remedies).nullable(),
      refused: z.string().nullable(),
      state: incident.shape.state,
      detectedMs: ms,
      actedMs: ms.nullable(),
      availableMs: ms.nullable(),
      healedMs: ms.nullable(),
    }),
  ),
})

/** What `ajna test run --json` says. */
const runReport = z.object({
  name: z.string(),
  seed: count,
  version: z.string(),
  healer: z.string().nullable(),
  met: z.boolean(),
  expectations: z.array(expectation),
  records: z.object({
    acknowledged: count,
    unknown: count,
    found: count,
    lost: count,
    duplicated: count,
    reordered: count,
    foreign: count,
    examples: z.array(z.string()),
  }),
  faults: z.array(
    z.object({
      fault: z.string(),
      brokers: z.array(z.object({ id: z.int(), leads: count, controller: z.boolean() })),
      atMs: ms,
      healing: healing.nullable(),
      availabilityRestoredMs: ms.nullable(),
      longestGapMs: ms,
      partitionsStopped: count,
      afterRevertMs: ms,
      revertedMs: ms,
      redundancyRestoredMs: ms.nullable(),
    }),
  ),
  /** Absent in records of earlier releases. */
  operations: z
    .array(
      z.object({
        operation: z.string(),
        what: line,
        state: z.enum(operationStates),
        reason: z.string().nullable(),
        atMs: ms,
        tookMs: ms,
        longestGapMs: ms,
        partitionsStopped: count,
        metadataVersion: z.object({ before: z.int().nullable(), after: z.int().nullable() }),
        brokers: z.array(z.object({ id: z.int(), backMs: ms, wholeMs: ms })),
      }),
    )
    .default([]),
  latency: z.object({
    before: latencySummary.nullable(),
    during: latencySummary.nullable(),
    after: latencySummary.nullable(),
  }),
  load: z.object({
    recordsPerSecond: ms,
    recordBytes: count,
    partitions: count,
    requestTimeoutMs: ms,
    lastedMs: ms,
    worstLateMs: ms,
  }),
  unplannedEnds: z.array(z.object({ broker: z.int(), at: ms, reason: z.string() })),
  resolution: z.object({ gapsFromMs: ms, redundancyMs: ms }),
})

const spread = z.object({ median: ms.nullable(), worst: ms.nullable() })
const failureFigures = z.object({
  kind: z.string(),
  runs: count,
  detectionMs: ms.nullable(),
  actedMs: spread,
  availabilityRestoredMs: spread,
  longestGapMs: spread,
  revertedMs: spread,
  redundancyRestoredMs: spread,
  lost: count,
  duplicated: count,
  reordered: count,
  healing: z
    .object({
      incident: z.string().nullable(),
      incidentRaised: count,
      remedy: z.string().nullable(),
      remedyDone: count,
    })
    .nullable(),
  met: count,
})

const trace = z.object({
  lastsS: ms,
  throughput: z.array(z.object({ at: ms, perSecond: ms })),
  latency: z.array(z.object({ at: ms, p50Ms: ms, p99Ms: ms })),
  gaps: z.array(z.object({ partition: count, from: ms, to: ms, open: z.boolean() })),
  partitions: count,
  underReplicated: z.array(z.object({ at: ms, count })),
  marks: z.array(z.object({ at: ms, kind: z.enum(markKinds), text: z.string() })),
})

/** How a test ended; absent while it runs, and for ever if its process was killed. */
export const testResult = z.object({
  endedAt: time,
  /** `missed`: it ran, and was not as expected. `failed`: it could not be carried out. */
  outcome: z.enum(['met', 'missed', 'failed', 'stopped']),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
  version: z.string().nullable(),
  /** Of a scenario. */
  report: runReport.nullable(),
  /** Of kinds of failures. */
  failures: z.array(failureFigures).nullable(),
  /** Of an exploration that found one: the file of the shortest scenario that fails. */
  reproduces: z.string().max(MAX_SCENARIO_BYTES).nullable().default(null),
  /** What a page shows of each run. */
  runs: z.array(
    z.object({
      name: z.string(),
      what: z.string(),
      expectations: z.array(expectation),
      trace,
      timeline: z.array(z.string()),
    }),
  ),
  /** Runs that there was no room for. */
  runsLeftOut: count,
})
export type TestResult = Readonly<z.infer<typeof testResult>>
/** As it is told by what has run. */
export type ToldResult = DeepReadonly<Omit<z.output<typeof testResult>, 'endedAt' | 'runsLeftOut'>>

/** Somebody asked for its end. */
export const testStop = z.object({ at: time, by: z.string().max(100), reason: z.string().max(500) })
export type TestStop = Readonly<z.infer<typeof testStop>>

export const testStates = ['running', 'met', 'missed', 'failed', 'stopped', 'died'] as const
export type TestState = (typeof testStates)[number]

/** A test in a list. */
export const testSummary = testRecord.omit({ process: true, scenario: true }).extend({
  state: z.enum(testStates).describe('died: its process is gone, and has not said how it ended'),
  endedAt: time.nullable(),
  /** Of all faults the slowest; null: there was none, it never was, or nothing is known. */
  availabilityRestoredMs: ms.nullable(),
  redundancyRestoredMs: ms.nullable(),
  acknowledged: count.nullable(),
  lost: count.nullable(),
  duplicated: count.nullable(),
  error: testResult.shape.error,
  stopped: testStop.nullable().describe('who asked for its end, and why'),
})
export type TestSummary = Readonly<z.infer<typeof testSummary>>
