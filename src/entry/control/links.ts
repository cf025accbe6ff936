import { z } from 'zod'
import type { ResolvedLink } from '../../operations/fleet/contract.ts'
import {
  copiedTo,
  type LinkPartitionStatus,
  type LinkStatus,
  linkStatusSchema,
} from '../../operations/mirror/contract.ts'
import type { LinkDefinition, LinkEnd } from '../../operations/mirror/definition.ts'
import { stepTexts } from '../../operations/mirror/failover/plan.ts'
import { isNamed } from '../../operations/mirror/keep/names.ts'
import type { KeepStatus } from '../../operations/mirror/keep/status.ts'
import type { LinkRegistry, LinkSides } from '../../operations/mirror/registry.ts'
import { copyName, topicSelector } from '../../operations/mirror/select.ts'
import { type Judgement, type LinkVerdicts, linkVerdicts, worst } from '../../operations/mirror/verdict.ts'
import type { LinkFacts } from '../api/platform.ts'
import type { LogEnds } from './ends.ts'

/** A status older than this says nothing about now. */
const STALE_MS = 10_000
/** Behind by more than this in time, a link lags. */
const LAGGING_MS = 10_000
const MINUTE_MS = 60_000
const MINUTES = 30
const ASK_DEADLINE_MS = 2_000

export const mirrorPath = '/api/links'
export const mirrorAnswer = z.object({ links: z.array(linkStatusSchema) })

/** Asks a mirror worker how its links stand. */
export function askWorker(token: string) {
  return async (address: string, signal: AbortSignal): Promise<readonly LinkStatus[]> => {
    const response = await fetch(`${address}${mirrorPath}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_DEADLINE_MS)]),
    })
    return mirrorAnswer.parse(await response.json()).links
  }
}

export interface LinkWatch {
  /** Takes in what a link's workers have said. */
  note(name: string): void
  links(): LinkFacts[]
  /** The link that writes a topic at a cluster, or null. */
  linkOf(cluster: string, topic: string): string | null
}

export interface LinkWatchOptions {
  /** Those of the fleet's file: shown also before anybody has taken them up. */
  readonly declared: readonly ResolvedLink[]
  /** Undefined until it could be opened. */
  readonly registry: () => LinkRegistry | undefined
  readonly ends: LogEnds
  /** Whether this process is at work on a switch of the link's sides. Default: never. */
  readonly atWork?: (link: string) => boolean
  readonly now: () => number
}

/** A link with what is known of its work. */
interface Watched {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly definition: LinkDefinition | undefined
  readonly status: LinkStatus | undefined
  readonly owner: LinkFacts['owner']
  readonly reverseOf: string | null
  readonly sides: LinkSides | null
}

export function watchLinks(options: LinkWatchOptions): LinkWatch {
  const { declared, registry, ends, atWork = () => false, now } = options
  const rates = new Map<string, LinkRates>()
  const verdicts = new Map<string, LinkVerdicts>()
  const ratesOf = (name: string): LinkRates => {
    const known = rates.get(name) ?? createLinkRates()
    rates.set(name, known)
    return known
  }
  const verdictsOf = (name: string): LinkVerdicts => {
    const known = verdicts.get(name) ?? linkVerdicts()
    verdicts.set(name, known)
    return known
  }

  function statusOf(definition: LinkDefinition): LinkStatus | undefined {
    const status = registry()?.status(definition.name)
    return status === undefined ? undefined : withEnds(status, definition, ends)
  }

  function watched(): Watched[] {
    const entries = (registry()?.list() ?? []).map(({ definition, owner, reverseOf, sides }): Watched => {
      const { name, source, target } = definition
      const [from, to] = [placeOf(source), placeOf(target)]
      return { name, from, to, definition, status: statusOf(definition), owner, reverseOf, sides }
    })
    const known = new Set(entries.map(({ name }) => name))
    const awaited = declared.filter(({ name }) => !known.has(name))
    return [
      ...entries,
      ...awaited.map(({ name, from, to }): Watched => {
        const nothing = {
          definition: undefined,
          status: undefined,
          owner: null,
          reverseOf: null,
          sides: null,
        }
        return { name, from, to, ...nothing }
      }),
    ].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  return {
    note(name) {
      const definition = registry()?.get(name)?.definition
      const status = definition === undefined ? undefined : statusOf(definition)
      if (status === undefined) return
      ratesOf(name).note(status)
      verdictsOf(name).note(status)
    },
    links: () =>
      watched().map(link => {
        const facts = detailOf(link, ratesOf(link.name), verdictsOf(link.name), now())
        return { ...facts, sides: link.sides === null ? null : sidesOf(link.sides, atWork(link.name)) }
      }),
    linkOf: (cluster, topic) =>
      watched().find(link => link.to === cluster && writes(link, topic, declared))?.name ?? null,
  }
}

/** In these a worker reads the source, and knows where it ends. */
const READING: ReadonlySet<LinkPartitionStatus['state']> = new Set(['copying', 'caught-up', 'filling'])

/** Of a partition that nobody reads a worker knows only where the source ended then: what its cluster says since counts. */
function withEnds(status: LinkStatus, { source }: LinkDefinition, ends: LogEnds): LinkStatus {
  if (!('cluster' in source)) return status
  const { cluster } = source
  const partitions = status.partitions.map((each): LinkPartitionStatus => {
    const copied = copiedTo(each)
    if (READING.has(each.state) || copied === null) return each
    const end = ends(cluster, each.topic, each.partition)
    if (end === null || end <= (each.sourceEnd ?? -1)) return each
    const lagRecords = Math.max(0, end - copied)
    // It was not behind when it was last read: how old the oldest of what came since is, nobody has looked.
    const lagMs = lagRecords > 0 && each.lagMs === 0 ? null : each.lagMs
    return { ...each, sourceEnd: end, lagRecords, lagMs }
  })
  return { ...status, partitions }
}

const placeOf = (end: LinkEnd): string => ('cluster' in end ? end.cluster : end.bootstrap.join())

/** By what its workers say they copy; before they say anything, by what is declared. */
function writes(
  { name, definition, status }: Watched,
  topic: string,
  declared: readonly ResolvedLink[],
): boolean {
  if (definition === undefined)
    return declared.find(link => link.name === name)?.topics.includes(topic) === true
  const { rename, topics } = definition
  const named = topics.include.some(each => copyName(rename, each) === topic && topicSelector(topics)(each))
  return named || status?.partitions.some(each => copyName(rename, each.topic) === topic) === true
}

function detailOf(
  link: Watched,
  rates: LinkRates,
  verdicts: LinkVerdicts,
  now: number,
): Omit<LinkFacts, 'sides'> {
  const { name, from, to, definition, status, owner, reverseOf } = link
  const partitions = status?.partitions ?? []
  const failed = partitions.filter(({ state }) => state === 'halted' || state === 'blocked')
  const blocked = failed.filter(({ state }) => state === 'blocked').length
  const told = failed[0] ?? partitions.find(each => each.state === 'waiting' && each.reason !== '')
  const lagMs = lagMsOf(partitions)
  const { state, reason, since } = stateOf(link, failed.length, lagMs, now)
  const topics = new Set(partitions.map(({ topic }) => topic))
  const judged = partitions.map(each => verdicts.judge(each, now))
  return {
    name,
    from,
    to,
    owner,
    desired: definition?.desired ?? null,
    state,
    reason: reason === '' && told !== undefined ? `${told.topic}-${told.partition}: ${told.reason}` : reason,
    since,
    observedAt: status?.observedAt ?? null,
    topics: topics.size === 0 ? (definition?.topics.include.length ?? 0) : topics.size,
    partitions: partitions.length,
    haltedPartitions: failed.length - blocked,
    blockedPartitions: blocked,
    lagRecords: lagOf(partitions),
    lagMs,
    recordsPerSecond: rates.records(),
    bytesPerSecond: rates.bytes(),
    history: rates.history(),
    lagHistory: rates.lags(),
    verdict: worst(judged.filter(each => each !== undefined))?.verdict ?? null,
    verdicts: tally(judged),
    missingOffsets: partitions.reduce((sum, { missing }) => sum + offsetsIn(missing), 0),
    reverseOf,
    workers: workersOf(partitions),
    keeps: keptKinds.filter(kind => definition !== undefined && isNamed(definition.keep[kind])),
    keep: status?.keep === undefined ? null : keepOf(status.keep),
    assigned: partitions.map((each, index) => ({
      topic: each.topic,
      partition: each.partition,
      state: each.state,
      reason: each.reason,
      halted: each.state === 'halted',
      haltReason: each.halted,
      since: each.since,
      sourceEnd: each.sourceEnd,
      targetEnd: each.targetEnd,
      lagRecords: each.lagRecords,
      lagMs: each.lagMs,
      verdict: judged[index]?.verdict ?? null,
      verdictReason: judged[index]?.reason ?? '',
      missing: [...each.missing],
      mapping: each.mapping === undefined ? null : { segments: each.mapping.segments, why: each.mapping.why },
    })),
  }
}

function workersOf(partitions: readonly LinkPartitionStatus[]): LinkFacts['workers'] {
  const counts = new Map<string, number>()
  for (const { worker } of partitions)
    if (worker !== undefined) counts.set(worker, (counts.get(worker) ?? 0) + 1)
  return [...counts]
    .map(([name, partitions]) => ({ name, partitions }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

const keptKinds = ['groups', 'acls', 'quotas'] as const

function tally(judged: readonly (Judgement | undefined)[]): LinkFacts['verdicts'] {
  const verdicts = { ok: 0, warning: 0, stalled: 0, stopped: 0, rewound: 0 }
  for (const each of judged) if (each !== undefined) verdicts[each.verdict]++
  return verdicts
}

const offsetsIn = (missing: LinkStatus['partitions'][number]['missing']): number =>
  missing.reduce((sum, { from, to }) => sum + to - from, 0)

function sidesOf({ phase, underWay }: LinkSides, here: boolean): NonNullable<LinkFacts['sides']> {
  if (underWay === null) return { phase, underWay }
  const steps = underWay.steps.map(step => ({ ...step, text: stepTexts[step.name] }))
  return { phase, underWay: { ...underWay, steps, here } }
}

function keepOf({
  observedAt,
  roundAt,
  reason,
  changed,
  failed,
  left,
  groups,
}: KeepStatus): LinkFacts['keep'] {
  return {
    observedAt,
    roundAt,
    reason,
    changed,
    failed,
    left,
    groups: groups.map(({ group, state, reason: why, heldRecords, freshnessMs }) => {
      return { group, state, reason: why, heldRecords, freshnessMs }
    }),
  }
}

function stateOf(
  { status, sides }: Pick<Watched, 'status' | 'sides'>,
  failed: number,
  lagMs: number | null,
  now: number,
): Pick<LinkFacts, 'state' | 'reason' | 'since'> {
  if (status === undefined)
    return { state: 'unknown', reason: 'no mirror worker has said anything yet', since: null }
  if (now - status.observedAt > STALE_MS)
    return { state: 'unknown', reason: 'a mirror worker no longer answers', since: status.observedAt }
  if (status.state === 'stopped') {
    const reason =
      status.reason === '' && sides !== null ? `its sides are switched: ${sides.phase}` : status.reason
    return { state: 'stopped', reason, since: status.startedAt }
  }
  if (status.state === 'paused') return { state: 'stopped', reason: 'paused', since: null }
  if (failed > 0) return { state: 'halted', reason: '', since: status.startedAt }
  if (lagMs !== null && lagMs > LAGGING_MS)
    return { state: 'lagging', reason: `${Math.round(lagMs / 1_000)} s behind`, since: null }
  return { state: 'running', reason: status.reason, since: status.startedAt }
}

interface LinkRates {
  note(status: LinkStatus): void
  records(): number | null
  bytes(): number | null
  history(): number[]
  /** The most it was behind in each minute, records. */
  lags(): number[]
}

interface Counts {
  readonly records: number
  readonly bytes: number
}

function createLinkRates(): LinkRates {
  let at = 0
  /** By partition: each begins to count anew when another worker takes it. */
  let before: ReadonlyMap<string, Counts> | undefined
  let rate: Counts | undefined
  const minutes: { readonly minute: number; records: number; ms: number }[] = []
  const lags: { readonly minute: number; records: number }[] = []
  const noteLag = (minute: number, records: number): void => {
    const last = lags.at(-1)
    if (last?.minute === minute) last.records = Math.max(last.records, records)
    else lags.push({ minute, records })
    if (lags.length > MINUTES) lags.shift()
  }
  return {
    note({ observedAt, partitions }) {
      if (observedAt <= at) return
      const lag = lagOf(partitions)
      if (lag !== null) noteLag(Math.floor(observedAt / MINUTE_MS), lag)
      const ms = observedAt - at
      const now = new Map(partitions.map(each => [`${each.topic}/${each.partition}`, each as Counts]))
      if (before !== undefined) {
        const grown = growth(before, now)
        rate = { records: (grown.records / ms) * 1_000, bytes: (grown.bytes / ms) * 1_000 }
        const minute = Math.floor(observedAt / MINUTE_MS)
        const last = minutes.at(-1)
        if (last?.minute === minute) {
          last.records += grown.records
          last.ms += ms
        } else minutes.push({ minute, records: grown.records, ms })
        if (minutes.length > MINUTES) minutes.shift()
      }
      at = observedAt
      before = now
    },
    records: () => rate?.records ?? null,
    bytes: () => rate?.bytes ?? null,
    history: () => minutes.map(({ records, ms }) => (records / ms) * 1_000),
    lags: () => lags.map(({ records }) => records),
  }
}

/** Of the partition furthest behind; null: that is not known of one which is behind, or of any. */
function lagMsOf(partitions: LinkStatus['partitions']): number | null {
  if (partitions.some(({ lagRecords, lagMs }) => lagMs === null && (lagRecords ?? 0) > 0)) return null
  const times = partitions.flatMap(({ lagMs }) => lagMs ?? [])
  return times.length === 0 ? null : times.reduce((most, each) => Math.max(most, each))
}

/** Records behind, over the partitions of which that is known; null: of none. */
const lagOf = (partitions: LinkStatus['partitions']): number | null =>
  partitions.every(({ lagRecords }) => lagRecords === null)
    ? null
    : partitions.reduce((sum, each) => sum + (each.lagRecords ?? 0), 0)

function growth(before: ReadonlyMap<string, Counts>, now: ReadonlyMap<string, Counts>): Counts {
  let [records, bytes] = [0, 0]
  for (const [partition, count] of now) {
    const was = before.get(partition)
    if (was === undefined || was.records > count.records) continue
    records += count.records - was.records
    bytes += count.bytes - was.bytes
  }
  return { records, bytes }
}
