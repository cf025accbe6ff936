import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { LinkPosition, LinkPositionChange } from '../registry.ts'
import type { OffsetForm } from './config/connectors.ts'
import type { ConnectorConfig } from './config/reading.ts'
import type { ConnectorOffset } from './contract.ts'
import { CONNECT_OFFSETS_INVALID } from './errors.ts'

/**
 * A link's positions in the words of the connector it is for (KIP-875).
 *
 * A link's position is the next offset to be copied, and so is Mirus'. MirrorMaker 2's is the last one that was copied:
 * the same place is one less there, and a partition of which nothing was copied has none.
 */

interface Form {
  show(position: LinkPosition, config: ConnectorConfig): ConnectorOffset | undefined
  readonly partition: z.ZodType<{
    readonly topic: string
    readonly partition: number
    readonly cluster?: string
  }>
  readonly offset: z.ZodType<{ readonly offset: number }>
  /** The next source offset to be copied. */
  next(offset: number): number
}

const topic = z.string().min(1).max(249)
const partition = z
  .int()
  .min(0)
  .max(2 ** 31 - 1)
const offset = z.int().nonnegative()
const plainPartition = z.strictObject({ topic, partition })
const plainOffset = z.strictObject({ offset })

const forms: Readonly<Record<OffsetForm, Form>> = {
  link: {
    show: ({ topic, partition, sourceOffset, targetOffset }) => ({
      partition: { topic, partition },
      offset: { offset: sourceOffset, target: targetOffset },
    }),
    partition: plainPartition,
    // What is shown can be given back; where it lies at the target follows from the copy.
    offset: z.strictObject({ offset, target: offset.optional() }),
    next: offset => offset,
  },
  mirus: {
    show: ({ topic, partition, sourceOffset }) =>
      sourceOffset === 0 ? undefined : { partition: { topic, partition }, offset: { offset: sourceOffset } },
    partition: plainPartition,
    offset: plainOffset,
    next: offset => offset,
  },
  mm2: {
    show: ({ topic, partition, sourceOffset }, config) =>
      sourceOffset === 0
        ? undefined
        : {
            partition: { cluster: config['source.cluster.alias'] ?? '', partition, topic },
            offset: { offset: sourceOffset - 1 },
          },
    partition: z.strictObject({ cluster: z.string(), topic, partition }),
    offset: plainOffset,
    next: offset => offset + 1,
  },
}

export const showOffsets = (
  form: OffsetForm,
  config: ConnectorConfig,
  positions: readonly LinkPosition[],
): readonly ConnectorOffset[] =>
  positions.flatMap(position => {
    const shown = forms[form].show(position, config)
    return shown === undefined ? [] : [shown]
  })

/** @throws AjnaError CONNECT_OFFSETS_INVALID */
export function readOffsets(
  form: OffsetForm,
  config: ConnectorConfig,
  given: readonly { readonly partition?: unknown; readonly offset?: unknown }[],
): readonly LinkPositionChange[] {
  const { partition, offset, next } = forms[form]
  const seen = new Set<string>()
  return given.map((each, index) => {
    const at = `offsets[${index}]`
    const place = parsed(partition, each.partition, `${at}.partition`)
    const cluster = config['source.cluster.alias']
    if (place.cluster !== undefined && place.cluster !== cluster)
      throw new AjnaError(
        CONNECT_OFFSETS_INVALID,
        `${at}.partition.cluster: this connector’s source is ${JSON.stringify(cluster)}`,
      )
    const name = `${place.topic}-${place.partition}`
    if (seen.has(name)) throw new AjnaError(CONNECT_OFFSETS_INVALID, `${at}: ${name} is given twice`)
    seen.add(name)
    const position =
      each.offset === null || each.offset === undefined
        ? null
        : next(parsed(offset, each.offset, `${at}.offset`).offset)
    return { topic: place.topic, partition: place.partition, sourceOffset: position }
  })
}

function parsed<Value>(schema: z.ZodType<Value>, value: unknown, at: string): Value {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw new AjnaError(CONNECT_OFFSETS_INVALID, `${[at, ...issue.path].join('.')}: ${issue.message}`)
}
