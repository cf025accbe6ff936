/** What has happened to a topic at the source since a link looked last, and what is to be done about it. Pure. */
import type { Range } from './decide.ts'
import type { LinkDefinition } from './definition.ts'

export interface KnownPartition {
  readonly partition: number
  /** The next offset to be copied: everything before is at the target. */
  readonly copied: number
  /** Where the source's log ended at the last look. */
  readonly end: number
}

export interface KnownTopic {
  readonly name: string
  readonly id: string
  readonly partitions: readonly KnownPartition[]
  /** Its own settings. */
  readonly settings: Readonly<Record<string, string>>
}

export interface SeenTopic {
  readonly id: string
  readonly partitions: readonly { readonly partition: number; readonly start: number; readonly end: number }[]
  readonly settings: Readonly<Record<string, string>>
}

export type SourcePolicy = Pick<LinkDefinition, 'onLoss' | 'onSourceDeleted' | 'onFewerPartitions'>

/** `pause`: the partition (or, without one, the topic) waits for a decision. `go-on`: the link goes on by itself. */
export type SourceAct = 'pause' | 'go-on' | 'delete-copy'

export type SourceFinding = {
  readonly act: SourceAct
  /** For people, with the offsets. */
  readonly reason: string
} & (
  | { readonly kind: 'gone' }
  | { readonly kind: 'recreated'; readonly oldId: string; readonly newId: string }
  /** The source lost records that are at the target. */
  | { readonly kind: 'truncated'; readonly partition: number; readonly lost: Range }
  /** The source lost records before they were copied; others will take their offsets. */
  | { readonly kind: 'cut-ahead'; readonly partition: number; readonly missing: Range }
  /** Retention took records before they were copied. */
  | { readonly kind: 'overtaken'; readonly partition: number; readonly missing: Range }
  | { readonly kind: 'partitions-added'; readonly partitions: readonly number[] }
  /** Null: back to the default. */
  | { readonly kind: 'settings-changed'; readonly set: Readonly<Record<string, string | null>> }
)

/** @param seen undefined: the source has no such topic */
export function findingsOf(
  known: KnownTopic,
  seen: SeenTopic | undefined,
  policy: SourcePolicy,
): SourceFinding[] {
  if (seen === undefined) {
    const act = policy.onSourceDeleted === 'delete' ? 'delete-copy' : 'pause'
    return [{ kind: 'gone', act, reason: `the source has no topic ${known.name} any more` }]
  }
  if (seen.id !== known.id) {
    const reason = `topic ${known.name} was deleted and created again (${known.id}, now ${seen.id}): the copy holds the old one's records`
    return [{ kind: 'recreated', oldId: known.id, newId: seen.id, act: 'pause', reason }]
  }
  const logs = new Map(seen.partitions.map(each => [each.partition, each]))
  return [
    ...known.partitions.flatMap(each => {
      const log = logs.get(each.partition)
      return log === undefined ? [] : partitionFindings(each, log, policy)
    }),
    ...addedPartitions(known, seen, policy),
    ...changedSettings(known, seen),
  ]
}

function partitionFindings(
  { partition, copied, end }: KnownPartition,
  log: { readonly start: number; readonly end: number },
  policy: SourcePolicy,
): SourceFinding[] {
  if (log.end < copied) {
    const lost = { from: log.end, to: copied }
    const reason = `partition ${partition} was cut to ${log.end}: the source lost ${offsets(lost)}, which the copy has`
    return [{ kind: 'truncated', partition, lost, act: 'pause', reason }]
  }
  const found: SourceFinding[] = []
  if (log.end < end) {
    const missing = { from: Math.max(log.end, copied), to: end }
    const reason = `partition ${partition} was cut from ${end} to ${log.end}: the source lost ${offsets(missing)} before they were copied`
    found.push({ kind: 'cut-ahead', partition, missing, act: 'go-on', reason })
  }
  if (log.start > copied) {
    const missing = { from: copied, to: log.start }
    const reason = `partition ${partition}: the source deleted ${offsets(missing)} before they were copied`
    const act = policy.onLoss === 'continue' ? 'go-on' : 'pause'
    found.push({ kind: 'overtaken', partition, missing, act, reason })
  }
  return found
}

const offsets = ({ from, to }: Range): string =>
  to - from === 1 ? `offset ${from}` : `offsets ${from} to ${to - 1}`

function addedPartitions(known: KnownTopic, seen: SeenTopic, policy: SourcePolicy): SourceFinding[] {
  const before = new Set(known.partitions.map(({ partition }) => partition))
  const partitions = seen.partitions.map(({ partition }) => partition).filter(each => !before.has(each))
  if (partitions.length === 0) return []
  const act = policy.onFewerPartitions === 'widen' ? 'go-on' : 'pause'
  const reason = `the source has partitions that it did not have: ${partitions.join(', ')}`
  return [{ kind: 'partitions-added', partitions, act, reason }]
}

function changedSettings(known: KnownTopic, seen: SeenTopic): SourceFinding[] {
  const names = [...new Set([...Object.keys(known.settings), ...Object.keys(seen.settings)])].sort()
  const changed = names.filter(name => known.settings[name] !== seen.settings[name])
  if (changed.length === 0) return []
  const set = Object.fromEntries(changed.map(name => [name, seen.settings[name] ?? null]))
  const texts = changed.map(
    name => `${name} ${known.settings[name] ?? 'default'} → ${set[name] ?? 'default'}`,
  )
  return [{ kind: 'settings-changed', set, act: 'go-on', reason: texts.join(', ') }]
}
