import { useQuery } from '@tanstack/react-query'
import { lazy, type RefObject, Suspense, useEffect, useRef, useState } from 'react'
import type { Delay, Metric } from '../api/client.ts'
import { delayQuery, metricsQuery, rangeQuery } from '../api/queries.ts'
import type { ChartSeries } from '../components/chart.tsx'
import { Select } from '../components/inputs.tsx'
import { Page, Tabs, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState, ErrorPanel } from '../components/states.tsx'
import { Status } from '../components/status.tsx'
import { useNow } from '../components/time-ago.tsx'
import { duration } from '../format.ts'
import { A, at, usePlace } from '../router.tsx'
import { byImportance, titleOf } from './metric-names.ts'

const Chart = lazy(async () => ({ default: (await import('../components/chart.tsx')).Chart }))

const GROUPS = ['host', 'broker', 'platform'] as const
const SPANS: Readonly<Record<string, number>> = {
  '1h': 3_600_000,
  '15m': 900_000,
  '6h': 21_600_000,
  '24h': 86_400_000,
}
const SPAN_NAMES = { '15m': '15 minutes', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours' }
/** Labels one chooses by; the others tell the lines of a chart apart. */
const CHOSEN = ['site', 'host', 'cluster', 'broker', 'link'] as const

export function MetricsPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const group = GROUPS.find(each => each === params['group']) ?? 'host'
  const catalogue = useQuery(metricsQuery())
  const delay = useQuery(delayQuery())
  return (
    <Page
      title={params['metric'] === undefined ? 'Metrics' : titleOf(params['metric'])}
      beside={delay.data !== undefined && <DelayLine delay={delay.data.delay} aimMs={delay.data.aimMs} />}
      crumbs={params['metric'] === undefined ? [] : [{ name: 'Metrics', href: at('metrics', group) }]}
    >
      <Tabs
        label="Whose metrics"
        active={group}
        tabs={GROUPS.map(name => ({ name, href: at('metrics', name) }))}
      />
      <Answer query={catalogue}>
        {({ metrics }) => (
          <Group
            metrics={metrics.filter(metric => metric.group === group)}
            group={group}
            only={params['metric']}
          />
        )}
      </Answer>
    </Page>
  )
}

/** From the event on a host to its point on a chart, against the aim. */
function DelayLine({ delay, aimMs }: { readonly delay: Delay | null; readonly aimMs: number }) {
  if (delay === null) return <span className="quiet">event to insight: nothing measured yet</span>
  return (
    <>
      <Status
        tone={delay.p95Ms <= aimMs ? 'ok' : 'warn'}
      >{`event to insight p95 ${duration(delay.p95Ms)}`}</Status>
      <span className="quiet">
        p50 {duration(delay.p50Ms)} · aim {duration(aimMs)}
      </span>
    </>
  )
}

function Group({
  metrics,
  group,
  only,
}: {
  readonly metrics: readonly Metric[]
  readonly group: string
  readonly only: string | undefined
}) {
  const { query } = usePlace()
  const span = query.get('span') ?? '1h'
  const spanMs = SPANS[span] ?? SPANS['1h']!
  const every = spanMs <= 900_000 ? 5_000 : 15_000
  const to = Math.floor(useNow() / every) * every
  const labels = CHOSEN.map(
    label => [label, [...new Set(metrics.flatMap(metric => metric.labels[label] ?? []))].sort()] as const,
  ).filter(([, values]) => values.length > 1)
  const chosen = CHOSEN.flatMap(label => (query.get(label) ? [`${label}=${query.get(label)}`] : []))
  const shown = metrics
    .filter(metric => only === undefined || metric.name === only)
    .filter(metric =>
      chosen.every(pair => metric.labels[pair.split('=')[0]!]?.includes(pair.slice(pair.indexOf('=') + 1))),
    )
    .sort((a, b) => byImportance(a.name, b.name))
  return (
    <>
      <Toolbar>
        <Select
          label="Last"
          name="span"
          value={span}
          options={['1h', '15m', '6h', '24h']}
          names={SPAN_NAMES}
        />
        {labels.map(([label, values]) => (
          <Select
            key={label}
            label={label}
            name={label}
            value={query.get(label) ?? ''}
            options={['', ...values]}
          />
        ))}
      </Toolbar>
      {shown.length === 0 ? (
        <EmptyState title={metrics.length === 0 ? `No ${group} metrics yet` : 'No metric has these labels'}>
          {metrics.length === 0
            ? 'Agents sample every few seconds; the first samples appear here by themselves.'
            : 'Choose fewer.'}
        </EmptyState>
      ) : (
        <div className={only === undefined ? 'panels' : ''}>
          {shown.map(metric => (
            <Panel
              key={metric.name}
              metric={metric}
              group={group}
              labels={chosen}
              spanMs={spanMs}
              to={to}
              alone={only !== undefined}
            />
          ))}
        </div>
      )}
    </>
  )
}

function Panel({
  metric,
  group,
  labels,
  spanMs,
  to,
  alone,
}: {
  readonly metric: Metric
  readonly group: string
  readonly labels: readonly string[]
  readonly spanMs: number
  readonly to: number
  readonly alone: boolean
}) {
  const frame = useRef<HTMLElement>(null)
  const inSight = useInSight(frame)
  const range = useQuery({ ...rangeQuery({ name: metric.name, labels, spanMs, to }), enabled: inSight })
  const series = range.data?.series ?? []
  const unit = series[0]?.unit ?? metric.unit
  const title = titleOf(metric.name)
  const height = alone ? 320 : 148
  return (
    <section ref={frame} className="panel" aria-label={title} style={{ minHeight: height + 44 }}>
      <header className="panel-head">
        <h2>
          <A href={`${at('metrics', group, metric.name)}${location.search}`}>{title}</A>
        </h2>
        <span className="quiet">
          {unit === 'ratio' ? 'percent' : unit}
          {(range.data?.omitted ?? 0) > 0 && `, ${range.data!.omitted} more series`}
        </span>
      </header>
      {range.error !== null && <ErrorPanel error={range.error} retry={() => void range.refetch()} />}
      {range.data !== undefined && (
        <Suspense>
          <Chart
            label={title}
            unit={unit}
            series={series}
            nameOf={each => nameOf(each, series)}
            from={to - spanMs}
            to={to}
            height={height}
          />
        </Suspense>
      )}
    </section>
  )
}

/** Charts out of sight are neither asked for nor drawn anew. */
function useInSight(element: RefObject<HTMLElement | null>): boolean {
  const [inSight, setInSight] = useState(false)
  useEffect(() => {
    if (element.current === null) return
    const observer = new IntersectionObserver(entries => setInSight(entries.at(-1)!.isIntersecting), {
      rootMargin: '200px',
    })
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [element])
  return inSight
}

/** The labels that tell this line from its neighbours; all of them when it is alone. */
function nameOf(series: ChartSeries, among: readonly ChartSeries[]): string {
  const entries = Object.entries(series.labels)
  const telling = entries.filter(([label, value]) => among.some(other => other.labels[label] !== value))
  const implied = telling.some(([label]) => label === 'cluster')
    ? telling.filter(([label]) => label !== 'site' && label !== 'host')
    : telling.filter(([label]) => label !== 'site' || telling.length === 1)
  return (
    (implied.length > 0 ? implied : entries.slice(0, 2)).map(([, value]) => value).join(' / ') || series.name
  )
}
