import { useQuery } from '@tanstack/react-query'
import { api, data, type Link, type LinkPartition } from '../api/client.ts'
import { linkQuery } from '../api/queries.ts'
import { Sparkline, Stat, Stats } from '../components/figures.tsx'
import { SearchBox, Select } from '../components/inputs.tsx'
import { LinkActs } from '../components/link-acts.tsx'
import { linkState, originalOf, VerdictOf, Verdicts, verdictNote } from '../components/link-state.tsx'
import { Page, Section, Toolbar } from '../components/page.tsx'
import { usePaged } from '../components/paged.ts'
import { Answer, EmptyState, ErrorPanel, Loading } from '../components/states.tsx'
import { Glyph, State } from '../components/status.tsx'
import { ACTION_NAMES, SwitchSteps } from '../components/switch-steps.tsx'
import { type Column, Grid, Table } from '../components/table.tsx'
import { Instant, TimeAgo } from '../components/time-ago.tsx'
import { bytes, compact, count, duration, plural } from '../format.ts'
import { A, at, setQuery, usePlace } from '../router.tsx'

/** One link: what needs somebody, how it does, what is missing, what follows its source besides records. */
export function LinkPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const name = params['link'] ?? ''
  const query = useQuery(linkQuery(name))
  return (
    <Page
      title={name}
      crumbs={[{ name: 'Links', href: '/links' }]}
      beside={query.data && <Beside link={query.data} />}
    >
      <Answer query={query}>{link => <LinkView link={link} />}</Answer>
    </Page>
  )
}

function Beside({ link }: { readonly link: Link }) {
  return (
    <>
      <State name={linkState(link)} />
      <span className="quiet">
        {link.reason !== '' && link.reason !== linkState(link) && `${link.reason} · `}
        {link.since !== null && (
          <>
            since <Instant at={link.since} /> ·{' '}
          </>
        )}
        seen <TimeAgo at={link.observedAt} />
      </span>
    </>
  )
}

function LinkView({ link }: { readonly link: Link }) {
  return (
    <>
      {link.reverseOf !== null && (
        <p className="quiet">
          The way back of{' '}
          <A className="plain" href={at('links', link.reverseOf)}>
            {link.reverseOf}
          </A>
          , which is there while that link’s sides are switched.
        </p>
      )}
      <LinkActs link={link} />
      <Figures link={link} />
      {link.sides !== null && <Sides link={link} sides={link.sides} />}
      <NeedsSomebody link={link} />
      <Partitions link={link} />
      <Gaps link={link} />
      <KeptInStep keep={link.keep} keeps={link.keeps} />
    </>
  )
}

function Figures({ link }: { readonly link: Link }) {
  return (
    <Stats>
      <Stat
        name="Path"
        value={
          <>
            <A href={at('clusters', link.from)}>{link.from}</A> →{' '}
            <A href={at('clusters', link.to)}>{link.to}</A>
          </>
        }
        note={`${plural(link.topics, 'topic')} · ${plural(link.partitions, 'partition')}`}
      />
      <Stat name="Original" value={originalOf(link).split(/[,;]/)[0]} note={originalNote(link)} />
      <Stat
        name="Needs somebody"
        value={count(link.haltedPartitions + link.blockedPartitions)}
        note={`${count(link.haltedPartitions)} halted · ${count(link.blockedPartitions)} blocked`}
      />
      <Stat name="Verdict" value={<Verdicts link={link} />} note={verdictNote(link)} />
      <Stat
        name="Lag"
        value={link.lagMs === null ? '–' : duration(link.lagMs)}
        note={
          <>
            {link.lagRecords === null ? 'not known' : plural(link.lagRecords, 'record')}
            <Course values={link.lagHistory} name="records behind, 30 minutes" />
          </>
        }
      />
      <Stat
        name="Rate"
        value={link.recordsPerSecond === null ? '–' : `${compact(link.recordsPerSecond)}/s`}
        note={
          <>
            {link.bytesPerSecond === null ? 'not known' : `${bytes(link.bytesPerSecond)}/s`}
            <Course values={link.history} name="records per second, 30 minutes" />
          </>
        }
      />
    </Stats>
  )
}

/** Of a link that has just begun there is none. */
function Course({ values, name }: { readonly values: readonly number[]; readonly name: string }) {
  return values.length < 2 ? null : <Sparkline values={values} name={name} />
}

function originalNote(link: Link): string {
  const { sides } = link
  if (sides === null) return `${link.to} copies it`
  return originalOf(link).split(/[,;] /)[1] ?? 'its sides are switched'
}

/* ---- which side is the original ---- */

function Sides({ link, sides }: { readonly link: Link; readonly sides: NonNullable<Link['sides']> }) {
  const { phase, underWay } = sides
  return (
    <Section
      title={underWay === null ? 'Sides switched' : `${capital(ACTION_NAMES[underWay.action])} under way`}
    >
      {underWay === null ? (
        <p>
          The sides are switched ({phase}): {originalOf(link)}.{' '}
          <A
            className="plain"
            href={`${at('links', link.name, 'rehearsal')}?action=${phase === 'promoted' ? 'failback' : 'demote'}`}
          >
            Rehearse the way back
          </A>
          .
        </p>
      ) : (
        <SwitchSteps link={link.name} underWay={underWay} />
      )}
    </Section>
  )
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/* ---- what waits for a person ---- */

function NeedsSomebody({ link }: { readonly link: Link }) {
  const named = link.worst.filter(({ state }) => state === 'halted' || state === 'blocked')
  if (named.length === 0) return null
  const more = link.haltedPartitions + link.blockedPartitions - named.length
  return (
    <Section
      title="Needs somebody"
      aside={more > 0 && <span className="quiet">{count(more)} more below</span>}
    >
      <ul className="needs" aria-label="Partitions that need somebody">
        {named.map(row => (
          <li key={`${row.topic}-${row.partition}`}>
            <A className="strong wrap" href={at('topics', row.topic)}>
              {row.topic}-{row.partition}
            </A>
            <State name={row.state} />
            <span className="needs-why wrap">{row.reason}</span>
            <span className="quiet">
              <TimeAgo at={row.since} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}

/* ---- partitions ---- */

const STATES = [
  'all',
  'unhealthy',
  'halted',
  'blocked',
  'waiting',
  'starting',
  'filling',
  'paused',
  'copying',
  'caught-up',
] as const
const VERDICTS = ['all', 'rewound', 'stopped', 'stalled', 'warning', 'ok'] as const
const SORTS = ['urgency', 'topic', 'state', 'since', 'verdict', 'lag', 'lag-time'] as const

function Partitions({ link }: { readonly link: Link }) {
  const { query } = usePlace()
  const search = query.get('q') ?? ''
  const filter = {
    search,
    state: STATES.find(each => each === query.get('state')) ?? 'all',
    verdict: VERDICTS.find(each => each === query.get('verdict')) ?? 'all',
    sort: SORTS.find(each => each === query.get('sort')) ?? 'urgency',
    order: query.get('order') === 'desc' ? 'desc' : 'asc',
  } as const
  const paged = usePaged<LinkPartition>(
    ['link', link.name, 'partitions', JSON.stringify(filter)],
    (offset, limit, signal) =>
      data(
        api.GET('/api/links/{link}/partitions', {
          params: { path: { link: link.name }, query: { ...filter, offset, limit } },
          signal,
        }),
      ),
  )
  if (link.partitions === 0) return <NoPartitions link={link} />
  return (
    <Section title="Partitions" aside={<Healthy link={link} found={paged.total} />}>
      <Toolbar>
        <SearchBox label="Search topics" />
        <Select
          label="State"
          name="state"
          value={filter.state}
          options={STATES}
          names={Object.fromEntries(STATES.map(each => [each, stateName(each, link)]))}
        />
        <Select
          label="Verdict"
          name="verdict"
          value={filter.verdict}
          options={VERDICTS}
          names={Object.fromEntries(VERDICTS.map(each => [each, verdictName(each, link)]))}
        />
        {filter.sort !== 'urgency' && (
          <button type="button" className="button" onClick={() => setQuery({ sort: null, order: null })}>
            The worst first
          </button>
        )}
        {link.workers.length > 0 && (
          <span className="quiet">
            copied by {link.workers.map(each => `${each.name} (${count(each.partitions)})`).join(', ')}
          </span>
        )}
      </Toolbar>
      {paged.error !== null && <ErrorPanel error={paged.error} retry={paged.retry} />}
      {paged.total === undefined ? (
        paged.error === null && <Loading rows={Math.min(12, link.partitions)} />
      ) : (
        <Grid
          label={`Partitions of ${link.name}`}
          columns={PARTITION_COLUMNS}
          count={paged.total}
          rowAt={paged.rowAt}
          onRange={paged.onRange}
          rowKey={row => `${row.topic}-${row.partition}`}
          open={row => at('topics', row.topic)}
          minWidth={1000}
          empty={
            filter.state === 'unhealthy' && search === '' && filter.verdict === 'all' ? (
              <EmptyState title="Every partition is well" />
            ) : (
              <EmptyState title="No partition of the link is so">
                {plural(link.partitions, 'partition')} in all.
              </EmptyState>
            )
          }
        />
      )}
    </Section>
  )
}

const why = (row: LinkPartition): string => row.reason || row.verdictReason || mapped(row)

const mapped = ({ mapping }: LinkPartition): string =>
  mapping === null
    ? ''
    : `offsets are mapped, in ${plural(mapping.segments, 'stretch', 'stretches')}: ${mapping.why}`

function NoPartitions({ link }: { readonly link: Link }) {
  return (
    <Section title="Partitions">
      <EmptyState title="The link copies no partition now">
        {link.desired === 'running'
          ? 'Its topics may not exist at the source.'
          : `It is ${link.desired ?? 'not taken up by a worker yet'}.`}
      </EmptyState>
    </Section>
  )
}

function Healthy({ link, found }: { readonly link: Link; readonly found: number | undefined }) {
  return (
    <span className="quiet">
      {found !== undefined && found !== link.partitions && `${count(found)} found · `}
      {count(link.unhealthyPartitions)} of {plural(link.partitions, 'partition')} not well
    </span>
  )
}

/** With how many there are: a filter that would show nothing is seen before it is chosen. */
function stateName(state: (typeof STATES)[number], { states, unhealthyPartitions }: Link): string {
  if (state === 'all') return 'all'
  if (state === 'unhealthy') return `not well (${count(unhealthyPartitions)})`
  return `${state.replaceAll('-', ' ')} (${count(states[state])})`
}

const verdictName = (verdict: (typeof VERDICTS)[number], { verdicts }: Link): string =>
  verdict === 'all' ? 'all' : `${verdict} (${count(verdicts[verdict])})`

const PARTITION_COLUMNS: readonly Column<LinkPartition>[] = [
  {
    name: 'Topic',
    width: '13%',
    sort: 'topic',
    cell: row => (
      <A href={at('topics', row.topic)} title={row.topic}>
        {row.topic}
      </A>
    ),
  },
  { name: 'Partition', numeric: true, width: '68px', cell: row => row.partition },
  {
    name: 'State',
    width: '104px',
    sort: 'state',
    cell: row => <State name={row.state} />,
  },
  {
    name: 'Since',
    width: '132px',
    numeric: true,
    sort: 'since',
    cell: row => <TimeAgo at={row.since} />,
  },
  {
    name: 'Verdict',
    width: '92px',
    sort: 'verdict',
    cell: row => <VerdictOf verdict={row.verdict} />,
  },
  {
    name: 'Why',
    cell: row => (
      <span className="quiet" title={why(row)}>
        {why(row)}
      </span>
    ),
  },
  {
    name: 'Source end',
    numeric: true,
    width: '88px',
    minor: true,
    cell: row => (row.sourceEnd === null ? '–' : count(row.sourceEnd)),
  },
  {
    name: 'Target end',
    numeric: true,
    width: '88px',
    minor: true,
    cell: row => (row.targetEnd === null ? '–' : count(row.targetEnd)),
  },
  {
    name: 'Lag',
    unit: 'records',
    numeric: true,
    width: '92px',
    sort: 'lag',
    cell: row => (row.lagRecords === null ? '–' : count(row.lagRecords)),
  },
  {
    name: 'Lag',
    unit: 'time',
    numeric: true,
    width: '72px',
    sort: 'lag-time',
    cell: row => (row.lagMs === null ? '–' : duration(row.lagMs)),
  },
]

/* ---- what the target will never have ---- */

type Gap = Link['gaps'][number]

function Gaps({ link }: { readonly link: Link }) {
  const { gaps, gapsInAll } = link
  return (
    <Section
      title="Gaps"
      aside={
        gapsInAll > 0 && (
          <span className="quiet">
            {plural(link.missingOffsets, 'offset')} in all
            {gapsInAll > gaps.length && `; the largest ${count(gaps.length)} of ${count(gapsInAll)} gaps`}
          </span>
        )
      }
    >
      {gaps.length === 0 ? (
        <p className="all-well">
          <Glyph tone={link.partitions === 0 ? 'off' : 'ok'} />
          {link.partitions === 0
            ? 'Not known while no worker copies the link.'
            : `No offset is missing from what ${link.to} has.`}
        </p>
      ) : (
        <Table
          label={`Offsets that ${link.to} will never have`}
          columns={GAP_COLUMNS}
          rows={gaps}
          rowKey={gap => `${gap.topic}-${gap.partition}-${gap.from}`}
          minWidth={480}
          empty={null}
        />
      )}
    </Section>
  )
}

const GAP_COLUMNS: readonly Column<Gap>[] = [
  { name: 'Topic', width: '40%', cell: gap => <A href={at('topics', gap.topic)}>{gap.topic}</A> },
  { name: 'Partition', numeric: true, cell: gap => gap.partition },
  { name: 'First missing', numeric: true, cell: gap => count(gap.from) },
  { name: 'Last missing', numeric: true, cell: gap => count(gap.to - 1) },
  { name: 'Offsets', numeric: true, cell: gap => count(gap.to - gap.from) },
]

/* ---- what else follows the source ---- */

type Keep = NonNullable<Link['keep']>

function KeptInStep({ keep, keeps }: Pick<Link, 'keep' | 'keeps'>) {
  if (keep === null)
    return (
      <Section title="Kept in step">
        <p className="quiet">
          {keeps.length === 0 ? (
            <>
              Records only: the link’s definition names no groups, access rules or quotas to keep in step (
              <code>keep</code>).
            </>
          ) : (
            `The definition names ${keeps.join(', ')}; no worker says now how far they are in step.`
          )}
        </p>
      </Section>
    )
  return (
    <Section title="Kept in step" aside={<KeepNote keep={keep} />}>
      {keep.reason !== '' && (
        <div className="notice" role="status">
          <Glyph tone="warn" />
          <p>{keep.reason}</p>
        </div>
      )}
      <Table
        label="Consumer groups that follow"
        columns={KEPT_COLUMNS}
        rows={keep.groups.toSorted((a, b) => KEPT_STATES.indexOf(a.state) - KEPT_STATES.indexOf(b.state))}
        rowKey={group => group.group}
        minWidth={720}
        empty={<EmptyState title="No consumer group follows" />}
      />
      {keep.left.length > 0 && (
        <Table
          label="Left alone, being somebody else’s"
          columns={LEFT_COLUMNS}
          rows={keep.left}
          rowKey={row => `${row.what} ${row.subject}`}
          minWidth={480}
          empty={null}
        />
      )}
    </Section>
  )
}

function KeepNote({ keep }: { readonly keep: Keep }) {
  return (
    <span className="quiet">
      last round{' '}
      {keep.roundAt === null ? (
        'not yet'
      ) : (
        <>
          <TimeAgo at={keep.roundAt} />: {plural(keep.changed, 'change')}
        </>
      )}
      , {keep.failed === 0 ? 'none' : count(keep.failed)} refused by the target, {count(keep.left.length)}{' '}
      left alone
    </span>
  )
}

const KEPT_STATES = ['failed', 'held', 'left', 'in-step'] as const

const KEPT_COLUMNS: readonly Column<Keep['groups'][number]>[] = [
  { name: 'Group', width: '24%', cell: row => <span title={row.group}>{row.group}</span> },
  { name: 'State', width: '112px', cell: row => <State name={row.state} /> },
  { name: 'Held back', unit: 'records', numeric: true, width: '136px', cell: row => count(row.heldRecords) },
  {
    name: 'Fresh to',
    numeric: true,
    width: '112px',
    cell: row => (row.freshnessMs === null ? '–' : duration(row.freshnessMs)),
  },
  {
    name: 'Why',
    cell: row => (
      <span className="quiet" title={row.reason}>
        {row.reason === '' && row.state === 'held' ? 'it stands where the copy ends' : row.reason}
      </span>
    ),
  },
]

const LEFT_COLUMNS: readonly Column<Keep['left'][number]>[] = [
  { name: 'Left alone', width: '24%', cell: row => <span title={row.subject}>{row.subject}</span> },
  { name: 'Kind', width: '112px', cell: row => (row.what === 'acl' ? 'access rule' : row.what) },
  {
    name: 'Why',
    cell: row => (
      <span className="quiet" title={row.reason}>
        {row.reason}
      </span>
    ),
  },
]
