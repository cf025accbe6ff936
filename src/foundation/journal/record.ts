import { z } from 'zod'
import { AjnaError } from '../errors/errors.ts'
import { JOURNAL_TOO_NEW } from './errors.ts'

/** The envelope's own version; what lies in `body` and `contents` is versioned by the machine. */
const FORMAT = 1

const count = z.int().nonnegative()
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const writer = z.string().regex(/^[0-9a-z-]{1,64}$/)

/** writer and seq identify a record; basis is the first offset its writer had not yet applied when it sealed it. */
const sealed = { format: z.literal(FORMAT), writer, seq: count, basis: count, at: z.int() }

export const replicaContents = z.object({
  /** One past the last record applied. */
  next: count,
  /** Commands accepted since the journal began. */
  version: count,
  writers: z.record(writer, z.object({ seq: count, offset: count })),
  /** Where the newest accepted snapshot stands (0: none), and the one before it. */
  snapshot: count,
  previous: count,
  state: z.unknown(),
})
export type ReplicaContents = z.infer<typeof replicaContents>

const envelope = z.discriminatedUnion('kind', [
  z.object({
    ...sealed,
    kind: z.literal('command'),
    machine: count,
    decidedOn: count.optional(),
    body: z.unknown(),
  }),
  z.object({ ...sealed, kind: z.literal('barrier') }),
  z.object({ ...sealed, kind: z.literal('mark') }),
  z.object({
    ...sealed,
    kind: z.literal('snapshot'),
    machine: count,
    covers: count,
    digest,
    contents: replicaContents,
  }),
])
export type Envelope = z.infer<typeof envelope>
export type SnapshotEnvelope = Extract<Envelope, { kind: 'snapshot' }>

/** What a record says before its writer, sequence, basis and time are known. */
export type Draft =
  | {
      readonly kind: 'command'
      readonly machine: number
      readonly decidedOn?: number | undefined
      readonly body: unknown
    }
  | { readonly kind: 'barrier' }
  | { readonly kind: 'mark' }
  | {
      readonly kind: 'snapshot'
      readonly machine: number
      readonly covers: number
      readonly digest: string
      readonly contents: ReplicaContents
    }

export interface Seal {
  readonly writer: string
  readonly seq: number
  readonly basis: number
  readonly at: number
}

export function encodeRecord(draft: Draft, seal: Seal): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...seal, ...draft }))
}

/**
 * Nothing for a record that is not the journal's: all readers alike pass over it.
 *
 * @throws AjnaError JOURNAL_TOO_NEW when the envelope's format is a later one
 */
export function decodeRecord(value: Uint8Array, where: string): Envelope | undefined {
  const json = parseJson(value)
  const parsed = envelope.safeParse(json)
  if (parsed.success) return parsed.data
  const format = z.object({ format: z.int().gt(FORMAT) }).safeParse(json)
  if (format.success)
    throw new AjnaError(
      JOURNAL_TOO_NEW,
      `${where} has format ${format.data.format}, this program reads up to ${FORMAT}`,
    )
  return undefined
}

function parseJson(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString())
  } catch {
    // Not JSON: foreign, as the caller says.
    return undefined
  }
}
