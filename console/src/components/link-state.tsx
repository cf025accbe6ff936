import type { LinkPartition, LinkRow } from '../api/client.ts'
import { count, duration } from '../format.ts'
import { Status, type Tone, toneOf } from './status.tsx'

type Verdict = NonNullable<LinkRow['verdict']>

const VERDICT_TONES: Readonly<Record<Verdict, Tone>> = {
  ok: 'ok',
  warning: 'warn',
  stalled: 'bad',
  stopped: 'bad',
  rewound: 'bad',
}

const RANKS: readonly Tone[] = ['off', 'ok', 'warn', 'bad']
export const worstTone = (tones: readonly Tone[]): Tone =>
  RANKS[Math.max(0, ...tones.map(tone => RANKS.indexOf(tone)))]!

/** Of the link as a whole: its own state, how its partitions do, and a switch that stands still. */
export function linkTone({ state, verdict, sides }: LinkRow): Tone {
  const underWay = sides?.underWay ?? null
  const switching: Tone = underWay === null ? 'off' : underWay.stuck === null ? 'warn' : 'bad'
  return worstTone([toneOf(state), verdict === null ? 'off' : VERDICT_TONES[verdict], switching])
}

/** A link that does not run says by its word why: somebody paused it, or its sides are switched. */
export const linkState = ({ state, desired, sides }: LinkRow): string =>
  state === 'stopped' ? (sides?.phase ?? desired ?? state) : state

/** What is most worth saying about it in two words. */
export function linkNote(link: LinkRow): string {
  const { state, haltedPartitions, blockedPartitions, lagMs, sides } = link
  if (sides?.underWay != null) return sides.underWay.stuck === null ? sides.underWay.action : 'switch stuck'
  switch (state) {
    case 'halted':
      return haltedPartitions > 0
        ? `${count(haltedPartitions)} halted`
        : `${count(blockedPartitions)} blocked`
    case 'stopped':
      return linkState(link)
    case 'unknown':
      return 'not known'
    case 'lagging':
    case 'running':
      return lagMs === null ? state : duration(lagMs)
  }
}

const VERDICTS = ['rewound', 'stopped', 'stalled', 'warning', 'ok'] as const

/** `3 of 20 stalled`: the worst, and how many have it. */
export function Verdicts({ link }: { readonly link: LinkRow }) {
  const { verdict, verdicts } = link
  if (verdict === null) return <span className="quiet">–</span>
  const judged = VERDICTS.reduce((sum, each) => sum + verdicts[each], 0)
  const share = verdict === 'ok' ? count(judged) : `${count(verdicts[verdict])} of ${count(judged)}`
  return <Status tone={VERDICT_TONES[verdict]}>{`${share} ${verdict}`}</Status>
}

/** All counts but the best, worst first. */
export const verdictNote = ({ verdicts }: LinkRow): string =>
  VERDICTS.filter(each => each !== 'ok' && verdicts[each] > 0)
    .map(each => `${count(verdicts[each])} ${each}`)
    .join(' · ')

export function VerdictOf({ verdict }: { readonly verdict: LinkPartition['verdict'] }) {
  return verdict === null ? (
    <span className="quiet">–</span>
  ) : (
    <Status tone={VERDICT_TONES[verdict]}>{verdict}</Status>
  )
}

/** Which cluster is the original, for people. */
export function originalOf({ from, to, sides }: LinkRow): string {
  switch (sides?.phase ?? 'copying') {
    case 'copying':
      return from
    case 'promoting':
      return `${from}, until ${to} takes over`
    case 'promoted':
      return to
    case 'returning':
      return `${to}; ${from} is becoming its copy`
    case 'demoting':
      return `${to}, until ${from} takes over again`
  }
}
