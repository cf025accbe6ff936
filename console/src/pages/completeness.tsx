import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useEffect, useRef } from 'react'
import type { Completeness, StreamVerdict } from '../api/client.ts'
import { bucketQuery, completenessQuery } from '../api/queries.ts'
import { Stat, Stats } from '../components/figures.tsx'
import { Select } from '../components/inputs.tsx'
import { Page, Section, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { State, Status } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { TimeAgo, useNow } from '../components/time-ago.tsx'
import { bytes, count, day, instant, minute, percent } from '../format.ts'
import { A, at, go, usePlace } from '../router.tsx'

type Bucket = Completeness['buckets'][number]
type TierState = Bucket['tiers'][number]['state']

const SPANS: Readonly<Record<string, number>> = {
  '12h': 43_200_000,
  '3h': 10_800_000,
  '24h': 86_400_000,
  '3d': 259_200_000,
}
const SPAN_NAMES = { '3h': '3 hours', '12h': '12 hours', '24h': '24 hours', '3d': '3 days' }
const MARKS: Readonly<Record<TierState, string>> = {
  complete: '',
  missing: '✕',
  duplicated: '=',
  unknown: '?',
  open: '',
}

export function CompletenessPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const { query } = usePlace()
  const span = query.get('span') ?? '12h'
  const now = Math.floor(useNow() / 10_000) * 10_000
  const completeness = useQuery(completenessQuery(now - (SPANS[span] ?? SPANS['12h']!), now))
  const bucket = params['bucket'] === undefined ? undefined : Number(params['bucket'])
  return (
    <Page
      title="Completeness"
      beside={
        <span className="quiet">
          what the files hold against what each tier holds, by 10 minutes of event time
        </span>
      }
    >
      <Answer query={completeness}>
        {data => (
          <>
            <Summary data={data} />
            <Toolbar>
              <Select
                label="Last"
                name="span"
                value={span}
                options={['12h', '3h', '24h', '3d']}
                names={SPAN_NAMES}
              />
              <Legend />
            </Toolbar>
            {data.buckets.length === 0 ? (
              <EmptyState title="No bucket yet">
                The auditor’s first findings appear within seconds of its start; a bucket is judged a minute
                after its ten minutes have passed.
              </EmptyState>
            ) : (
              <Heat data={data} selected={bucket} />
            )}
            {bucket !== undefined && Number.isFinite(bucket) && (
              <BucketView bucket={bucket} verdict={data.buckets.find(each => each.bucket === bucket)} />
            )}
          </>
        )}
      </Answer>
    </Page>
  )
}

function Summary({ data }: { readonly data: Completeness }) {
  const closed = data.buckets.filter(bucket => bucket.closed)
  const whole = closed.filter(bucket => bucket.tiers.every(tier => tier.state === 'complete'))
  const lost = closed.reduce(
    (sum, bucket) => sum + Math.max(0, ...bucket.tiers.map(tier => tier.missingBytes)),
    0,
  )
  const audited = closed.reduce((sum, bucket) => sum + bucket.auditedBytes, 0)
  const lag = Math.max(0, ...data.counters.map(counter => counter.lag))
  return (
    <Stats>
      <Stat
        name="Closed buckets complete"
        value={closed.length === 0 ? '–' : `${count(whole.length)} / ${count(closed.length)}`}
        note={
          audited === 0
            ? 'nothing audited yet'
            : `${percent((audited - lost) / audited, 5)} of ${bytes(audited)}`
        }
      />
      <Stat
        name="Missing"
        value={bytes(lost)}
        note={lost === 0 ? 'in no closed bucket' : 'at one tier or more'}
      />
      <Stat
        name="Late"
        value={bytes(closed.reduce((sum, bucket) => sum + bucket.lateBytes, 0))}
        note="came after their bucket had closed"
      />
      <Stat
        name="Shipped, not audited"
        value={`${count(data.unaudited.files)} files`}
        note={
          data.unaudited.largest[0] === undefined
            ? 'every file was seen by both'
            : `${bytes(data.unaudited.bytes)}, ${data.unaudited.largest[0].path ?? 'unnamed'} first`
        }
      />
      <Stat
        name="Counters behind"
        value={`${count(lag)} records`}
        note={
          data.counters.length === 0 ? (
            'no counter has reported'
          ) : (
            <>
              as of <TimeAgo at={Math.min(...data.counters.map(counter => counter.at))} />
            </>
          )
        }
      />
    </Stats>
  )
}

function Legend() {
  return (
    <ul className="heat-legend" aria-label="What the cells mean">
      {(['complete', 'missing', 'duplicated', 'unknown', 'open'] as const).map(state => (
        <li key={state}>
          <span className={`cell ${state}`} aria-hidden="true">
            {MARKS[state]}
          </span>
          {state}
        </li>
      ))}
    </ul>
  )
}

/** Tier by bucket: arrows move, Enter opens; only one cell is in the order of tabs. */
function Heat({ data, selected }: { readonly data: Completeness; readonly selected: number | undefined }) {
  const grid = useRef<HTMLTableElement>(null)
  const frame = useRef<HTMLDivElement>(null)
  // Where not all fits, the present is what is looked for.
  useEffect(() => {
    if (frame.current !== null) frame.current.scrollLeft = frame.current.scrollWidth
  }, [])
  const current = data.buckets.some(bucket => bucket.bucket === selected)
    ? selected
    : data.buckets.at(-1)?.bucket
  const keys = (event: KeyboardEvent): void => {
    const cell = (event.target as HTMLElement).closest('td')
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key]
    if (cell === null || step === undefined) return
    event.preventDefault()
    const row = cell.parentElement as HTMLTableRowElement
    const rows = grid.current?.tBodies[0]?.rows
    rows?.[row.sectionRowIndex + step[0]!]?.cells[cell.cellIndex + step[1]!]?.querySelector('a')?.focus()
  }
  return (
    <div ref={frame} className="heat-frame">
      <table className="heat" ref={grid} onKeyDown={keys}>
        <caption className="hidden">Completeness by tier and 10 minutes of event time</caption>
        <thead>
          <tr>
            <th scope="col">Tier</th>
            {data.buckets.map((bucket, index) => (
              <th key={bucket.bucket} scope="col">
                {bucket.bucket % 3_600_000 === 0 && index < data.buckets.length - 2 ? (
                  minute(bucket.bucket)
                ) : (
                  <span className="hidden">{minute(bucket.bucket)}</span>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.tiers.map((tier, row) => (
            <tr key={tier}>
              <th scope="row">{tier}</th>
              {data.buckets.map(bucket => (
                <HeatCell
                  key={bucket.bucket}
                  bucket={bucket}
                  tier={tier}
                  isSelected={bucket.bucket === selected}
                  inTabs={row === 0 && bucket.bucket === current}
                />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function HeatCell({
  bucket,
  tier,
  isSelected,
  inTabs,
}: {
  readonly bucket: Bucket
  readonly tier: string
  readonly isSelected: boolean
  readonly inTabs: boolean
}) {
  const verdict = bucket.tiers.find(each => each.tier === tier)
  const state = verdict?.state ?? 'unknown'
  const words = `${tier}, ${day(bucket.bucket)} ${minute(bucket.bucket)} UTC: ${state}${verdict !== undefined && verdict.missingBytes > 0 ? `, ${bytes(verdict.missingBytes)} missing` : ''}`
  return (
    <td className={isSelected ? 'selected' : ''}>
      <A
        className={`cell ${state}`}
        href={at('completeness', bucket.bucket) + location.search}
        title={words}
        aria-label={words}
        tabIndex={inTabs ? 0 : -1}
      >
        {MARKS[state]}
      </A>
    </td>
  )
}

/* ---- one bucket ---- */

function BucketView({ bucket, verdict }: { readonly bucket: number; readonly verdict: Bucket | undefined }) {
  const query = useQuery(bucketQuery(bucket, 0))
  const { query: place } = usePlace()
  const stream = place.get('stream')
  return (
    <Section
      title={`${instant(bucket)}, 10 minutes`}
      aside={
        <A className="plain" href={`/completeness${location.search.replace(/[?&]stream=[^&]*/, '')}`}>
          Close
        </A>
      }
    >
      {verdict !== undefined && (
        <p className="quiet">
          {count(verdict.auditedLines)} lines, {bytes(verdict.auditedBytes)} in {count(verdict.streams)} files
          {verdict.closed ? '' : ' so far: the bucket is still open'}
          {verdict.lateBytes > 0 && `; ${bytes(verdict.lateBytes)} came late`}
        </p>
      )}
      <Answer query={query}>
        {({ items, total }) => {
          // A bucket that lost something shows at once what: its worst file is open unless another was chosen.
          const worst = items.find(item => item.tiers.some(tier => tier.missingBytes > 0))
          const opened = items.find(item => item.stream === stream) ?? worst
          return (
            <>
              <Table
                label="Files of the bucket, the worst first"
                columns={STREAM_COLUMNS}
                rows={items}
                rowKey={row => row.stream}
                open={openOf}
                isOpen={row => row === opened}
                minWidth={860}
                empty={<EmptyState title="No file has lines in this bucket" />}
              />
              {total > items.length && (
                <p className="quiet">
                  The {count(items.length)} worst of {count(total)} files.
                </p>
              )}
              {opened !== undefined && <Ranges verdict={opened} />}
            </>
          )
        }}
      </Answer>
    </Section>
  )
}

function openOf(row: StreamVerdict): string {
  const query = new URLSearchParams(location.search)
  query.set('stream', row.stream)
  return `${location.pathname}?${query}`
}

const TIER_NAMES = ['local', 'aggregate', 'archive'] as const

const STREAM_COLUMNS: readonly Column<StreamVerdict>[] = [
  {
    name: 'Host',
    width: '12%',
    sort: row => row.host,
    cell: row => <A href={at('hosts', row.host)}>{row.host}</A>,
  },
  { name: 'File', sort: row => row.path, cell: row => <A href={openOf(row)}>{row.path}</A> },
  {
    name: 'In the file',
    numeric: true,
    width: '11%',
    sort: row => row.auditedBytes,
    cell: row => bytes(row.auditedBytes),
  },
  {
    name: 'Lines',
    numeric: true,
    width: '9%',
    sort: row => row.auditedLines,
    cell: row => count(row.auditedLines),
  },
  ...TIER_NAMES.map(
    (tier): Column<StreamVerdict> => ({
      name: tier,
      width: '14%',
      cell: row => {
        const verdict = row.tiers.find(each => each.tier === tier)
        if (verdict === undefined) return '–'
        return verdict.missingBytes > 0 ? (
          <Status tone="bad">{`${bytes(verdict.missingBytes)} missing`}</Status>
        ) : (
          <State name={verdict.state} />
        )
      },
    }),
  ),
  {
    name: 'Late',
    numeric: true,
    width: '8%',
    cell: row => (row.lateBytes === 0 ? '–' : bytes(row.lateBytes)),
  },
]

/** Which bytes, and which tier lost them: the answer a person came for. */
function Ranges({ verdict }: { readonly verdict: StreamVerdict }) {
  return (
    <Section
      verbatim
      title={`${verdict.host}: ${verdict.path}`}
      aside={
        <button
          type="button"
          className="button ghost"
          onClick={() =>
            go(location.pathname + location.search.replace(/[?&]stream=[^&]*/, ''), { replace: true })
          }
        >
          Close
        </button>
      }
    >
      <div className="ranges">
        {verdict.tiers.map(tier => (
          <div key={tier.tier} className="range">
            <h3>{tier.tier}</h3>
            <div>
              <State name={tier.state} />{' '}
              <span className="quiet">
                {count(tier.bytes)} of {count(verdict.auditedBytes)} bytes
                {tier.lostHereBytes > 0 &&
                  `; ${bytes(tier.lostHereBytes)} lost between the tier before and this one`}
                {tier.duplicatedBytes > 0 && `; ${bytes(tier.duplicatedBytes)} there more than once`}
              </span>
              {tier.missing.length > 0 && (
                <ol className="holes">
                  {tier.missing.map(hole => (
                    <li key={hole.start}>
                      <code>
                        bytes {count(hole.start)} – {count(hole.end)}
                      </code>{' '}
                      <span className="quiet">({bytes(hole.end - hole.start)})</span>
                    </li>
                  ))}
                </ol>
              )}
            </div>
          </div>
        ))}
      </div>
      <p className="quiet">
        Stream <code>{verdict.stream}</code>, tenant {verdict.tenant}
      </p>
    </Section>
  )
}
