import type { Mark } from '../records/marks.ts'
import { escapeHtml } from './escape.ts'
import type { RunTrace } from './trace.ts'

/** A run as a picture: throughput, latency, gaps per partition, replicas out of sync, and what happened when. SVG, pure. */

const WIDTH = 1_000
const LEFT = 96
const RIGHT = 44
const LABELS = 64
const LANE = 64
const BETWEEN = 14
const GAP_ROW = 9

const WORDS: Readonly<Record<Mark['kind'], string>> = {
  fault: 'fault',
  planned: 'planned',
  over: 'over',
  detected: 'detected',
  acted: 'act',
  available: 'available',
  healed: 'healed',
}

const round = (value: number): string => String(Math.round(value * 10) / 10)

interface Frame {
  readonly x: (seconds: number) => number
  readonly lastsS: number
}

/** @param title names the picture for those who do not see it; all that it shows is in the list beside it too */
export function renderTimeline(trace: RunTrace, title: string): string {
  const lastsS = Math.max(1, trace.lastsS, ...trace.marks.map(({ at }) => at))
  const frame: Frame = { lastsS, x: s => LEFT + (Math.max(0, s) / lastsS) * (WIDTH - LEFT - RIGHT) }
  const gapsHeight = Math.max(24, trace.partitions * GAP_ROW)
  const [throughputTop, latencyTop] = [LABELS, LABELS + LANE + BETWEEN]
  const gapsTop = latencyTop + LANE + BETWEEN
  const replicasTop = gapsTop + gapsHeight + BETWEEN
  const bottom = replicasTop + 32
  return [
    `<svg viewBox="0 0 ${WIDTH} ${bottom + 28}" role="img" aria-label="${escapeHtml(title)}">`,
    spans(trace, frame, bottom),
    throughput(trace, frame, throughputTop),
    latency(trace, frame, latencyTop),
    gaps(trace, frame, gapsTop, gapsHeight),
    replicas(trace, frame, replicasTop),
    axis(frame, bottom),
    marks(trace, frame, bottom),
    '</svg>',
  ].join('\n')
}

const lane = (top: number, height: number, name: string, unit: string): string =>
  `<rect class="lane" x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${height}"/>` +
  `<text class="name" x="${LEFT - 8}" y="${top + 12}" text-anchor="end">${name}</text>` +
  `<text class="unit" x="${LEFT - 8}" y="${top + 25}" text-anchor="end">${unit}</text>`

/** `kill: broker 1 (leads 2)`, `kill is over`. */
const faultOf = (text: string): string | undefined => text.split(/[: ]/, 1)[0]

/** Each fault's and operation's time, shaded. */
function spans({ marks: all, lastsS }: RunTrace, { x }: Frame, bottom: number): string {
  const faults = all.filter(({ kind }) => kind === 'fault' || kind === 'planned')
  const overs = all.filter(({ kind }) => kind === 'over')
  return faults
    .map(fault => {
      // Those of one kind end in the order in which they began.
      const index = overs.findIndex(({ at, text }) => at >= fault.at && faultOf(text) === faultOf(fault.text))
      const [over] = index === -1 ? [] : overs.splice(index, 1)
      const [from, to] = [x(fault.at), x(over?.at ?? lastsS)]
      return `<rect class="span" x="${round(from)}" y="${LABELS}" width="${round(Math.max(1, to - from))}" height="${bottom - LABELS}"/>`
    })
    .join('')
}

function throughput({ throughput: points }: RunTrace, { x }: Frame, top: number): string {
  const most = Math.max(1, ...points.map(({ perSecond }) => perSecond))
  const y = (value: number): number => top + LANE - (value / most) * (LANE - 4)
  const line = points.map(({ at, perSecond }) => `${round(x(at))},${round(y(perSecond))}`)
  const last = points.at(-1)
  const area =
    last === undefined
      ? ''
      : `<polygon class="area" points="${round(x(0))},${top + LANE} ${line.join(' ')} ${round(x(last.at))},${top + LANE}"/>`
  return `${lane(top, LANE, 'acknowledged', `≤ ${Math.round(most).toLocaleString('en-US')}/s`)}${area}<polyline class="line" points="${line.join(' ')}"/>`
}

/** From 1 ms to a minute, by orders of magnitude: an outage is a thousand times a good latency. */
function latency({ latency: points }: RunTrace, { x }: Frame, top: number): string {
  const highest = Math.log10(60_000)
  const y = (ms: number): number =>
    top + LANE - (Math.min(highest, Math.log10(Math.max(1, ms))) / highest) * (LANE - 4)
  const line = (of: 'p50Ms' | 'p99Ms'): string =>
    points.map(point => `${round(x(point.at + 0.5))},${round(y(point[of]))}`).join(' ')
  const guides = [10, 1_000]
    .map(
      ms =>
        `<line class="guide" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(ms))}" y2="${round(y(ms))}"/>` +
        `<text class="unit" x="${WIDTH - RIGHT + 5}" y="${round(y(ms) + 3)}">${ms === 10 ? '10 ms' : '1 s'}</text>`,
    )
    .join('')
  return `${lane(top, LANE, 'latency', 'p99, p50 (thin)')}${guides}<polyline class="line" points="${line('p99Ms')}"/><polyline class="line thin" points="${line('p50Ms')}"/>`
}

function gaps({ gaps: all, partitions }: RunTrace, { x }: Frame, top: number, height: number): string {
  const row = height / Math.max(1, partitions)
  const bars = all
    .map(({ partition, from, to }) => {
      const y = top + partition * row + 1
      return `<rect class="gap" x="${round(x(from))}" y="${round(y)}" width="${round(Math.max(1.5, x(to) - x(from)))}" height="${round(Math.max(2, row - 2))}"/>`
    })
    .join('')
  return `${lane(top, height, 'gaps', `${partitions} partitions`)}${bars}`
}

function replicas({ underReplicated, partitions }: RunTrace, { x, lastsS }: Frame, top: number): string {
  const height = 32
  const bars = underReplicated
    .map(({ at, count }, index) => {
      const to = underReplicated[index + 1]?.at ?? lastsS
      const tall = Math.min(1, count / Math.max(1, partitions)) * (height - 4)
      return count === 0 || to <= 0
        ? ''
        : `<rect class="under" x="${round(x(at))}" y="${round(top + height - tall)}" width="${round(Math.max(1, x(to) - x(at)))}" height="${round(tall)}"/>`
    })
    .join('')
  return `${lane(top, height, 'out of sync', 'partitions')}${bars}`
}

function axis({ x, lastsS }: Frame, bottom: number): string {
  const step = [1, 2, 5, 10, 20, 60, 120, 300].find(each => lastsS / each <= 14) ?? 600
  const ticks = Array.from({ length: Math.floor(lastsS / step) + 1 }, (_, index) => index * step)
  return ticks
    .map(
      at =>
        `<line class="tick" x1="${round(x(at))}" x2="${round(x(at))}" y1="${bottom}" y2="${bottom + 5}"/>` +
        `<text class="unit" x="${round(x(at))}" y="${bottom + 18}" text-anchor="middle">${at}${at === 0 ? ' s' : ''}</text>`,
    )
    .join('')
}

const LABEL_ROWS = 4
const LABEL_WIDTH = 62

/** Labels take the first row in which they do not cover another; where there is none, the line says it to who points at it. */
function marks({ marks: all }: RunTrace, { x }: Frame, bottom: number): string {
  const ends: number[] = Array.from({ length: LABEL_ROWS }, () => Number.NEGATIVE_INFINITY)
  return all
    .map(({ at, kind, text }) => {
      const left = x(at)
      const free = ends.findIndex(end => end <= left)
      const row = free === -1 ? LABEL_ROWS - 1 : free
      if (free !== -1) ends[row] = left + LABEL_WIDTH
      const y = 12 + row * 14
      const [from, anchor] = left > WIDTH - LABEL_WIDTH ? [left - 4, 'end'] : [left + 4, 'start']
      return (
        `<g class="mark ${kind}"><title>${escapeHtml(`${round(at)} s: ${text}`)}</title>` +
        `<line x1="${round(left)}" x2="${round(left)}" y1="${y - 10}" y2="${bottom}"/>` +
        `${free === -1 ? '' : `<text x="${round(from)}" y="${y}" text-anchor="${anchor}">${WORDS[kind]}</text>`}</g>`
      )
    })
    .join('\n')
}
