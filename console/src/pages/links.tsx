import { useQuery } from '@tanstack/react-query'
import type { Fleet, LinkRow } from '../api/client.ts'
import { fleetQuery, linksQuery } from '../api/queries.ts'
import { Sparkline } from '../components/figures.tsx'
import { Findings } from '../components/findings.tsx'
import { SearchBox } from '../components/inputs.tsx'
import { LinkMap } from '../components/link-map.tsx'
import { linkState, linkTone, Verdicts, verdictNote } from '../components/link-state.tsx'
import { Page, Section, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { State, type Tone } from '../components/status.tsx'
import { type Column, NothingFound, Table } from '../components/table.tsx'
import { TimeAgo } from '../components/time-ago.tsx'
import { compact, count, duration } from '../format.ts'
import { A, at, usePlace } from '../router.tsx'

/** Beyond so many links a search is offered. */
const SEARCHED_FROM = 12

export function LinksPage() {
  const query = useQuery(linksQuery())
  const fleet = useQuery(fleetQuery())
  return (
    <Page title="Links" beside={query.data && <Beside links={query.data.links} />}>
      <Answer query={query}>
        {({ links }) =>
          links.length === 0 ? (
            <EmptyState title="No link is declared">
              A link copies topics from one cluster to another; declare one under links in ajna.yaml.
            </EmptyState>
          ) : (
            <>
              <Answer query={fleet}>
                {facts => (
                  <>
                    <Findings
                      findings={facts.findings.filter(({ subject }) => subject.kind === 'link')}
                      nothing="Nothing is wrong with any link."
                    />
                    <LinkMap fleet={facts} links={links} />
                  </>
                )}
              </Answer>
              <LinkTable links={links} fleet={fleet.data} />
            </>
          )
        }
      </Answer>
    </Page>
  )
}

function Beside({ links }: { readonly links: readonly LinkRow[] }) {
  const bad = links.filter(link => linkTone(link) === 'bad').length
  const seen = links.flatMap(({ observedAt }) => observedAt ?? [])
  return (
    <span className="quiet">
      {count(links.length)} between clusters
      {bad > 0 && ` · ${count(bad)} in need of somebody`}
      {seen.length > 0 && (
        <>
          {' '}
          · seen <TimeAgo at={Math.min(...seen)} />
        </>
      )}
    </span>
  )
}

function LinkTable({
  links,
  fleet,
}: {
  readonly links: readonly LinkRow[]
  readonly fleet: Fleet | undefined
}) {
  const { query } = usePlace()
  const search = query.get('q') ?? ''
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const siteOf = new Map(fleet?.clusters.map(({ name, site }) => [name, site]))
  const rows = links
    .filter(({ name, from, to }) => {
      const text = [name, from, to, siteOf.get(from), siteOf.get(to)].join(' ').toLowerCase()
      return words.every(word => text.includes(word))
    })
    .toSorted((a, b) => URGENCY[linkTone(a)] - URGENCY[linkTone(b)] || (a.name < b.name ? -1 : 1))
  return (
    <Section title="All links">
      {(links.length >= SEARCHED_FROM || search !== '') && (
        <Toolbar>
          <SearchBox label="Search links by name, cluster or site" placeholder="Search links" />
          <span className="quiet">{count(rows.length)} shown</span>
        </Toolbar>
      )}
      <Table
        label="Links"
        columns={COLUMNS}
        rows={rows}
        rowKey={link => link.name}
        open={link => at('links', link.name)}
        minWidth={1020}
        empty={<NothingFound what="links" search={search} />}
      />
    </Section>
  )
}

const URGENCY: Readonly<Record<Tone, number>> = { bad: 0, warn: 1, off: 2, ok: 3 }

const COLUMNS: readonly Column<LinkRow>[] = [
  {
    name: 'Link',
    width: '14%',
    sort: link => link.name,
    cell: link => (
      <A href={at('links', link.name)} title={link.name}>
        {link.name}
      </A>
    ),
  },
  {
    name: 'Path',
    width: '10%',
    sort: link => `${link.from} ${link.to}`,
    cell: link => (
      <span title={`${link.from} → ${link.to}`}>
        <A href={at('clusters', link.from)}>{link.from}</A> → <A href={at('clusters', link.to)}>{link.to}</A>
      </span>
    ),
  },
  {
    name: 'State',
    sort: link => ['halted', 'lagging', 'unknown', 'stopped', 'running'].indexOf(link.state),
    cell: link => (
      <span title={link.reason}>
        <State name={linkState(link)} />
      </span>
    ),
  },
  {
    name: 'Verdict',
    unit: 'partitions',
    width: '132px',
    sort: link => ['rewound', 'stopped', 'stalled', 'warning', 'ok'].indexOf(link.verdict ?? 'ok'),
    cell: link => (
      <span title={verdictNote(link)}>
        <Verdicts link={link} />
      </span>
    ),
  },
  {
    name: 'Lag',
    unit: 'records',
    numeric: true,
    width: '88px',
    sort: link => link.lagRecords,
    cell: link => (link.lagRecords === null ? '–' : compact(link.lagRecords)),
  },
  {
    name: 'Lag',
    unit: 'time',
    numeric: true,
    width: '76px',
    cell: link => (link.lagMs === null ? '–' : duration(link.lagMs)),
  },
  {
    name: 'Last 30 min',
    unit: 'lag',
    width: '112px',
    cell: link => (
      <Sparkline values={link.lagHistory} name={`records that ${link.name} was behind, 30 minutes`} />
    ),
  },
  {
    name: 'Rate',
    unit: 'records/s',
    numeric: true,
    width: '100px',
    cell: link => (link.recordsPerSecond === null ? '–' : compact(link.recordsPerSecond)),
  },
  {
    name: 'Last 30 min',
    unit: 'rate',
    width: '112px',
    cell: link => (
      <Sparkline values={link.history} name={`records per second over ${link.name}, 30 minutes`} />
    ),
  },
  {
    name: 'Missing',
    numeric: true,
    width: '68px',
    sort: link => link.missingOffsets,
    cell: link => count(link.missingOffsets),
  },
]
