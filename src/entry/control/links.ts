import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { ResolvedLink } from '../../operations/fleet/contract.ts'
import { type LinkStatus, linkStatusSchema } from '../../operations/mirror/contract.ts'
import type { LinkDetail } from '../api/models.ts'

const ASK_EVERY_MS = 1_000
const ASK_DEADLINE_MS = 2_000
/** A status older than this says nothing about now. */
const STALE_MS = 10_000
/** Behind by more than this in time, a link lags. */
const LAGGING_MS = 10_000
const MINUTE_MS = 60_000
const MINUTES = 30

export const mirrorPath = '/api/links'
export const mirrorAnswer = z.object({ links: z.array(linkStatusSchema) })

export interface LinkWatch {
  links(): LinkDetail[]
  /** The link that writes a topic at a cluster, or null. */
  linkOf(cluster: string, topic: string): string | null
}

export interface LinkWatchOptions {
  readonly links: readonly ResolvedLink[]
  readonly port: number
  readonly token: string
  readonly now: () => number
  readonly changed: () => void
  readonly signal: AbortSignal
}

/** Asks the mirror role for its links' states every second. */
export function watchLinks(options: LinkWatchOptions): LinkWatch {
  const { port, token, now, signal } = options
  const known = new Map<string, LinkStatus>()
  const rates = new Map(options.links.map(({ name }) => [name, createLinkRates()]))

  async function ask(): Promise<void> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(ASK_DEADLINE_MS)])
    const response = await fetch(`http://127.0.0.1:${port}${mirrorPath}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: deadline,
    })
    for (const status of mirrorAnswer.parse(await response.json()).links) {
      known.set(status.link, status)
      rates.get(status.link)?.note(status)
    }
    options.changed()
  }

  void (async () => {
    while (!signal.aborted) {
      // A mirror that does not answer shows as a status that grows old.
      await ask().catch(() => undefined)
      await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  })()

  return {
    links: () =>
      options.links.map(link => detailOf(link, known.get(link.name), rates.get(link.name)!, now())),
    linkOf: (cluster, topic) =>
      options.links.find(({ to, topics }) => to === cluster && topics.includes(topic))?.name ?? null,
  }
}

function detailOf(
  link: ResolvedLink,
  status: LinkStatus | undefined,
  rates: LinkRates,
  now: number,
): LinkDetail {
  const partitions = status?.partitions ?? []
  const halted = partitions.filter(({ state }) => state === 'halted' || state === 'blocked')
  const times = partitions.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]))
  const lagMs = times.length === 0 ? null : Math.max(...times)
  const { state, reason, since } = stateOf(status, halted.length, lagMs, now)
  return {
    name: link.name,
    from: link.from,
    to: link.to,
    state,
    reason:
      reason === '' && halted[0] !== undefined
        ? `${halted[0].topic}-${halted[0].partition}: ${halted[0].reason}`
        : reason,
    since,
    observedAt: status?.observedAt ?? null,
    topics: link.topics.length,
    partitions: partitions.length,
    haltedPartitions: halted.length,
    lagRecords: partitions.every(({ lagRecords }) => lagRecords === null)
      ? null
      : partitions.reduce((sum, each) => sum + (each.lagRecords ?? 0), 0),
    lagMs,
    recordsPerSecond: rates.records(),
    bytesPerSecond: rates.bytes(),
    history: rates.history(),
    assigned: partitions.map(each => ({
      topic: each.topic,
      partition: each.partition,
      state: each.state,
      reason: each.reason,
      halted: each.state === 'halted',
      sourceEnd: each.sourceEnd,
      targetEnd: each.targetEnd,
      lagRecords: each.lagRecords,
      lagMs: each.lagMs,
    })),
  }
}

function stateOf(
  status: LinkStatus | undefined,
  halted: number,
  lagMs: number | null,
  now: number,
): Pick<LinkDetail, 'state' | 'reason' | 'since'> {
  if (status === undefined)
    return { state: 'unknown', reason: 'the mirror has not answered yet', since: null }
  if (now - status.observedAt > STALE_MS)
    return { state: 'unknown', reason: 'the mirror no longer answers', since: status.observedAt }
  if (status.state === 'stopped' || status.state === 'deposed')
    return { state: 'stopped', reason: status.reason, since: status.startedAt }
  if (halted > 0) return { state: 'halted', reason: '', since: status.startedAt }
  if (lagMs !== null && lagMs > LAGGING_MS)
    return { state: 'lagging', reason: `${Math.round(lagMs / 1_000)} s behind`, since: null }
  return { state: 'running', reason: status.reason, since: status.startedAt }
}

interface LinkRates {
  note(status: LinkStatus): void
  records(): number | null
  bytes(): number | null
  history(): number[]
}

function createLinkRates(): LinkRates {
  let before: { readonly at: number; readonly records: number; readonly bytes: number } | undefined
  let rate: { readonly records: number; readonly bytes: number } | undefined
  const minutes: { readonly minute: number; records: number; ms: number }[] = []
  return {
    note(status) {
      const at = status.observedAt
      const records = status.partitions.reduce((sum, each) => sum + each.records, 0)
      const bytes = status.partitions.reduce((sum, each) => sum + each.bytes, 0)
      // Counts begin anew with each worker.
      if (before !== undefined && at > before.at && records >= before.records) {
        const ms = at - before.at
        rate = {
          records: ((records - before.records) / ms) * 1_000,
          bytes: ((bytes - before.bytes) / ms) * 1_000,
        }
        const minute = Math.floor(at / MINUTE_MS)
        const last = minutes.at(-1)
        if (last?.minute === minute) {
          last.records += records - before.records
          last.ms += ms
        } else minutes.push({ minute, records: records - before.records, ms })
        if (minutes.length > MINUTES) minutes.shift()
      }
      before = { at, records, bytes }
    },
    records: () => rate?.records ?? null,
    bytes: () => rate?.bytes ?? null,
    history: () => minutes.map(({ records, ms }) => (records / ms) * 1_000),
  }
}
