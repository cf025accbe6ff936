/**
 * How a follower of a log does, from a window of what it last said: without a threshold in records, which would be wrong for
 * every partition but one. The rules and their order are those of LinkedIn's Burrow (its evaluator, v1.9). Pure.
 */
import { copiedTo, type LinkPartitionStatus } from './contract.ts'

/** What the follower itself said, when it said it. A position that somebody else merely looked up is no sample. */
export interface Sample {
  /** ms since the epoch. */
  readonly at: number
  /** The next offset it will take. */
  readonly position: number
  /** Where the log that it follows ended then. */
  readonly end: number
}

export const lagVerdicts = ['ok', 'warning', 'stalled', 'stopped', 'rewound'] as const
/**
 * `warning`: it takes records, but over the whole window never caught up by one. `stalled`: it says the same position again
 * and again. `stopped`: it has said nothing for longer than a window. `rewound`: it went backwards, and is not back yet.
 */
export type LagVerdict = (typeof lagVerdicts)[number]

export interface Judgement {
  readonly verdict: LagVerdict
  /** Why, for people; empty when it is ok. */
  readonly reason: string
  /** Records behind now. */
  readonly lag: number
  /** Share of the window that is filled: below 1 it has been watched only for a while. */
  readonly complete: number
}

export interface JudgeOptions {
  /** Samples that make a whole window. Default 10. */
  readonly window?: number
  /** How often it should say something, ms: a window that is not full yet is taken to be as long as a full one. */
  readonly everyMs: number
  /** Records that count as caught up. Default 0. */
  readonly allowedLag?: number
}

export const DEFAULT_WINDOW = 10

/**
 * @param samples oldest first; at most the window's last are looked at
 * @param end where the log ends now
 * @param recentEnds where it ended lately, at looks that need no word of the follower: one that had everything then is not
 *   stopped yet, a record just came (Burrow #303)
 */
export function judge(
  samples: readonly Sample[],
  end: number,
  now: number,
  options: JudgeOptions,
  recentEnds: readonly number[] = [],
): Judgement {
  const { window = DEFAULT_WINDOW, everyMs, allowedLag = 0 } = options
  const seen = samples.slice(-window)
  const complete = Math.min(1, seen.length / window)
  const first = seen[0]
  const last = seen.at(-1)
  if (first === undefined || last === undefined) return { verdict: 'ok', reason: '', lag: 0, complete }
  const lag = Math.max(0, end - last.position)
  const say = (verdict: LagVerdict, reason: string): Judgement => ({ verdict, reason, lag, complete })
  if (lag <= allowedLag) return say('ok', '')

  const silentMs = now - last.at
  const span = Math.max(last.at - first.at, (window - 1) * everyMs)
  const hadEverything = recentEnds.some(each => each - last.position <= allowedLag)
  if (silentMs > span && !hadEverything)
    return say('stopped', `it has said nothing for ${seconds(silentMs)}, ${lag} records behind`)

  const back = seen.findIndex((each, at) => at > 0 && each.position < seen[at - 1]!.position)
  if (back > 0) {
    const before = seen[back - 1]!.position
    const recovered = seen.slice(back).some(({ position }) => position >= before)
    if (!recovered)
      return say(
        'rewound',
        `it went back from ${before} to ${seen[back]!.position}, and stands at ${last.position}`,
      )
  }

  const always = seen.every(each => each.end - each.position > allowedLag)
  if (seen.length < 2 || !always) return say('ok', '')
  if (seen.every(({ position }) => position === first.position)) {
    const heldMs = last.at - first.at
    return say('stalled', `it has stood at ${last.position} for ${seconds(heldMs)}, ${lag} records behind`)
  }
  const lags = seen.map(each => each.end - each.position)
  if (lags.every((each, at) => at === 0 || each >= lags[at - 1]!))
    return say(
      'warning',
      `it falls behind: ${lags[0]} records ${seconds(last.at - first.at)} ago, ${lag} now`,
    )
  return say('ok', '')
}

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`

const SEVERITY: Readonly<Record<LagVerdict, number>> = {
  ok: 0,
  warning: 1,
  stalled: 2,
  stopped: 2,
  rewound: 2,
}

/** Of several partitions: the worst, as Burrow sums a group up. Undefined for none. */
export function worst(judgements: readonly Judgement[]): Judgement | undefined {
  return judgements.reduce<Judgement | undefined>(
    (found, each) => (found === undefined || SEVERITY[each.verdict] > SEVERITY[found.verdict] ? each : found),
    undefined,
  )
}

/** The window of one partition, as it slides. */
export interface LagWindow {
  /** A sample that is not newer than the last is the same word heard again. */
  note(sample: Sample): void
  judge(end: number, now: number): Judgement
}

export function lagWindow(options: JudgeOptions): LagWindow {
  const { window = DEFAULT_WINDOW } = options
  const samples: Sample[] = []
  const ends: { readonly at: number; readonly end: number }[] = []
  return {
    note(sample) {
      if (sample.at <= (samples.at(-1)?.at ?? Number.NEGATIVE_INFINITY)) return
      samples.push(sample)
      if (samples.length > window) samples.shift()
    },
    judge(end, now) {
      // As far apart as samples, however often somebody asks: they have to reach back as far.
      if (now - (ends.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= options.everyMs) ends.push({ at: now, end })
      if (ends.length > window) ends.shift()
      const recent = ends.map(each => each.end)
      return judge(samples, end, now, options, recent)
    },
  }
}

/* ---- the partitions of a link ---- */

/** A link's workers are asked so often. */
const LINK_EVERY_MS = 1_000

/** In other states a partition itself says what is the matter. */
const JUDGED: ReadonlySet<LinkPartitionStatus['state']> = new Set(['copying', 'caught-up'])

type Said = Pick<
  LinkPartitionStatus,
  'topic' | 'partition' | 'state' | 'sourceEnd' | 'targetEnd' | 'observedAt' | 'mapping'
>

/** How each partition of a link does, from what its workers say again and again. */
export interface LinkVerdicts {
  note(status: { readonly observedAt: number; readonly partitions: readonly Said[] }): void
  /** Undefined where its state says more, or nothing is known yet. */
  judge(partition: Said, now: number): Judgement | undefined
}

export function linkVerdicts(): LinkVerdicts {
  /** Only of partitions that are behind: one that has caught up is well, whatever was before. */
  let behind = new Map<string, LagWindow>()
  const keyOf = ({ topic, partition }: Said): string => `${topic}/${partition}`
  return {
    note({ observedAt, partitions }) {
      const still = new Map<string, LagWindow>()
      for (const each of partitions) {
        const { sourceEnd } = each
        const position = copiedTo(each)
        if (!JUDGED.has(each.state) || sourceEnd === null || position === null || sourceEnd <= position)
          continue
        const window = behind.get(keyOf(each)) ?? lagWindow({ everyMs: LINK_EVERY_MS })
        window.note({ at: each.observedAt ?? observedAt, position, end: sourceEnd })
        still.set(keyOf(each), window)
      }
      behind = still
    },
    judge(partition, now) {
      if (!JUDGED.has(partition.state) || partition.sourceEnd === null) return undefined
      const well: Judgement = { verdict: 'ok', reason: '', lag: 0, complete: 1 }
      return behind.get(keyOf(partition))?.judge(partition.sourceEnd, now) ?? well
    },
  }
}
