/** Rules on records' headers: which records of a topic are copied. Pure. */
import type { KafkaRecord } from '../../foundation/wire/records.ts'
import type { LinkDefinition } from './definition.ts'

type HeaderRule = LinkDefinition['headers'][number]
export type RecordFilter = (record: Pick<KafkaRecord, 'headers'>) => boolean

/**
 * Whether a record is copied: no rule that drops matches it, and, where there are rules that keep, one of those does.
 * Undefined: no rules, every record is.
 */
export function recordFilter(rules: readonly HeaderRule[]): RecordFilter | undefined {
  if (rules.length === 0) return undefined
  const drops = rules.filter(({ act }) => act === 'drop').map(matcher)
  const keeps = rules.filter(({ act }) => act === 'keep').map(matcher)
  return record =>
    !drops.some(matches => matches(record)) && (keeps.length === 0 || keeps.some(matches => matches(record)))
}

function matcher({ key, value }: HeaderRule): RecordFilter {
  const wanted = value === undefined ? undefined : Buffer.from(value)
  return ({ headers }) =>
    headers.some(
      header =>
        header.key === key &&
        (wanted === undefined || (header.value !== null && wanted.equals(header.value))),
    )
}
