import { useEffect, useMemo, useRef, useState } from 'react'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clock, measure, minute } from '../format.ts'

const HEIGHT = 148
const COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'] as const
/** Beyond six lines the dashes tell them apart, not the colour. */
const DASHES: readonly number[][] = [[], [6, 3], [2, 3], [8, 3, 2, 3]]
const SYNC = 'metrics'
/** 1, 2, 5, 10, … 500 of each binary unit: axes in whole KiB, MiB, GiB. */
const BINARY_STEPS = [0, 1, 2, 3, 4, 5].flatMap(power =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500].map(step => step * 1024 ** power),
)

/** A line: its points are [start of the step, value], ms. */
export interface ChartSeries {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  readonly points: readonly (readonly number[])[]
}

/** A moment that stands in the chart as a line, with a number that a list beside it explains. */
export interface ChartMark {
  readonly at: number
  readonly name: string
}

export interface ChartProps {
  readonly label: string
  readonly unit: string
  readonly series: readonly ChartSeries[]
  readonly nameOf: (series: ChartSeries) => string
  readonly from: number
  readonly to: number
  readonly height?: number
  readonly marks?: readonly ChartMark[]
}

const NO_MARKS: readonly ChartMark[] = []

/** Lines over time, drawn on a canvas; the legend holds the last values as text. */
export function Chart(props: ChartProps) {
  const { label, unit, series, nameOf, from, to, height = HEIGHT, marks = NO_MARKS } = props
  const frame = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(null)
  const marked = useRef(marks)
  marked.current = marks
  const scheme = useScheme()
  const data = useMemo(() => aligned(series), [series])
  const names = series.map(nameOf).join('\n')

  // biome-ignore lint/correctness/useExhaustiveDependencies: the names stand for the series; data follow below without a new chart
  useEffect(() => {
    const element = frame.current
    if (element === null) return
    const drawn = new UPlot(
      optionsOf(element, names === '' ? [] : names.split('\n'), unit, height, () => marked.current),
      data,
      element,
    )
    plot.current = drawn
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      drawn.destroy()
    }
  }, [names, unit, scheme, height])
  useEffect(() => {
    plot.current?.batch(() => {
      plot.current?.setData(data, false)
      plot.current?.setScale('x', { min: from / 1_000, max: to / 1_000 })
    })
  }, [data, from, to])

  return (
    <figure className="chart">
      <div
        ref={frame}
        className="chart-frame"
        role="img"
        aria-label={`${label}, ${minute(from)} to ${minute(to)} UTC`}
        style={{ minHeight: height }}
      />
      <figcaption className="legend">
        {series.slice(0, 12).map((each, i) => (
          <span key={JSON.stringify(each.labels)} className="legend-item">
            <svg viewBox="0 0 16 4" aria-hidden="true" className="legend-mark">
              <line
                x1="0"
                y1="2"
                x2="16"
                y2="2"
                stroke={`var(${COLOURS[i % COLOURS.length]})`}
                strokeDasharray={DASHES[Math.floor(i / COLOURS.length) % DASHES.length]?.join(' ')}
              />
            </svg>
            <span className="wrap">{nameOf(each)}</span>{' '}
            <b>{each.points.length > 0 ? measure(each.points.at(-1)![1]!, each.unit) : '–'}</b>
          </span>
        ))}
        {series.length > 12 && <span className="quiet">and {series.length - 12} more</span>}
      </figcaption>
    </figure>
  )
}

/** One row of times for all lines; what a line lacks stays a gap. */
function aligned(series: readonly ChartSeries[]): UPlot.AlignedData {
  const times = [...new Set(series.flatMap(each => each.points.map(point => point[0]!)))].sort(
    (a, b) => a - b,
  )
  const place = new Map(times.map((time, i) => [time, i]))
  const lines = series.map(each => {
    const values: (number | null)[] = new Array(times.length).fill(null)
    for (const [time, value] of each.points) values[place.get(time!)!] = value ?? null
    return values
  })
  return [times.map(time => time / 1_000), ...lines]
}

function optionsOf(
  element: HTMLElement,
  names: readonly string[],
  unit: string,
  height: number,
  marks: () => readonly ChartMark[],
): UPlot.Options {
  const style = getComputedStyle(element)
  const colour = (name: string): string => resolved(element, style.getPropertyValue(name))
  const axis = {
    stroke: colour('--ink-3'),
    grid: { stroke: colour('--rule'), width: 1 },
    ticks: { show: false },
    font: `11px ${style.getPropertyValue('--font')}`,
  }
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { sync: { key: SYNC }, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_plot, min, max) => rangeOf(min, max) } },
    tzDate: seconds => UPlot.tzDate(new Date(seconds * 1_000), 'UTC'),
    axes: [
      {
        ...axis,
        size: 24,
        gap: 4,
        space: 64,
        values: (_plot, ticks) =>
          ticks.map(tick => (tick % 60 === 0 ? minute(tick * 1_000) : clock(tick * 1_000))),
      },
      {
        ...axis,
        size: 60,
        gap: 6,
        space: 28,
        ...(unit.startsWith('bytes') && { incrs: BINARY_STEPS }),
        values: (_plot, ticks) => ticks.map(tick => measure(tick, unit)),
      },
    ],
    series: [
      {},
      ...names.map((name, i) => ({
        label: name,
        stroke: colour(COLOURS[i % COLOURS.length]!),
        width: 1.5,
        dash: DASHES[Math.floor(i / COLOURS.length) % DASHES.length]!,
        points: { show: false },
        spanGaps: false,
      })),
    ],
    hooks: {
      setCursor: [drawn => tell(drawn, element, names, unit)],
      draw: [drawn => drawMarks(drawn, marks(), colour('--ink-2'), style.getPropertyValue('--font'))],
    },
    plugins: [],
  }
}

function drawMarks(drawn: UPlot, marks: readonly ChartMark[], colour: string, font: string): void {
  const { ctx, bbox } = drawn
  const ratio = devicePixelRatio
  ctx.save()
  ctx.strokeStyle = colour
  ctx.fillStyle = colour
  ctx.font = `${10 * ratio}px ${font}`
  ctx.lineWidth = ratio
  ctx.setLineDash([3 * ratio, 3 * ratio])
  let free = 0
  for (const { at, name } of marks) {
    const x = Math.round(drawn.valToPos(at / 1_000, 'x', true))
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    // Those close together stand one beside the other, as far as there is room.
    const left = Math.max(x + 3 * ratio, free)
    ctx.fillText(name, left, bbox.top + 9 * ratio)
    free = left + ctx.measureText(name).width + 3 * ratio
  }
  ctx.restore()
}

/** From zero, so that twice as high is twice as much, and never flat at the top. */
function rangeOf(min: number | null, max: number | null): [number, number] {
  const top = max ?? 0
  return [Math.min(0, min ?? 0), top === 0 ? 1 : top * 1.08]
}

/** What the cursor is over, as text in the chart's corner. */
function tell(drawn: UPlot, element: HTMLElement, names: readonly string[], unit: string): void {
  const at = drawn.cursor.idx
  let tip = element.querySelector<HTMLElement>('.chart-tip')
  if (tip === null) {
    tip = document.createElement('div')
    tip.className = 'chart-tip'
    drawn.over.append(tip)
  }
  const time = at == null ? undefined : drawn.data[0][at]
  tip.hidden = time === undefined || at == null
  if (at == null || time === undefined) return
  const lines = names.slice(0, 8).map((name, i) => {
    const value = drawn.data[i + 1]?.[at]
    return value == null ? undefined : `${name}  ${measure(value, unit)}`
  })
  tip.textContent = [`${clock(time * 1_000)} UTC`, ...lines.filter(line => line !== undefined)].join('\n')
  tip.classList.toggle('left', (drawn.cursor.left ?? 0) > drawn.over.clientWidth / 2)
}

/** A canvas knows no light-dark(): let the browser say what it comes to. */
function resolved(element: HTMLElement, value: string): string {
  const probe = document.createElement('span')
  probe.style.color = value
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Changes when the reader's preference does, so that canvases are drawn again. */
function useScheme(): string {
  const [scheme, setScheme] = useState(() =>
    matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
  )
  useEffect(() => {
    const media = matchMedia('(prefers-color-scheme: dark)')
    const changed = (): void => setScheme(media.matches ? 'dark' : 'light')
    media.addEventListener('change', changed)
    return () => media.removeEventListener('change', changed)
  }, [])
  return scheme
}
