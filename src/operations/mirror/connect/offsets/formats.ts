import { z } from 'zod'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { LinkPosition } from '../../registry.ts'
import { CONNECT_POSITIONS_INVALID } from '../errors.ts'
import { csvFields, csvLine } from './csv.ts'
import type { Stand } from './positions.ts'

/** Positions as text: written for people and other tools, and read again. */

export const positionFormats = ['csv', 'json', 'mirus', 'mm2'] as const
export type PositionFormat = (typeof positionFormats)[number]

/** What the other tools' formats name besides topics, partitions and offsets. */
export interface FormatNames {
  /** Mirus: the connector. */
  readonly connector: string
  /** MirrorMaker 2: the alias of the source cluster. */
  readonly cluster: string
}

export function writePositions(
  format: PositionFormat,
  positions: readonly LinkPosition[],
  names: FormatNames,
): string {
  switch (format) {
    case 'csv':
      return lines([CSV_COLUMNS.join(','), ...positions.map(csvOf)])
    case 'json':
      return lines([JSON.stringify(positions.map(plain), undefined, 1)])
    case 'mirus':
      return lines(positions.map(each => mirusOf(each, names.connector)))
    case 'mm2':
      return lines([
        JSON.stringify({ offsets: positions.flatMap(each => mm2Of(each, names.cluster)) }, undefined, 1),
      ])
    default:
      return format satisfies never
  }
}

/**
 * @returns what a file says of this connector or cluster; what it says of others is left out
 * @throws AjnaError CONNECT_POSITIONS_INVALID, naming the line
 */
export function readPositions(format: PositionFormat, text: string, names: FormatNames): readonly Stand[] {
  switch (format) {
    case 'csv':
      return readCsv(text)
    case 'json':
      return parseJson(jsonPositions, text, 1).map(({ topic, partition, sourceOffset }) => ({
        topic,
        partition,
        sourceOffset,
      }))
    case 'mirus':
      return readMirus(text, names.connector)
    case 'mm2':
      return parseJson(mm2Positions, text, 1)
        .offsets.filter(({ partition }) => partition.cluster === names.cluster)
        .map(({ partition: { topic, partition }, offset: at }) => ({
          topic,
          partition,
          // The last that was copied, not the next.
          sourceOffset: at === null ? null : at.offset + 1,
        }))
    default:
      return format satisfies never
  }
}

const topic = z.string().min(1).max(249)
const partition = z
  .int()
  .min(0)
  .max(2 ** 31 - 1)
const offset = z.int().nonnegative()
const jsonPositions = z.array(
  z.strictObject({
    topic,
    partition,
    sourceOffset: offset.nullable(),
    /** Follows from the copy; there for people. */
    targetOffset: offset.nullable().optional(),
  }),
)
const mm2Positions = z.strictObject({
  offsets: z.array(
    z.strictObject({
      partition: z.strictObject({ cluster: z.string(), topic, partition }),
      offset: z.strictObject({ offset }).nullable(),
    }),
  ),
})
const mirusLine = z.strictObject({ connectorId: z.string(), topic, partition, offset: offset.nullable() })

const CSV_COLUMNS = ['topic', 'partition', 'source_offset', 'target_offset'] as const

const lines = (parts: readonly string[]): string => parts.map(part => `${part}\n`).join('')

const csvOf = ({ topic, partition, sourceOffset, targetOffset }: LinkPosition): string =>
  csvLine([topic, partition, sourceOffset, targetOffset])

const plain = ({ topic, partition, sourceOffset, targetOffset }: LinkPosition): LinkPosition => ({
  topic,
  partition,
  sourceOffset,
  targetOffset,
})

const mirusOf = ({ topic, partition, sourceOffset }: LinkPosition, connector: string): string =>
  csvLine([connector, topic, partition, sourceOffset])

const mm2Of = ({ topic, partition, sourceOffset }: LinkPosition, cluster: string): readonly object[] =>
  sourceOffset === 0
    ? []
    : [{ partition: { cluster, partition, topic }, offset: { offset: sourceOffset - 1 } }]

function readCsv(text: string): readonly Stand[] {
  const [first, ...rest] = numbered(text)
  const columns = first === undefined ? [] : (csvFields(first.text) ?? [])
  const at = (name: string): number => columns.indexOf(name)
  const missing = CSV_COLUMNS.slice(0, 3).filter(name => at(name) === -1)
  if (missing.length > 0)
    throw wrong(first?.line ?? 1, `the first line names the columns, and lacks ${missing.join(', ')}`)
  return rest.map(({ line, text: row }) => {
    const fields = csvFields(row)
    if (fields?.length !== columns.length) throw wrong(line, `${columns.length} fields are expected`)
    return standOf(line, fields[at('topic')]!, fields[at('partition')]!, fields[at('source_offset')]!)
  })
}

/** As `mirus-offset-tool.sh --describe` prints them: CSV without a heading, or one JSON object a line. */
function readMirus(text: string, connector: string): readonly Stand[] {
  return numbered(text).flatMap(({ line, text: row }) => {
    if (row.startsWith('{')) {
      const { connectorId, offset: at, ...place } = parseJson(mirusLine, row, line)
      return connectorId === connector ? [{ ...place, sourceOffset: at }] : []
    }
    const fields = csvFields(row)
    if (fields?.length !== 4)
      throw wrong(line, 'four fields are expected: connector, topic, partition, offset')
    const [name, topic, partition, at] = fields as [string, string, string, string]
    const stand = standOf(line, topic, partition, at)
    return name === connector ? [stand] : []
  })
}

function standOf(line: number, name: string, number: string, at: string): Stand {
  const parsed = mirusLine.omit({ connectorId: true }).safeParse({
    topic: name,
    partition: wholeNumber(number),
    offset: at === '' ? null : wholeNumber(at),
  })
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    throw wrong(line, `${path.join('.')}: ${message}`)
  }
  const { topic, partition, offset } = parsed.data
  return { topic, partition, sourceOffset: offset }
}

const wholeNumber = (text: string): number => (/^\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN)

/** Lines that hold something, numbered from 1. */
const numbered = (text: string): readonly { readonly line: number; readonly text: string }[] =>
  text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((each, index) => ({ line: index + 1, text: each }))
    .filter(each => each.text.trim() !== '')

function parseJson<Value>(schema: z.ZodType<Value>, text: string, line: number): Value {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw wrong(line, `no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0]!
  throw wrong(line, `${path.join('.')}: ${message}`)
}

const wrong = (line: number, message: string): AjnaError =>
  new AjnaError(CONNECT_POSITIONS_INVALID, `line ${line}: ${message}`, { details: { line } })
