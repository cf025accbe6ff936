/** Faults of a disk as Kibosh's control file has them, and the kinds of scenarios in those terms. Pure. */
import { z } from 'zod'
import type { DeepReadonly } from '../../../foundation/config/config.ts'

const where = {
  /** Of paths below the mount point, which begin with `/`. Default: all. */
  prefix: z.string().optional(),
  suffix: z.string().optional(),
}
/** Share of acts (delays) or bytes (corruption). */
const fraction = z.number().min(0).max(1).optional()
const delayMs = z.int().min(0).max(600_000)

/**
 * How bytes are spoilt, by Kibosh's number or by name: at random places, or at the end (`_seq`, `drop`). What is dropped from
 * a write was written as far as the writer knows.
 */
const mode = z.union([
  z.literal([1000, 1001, 1100, 1101, 1200]),
  z.enum(['zero', 'rand', 'zero_seq', 'rand_seq', 'drop']),
])
/** So many times, then all is dropped; −1: without end. */
const corrupt = { ...where, mode, fraction, count: z.int().optional() }

const diskFault = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('unreadable'), ...where, code: z.int() }),
  z.strictObject({ type: z.literal('read_delay'), ...where, delay_ms: delayMs, fraction }),
  z.strictObject({ type: z.literal('unwritable'), ...where, code: z.int() }),
  z.strictObject({ type: z.literal('write_delay'), ...where, delay_ms: delayMs, fraction }),
  z.strictObject({ type: z.literal('read_corrupt'), ...corrupt }),
  z.strictObject({ type: z.literal('write_corrupt'), ...corrupt }),
])
export type DiskFault = DeepReadonly<z.infer<typeof diskFault>>

export const diskFaults = z.object({ faults: z.array(diskFault).default([]) })

/** What is done to a disk. */
export const diskFaultKinds = [
  'disk-error',
  'disk-full',
  'disk-slow',
  'disk-corrupt',
  'disk-lost-writes',
  'disk-gone',
] as const
export type DiskFaultKind = (typeof diskFaultKinds)[number]

export const isDiskFault = (kind: string): kind is DiskFaultKind =>
  (diskFaultKinds as readonly string[]).includes(kind)

/** Whether a broker gives its log dir up because of it, for as long as it runs. */
export const isGivenUp = (kind: DiskFaultKind): boolean =>
  kind === 'disk-error' || kind === 'disk-full' || kind === 'disk-gone'

export interface DiskFaultPlan {
  /** Of `disk-slow`: each write and each sync. */
  readonly delayMs: number
}

export const SLOW_DELAY_MS = 2_000

const EIO = 5
const ENOSPC = 28
/** Of the bytes of a segment that are read: no batch of any size escapes for long. */
const SPOILT = 0.001
const SEGMENTS = '.log'

/** Null: the disk is taken away. */
export function faultsOf(kind: DiskFaultKind, { delayMs }: DiskFaultPlan): readonly DiskFault[] | null {
  switch (kind) {
    case 'disk-error':
      return [
        { type: 'unreadable', code: EIO },
        { type: 'unwritable', code: EIO },
      ]
    case 'disk-full':
      return [{ type: 'unwritable', code: ENOSPC }]
    case 'disk-slow':
      return [{ type: 'write_delay', delay_ms: delayMs, fraction: 1 }]
    case 'disk-corrupt':
      return [{ type: 'read_corrupt', suffix: SEGMENTS, mode: 'rand', fraction: SPOILT }]
    case 'disk-lost-writes':
      return [{ type: 'write_corrupt', suffix: SEGMENTS, mode: 'drop', fraction: 1 }]
    case 'disk-gone':
      return null
    default:
      return kind satisfies never
  }
}
