import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Rehearsal, RehearsalRequest } from '../api/client.ts'
import { rehearsalQuery } from '../api/queries.ts'
import { Facts } from '../components/drawer.tsx'
import { Stat, Stats } from '../components/figures.tsx'
import { Check, Select } from '../components/inputs.tsx'
import { Page, Section, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { Glyph } from '../components/status.tsx'
import { SwitchDialog } from '../components/switch-dialog.tsx'
import { ACTION_NAMES as ACTION_NOUNS } from '../components/switch-steps.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Instant } from '../components/time-ago.tsx'
import { count, duration, plural } from '../format.ts'
import { A, at, go, setQuery, usePlace } from '../router.tsx'

type Consent = Rehearsal['consents'][number]
type Bound = Rehearsal['lost']

const ACTIONS = ['promote', 'demote', 'failback'] as const
const ACTION_NAMES = {
  promote: 'promote: the target takes over',
  demote: 'demote: the source takes over again',
  failback: 'failback: the source catches up first',
}

/** What a switch of a link's sides would do. The address says what is rehearsed; it is carried out when somebody says so. */
export function RehearsalPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const link = params['link'] ?? ''
  const { query: place } = usePlace()
  const request = requestIn(place)
  const query = useQuery(rehearsalQuery(link, request))
  return (
    <Page
      title="Rehearsal"
      crumbs={[
        { name: 'Links', href: '/links' },
        { name: link, href: at('links', link) },
      ]}
      beside={
        <span className="quiet">
          both sides are looked at, nothing is changed
          {query.data !== undefined && (
            <>
              {' '}
              · as of <Instant at={query.data.at} />
            </>
          )}
        </span>
      }
    >
      <Toolbar>
        <Select
          label="Switch"
          name="action"
          value={request.action ?? 'promote'}
          options={ACTIONS}
          names={ACTION_NAMES}
        />
        {request.action === 'promote' && <Check label="Without the source" name="unplanned" />}
        {request.action === 'failback' && <Check label="Stay a copy" name="stay" />}
        <button
          type="button"
          className="button"
          disabled={query.isFetching}
          onClick={() => void query.refetch()}
        >
          {query.isFetching ? 'Looking…' : 'Rehearse again'}
        </button>
      </Toolbar>
      <Answer query={query}>
        {rehearsal => <RehearsalView rehearsal={rehearsal} stale={query.isFetching} />}
      </Answer>
    </Page>
  )
}

const CONSENTS: readonly Consent[] = [
  'accept-loss',
  'allow-repeats',
  'recreate',
  'unfenced',
  'writers-stopped',
]

function requestIn(place: URLSearchParams): Required<RehearsalRequest> {
  const action = ACTIONS.find(each => each === place.get('action')) ?? 'promote'
  const said = (place.get('yes') ?? '').split(',')
  return {
    action,
    planned: !(action === 'promote' && place.get('unplanned') === 'true'),
    stay: action === 'failback' && place.get('stay') === 'true',
    consents: CONSENTS.filter(each => said.includes(each)),
  }
}

function RehearsalView({ rehearsal, stale }: { readonly rehearsal: Rehearsal; readonly stale: boolean }) {
  return (
    <>
      <Verdict rehearsal={rehearsal} />
      <Figures rehearsal={rehearsal} />
      <CarryOut rehearsal={rehearsal} stale={stale} />
      {rehearsal.notes.length > 0 && (
        <Section title="Worth knowing">
          <ul className="lines">
            {rehearsal.notes.map(note => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Section>
      )}
      <Partitions rehearsal={rehearsal} />
      <Groups rehearsal={rehearsal} />
      <Writers rehearsal={rehearsal} />
      <Section title="Steps">
        <ol className="steps" aria-label={`Steps of the ${ACTION_NOUNS[rehearsal.action]}`}>
          {rehearsal.steps.map(({ name, text }, i) => (
            <li key={name} className="step plain">
              <span className="number quiet">{i + 1}.</span>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      </Section>
    </>
  )
}

/* ---- may it be done ---- */

function Verdict({ rehearsal: { forbids, allowed, consents, action } }: { readonly rehearsal: Rehearsal }) {
  if (forbids.length === 0)
    return (
      <p className="all-well">
        <Glyph tone="ok" /> Nothing stands in the way of this {ACTION_NOUNS[action]}.
      </p>
    )
  return (
    <Section title={allowed ? 'In the way, and answered' : 'Refused as things are'}>
      <ul className="reasons-list" aria-label="What stands in the way">
        {forbids.map(({ code, text, unless }) => (
          <li key={`${code} ${text}`}>
            <Glyph tone={unless !== null && consents.includes(unless) ? 'warn' : 'bad'} />
            <div>
              <p className="wrap">{text}</p>
              {unless === null ? (
                <p className="quiet">It cannot be gone on with until this has passed.</p>
              ) : (
                <Answered consent={unless} consents={consents} />
              )}
            </div>
          </li>
        ))}
      </ul>
    </Section>
  )
}

function Answered({
  consent,
  consents,
}: {
  readonly consent: Consent
  readonly consents: readonly Consent[]
}) {
  const yes = consents.includes(consent)
  const others = consents.filter(each => each !== consent)
  return (
    <label className="check">
      <input
        type="checkbox"
        checked={yes}
        onChange={() => setQuery({ yes: (yes ? others : [...others, consent]).join(',') })}
      />
      rehearse as if somebody says yes to it: <code>--{consent}</code>
    </label>
  )
}

/* ---- what it costs ---- */

/** `12` · `12–40` · `≥ 12` */
const boundText = ({ atLeast, atMost }: Bound): string => {
  if (atMost === null) return `≥ ${count(atLeast)}`
  return atLeast === atMost ? count(atLeast) : `${count(atLeast)}–${count(atMost)}`
}

function Figures({ rehearsal }: { readonly rehearsal: Rehearsal }) {
  const { lost, again, skipped, pauseMs, pauseBasis, partitionsInAll, positionsInAll } = rehearsal
  return (
    <Stats>
      <Stat name="Records lost" value={boundText(lost)} note={`of ${plural(partitionsInAll, 'partition')}`} />
      <Stat
        name="Read again"
        value={boundText(again)}
        note={`by groups’ ${plural(positionsInAll, 'position')}`}
      />
      <Stat name="Skipped" value={boundText(skipped)} note="there, and never read by a group" />
      <Stat
        name="Nobody can write for"
        value={pauseMs === null ? 'not known' : `about ${duration(pauseMs)}`}
        note={<span className="stat-basis">{pauseBasis}</span>}
      />
    </Stats>
  )
}

/** The rehearsal is made once more when it is carried out: what was refused here is refused then. */
function CarryOut({ rehearsal, stale }: { readonly rehearsal: Rehearsal; readonly stale: boolean }) {
  const { command, link, allowed, action, planned, stay, consents } = rehearsal
  const [copied, setCopied] = useState(false)
  const [open, setOpen] = useState(false)
  const copy = (): void => {
    void navigator.clipboard.writeText(command).then(() => setCopied(true))
  }
  const name = `${action[0]!.toUpperCase()}${action.slice(1)}`
  return (
    <Section title={allowed ? 'To carry it out' : 'To carry it out, once nothing stands in the way'}>
      <div className="buttons">
        <button
          type="button"
          className="button danger"
          disabled={!allowed || stale}
          aria-describedby="carry-out-note"
          onClick={() => setOpen(true)}
        >
          {name}…
        </button>
      </div>
      <p className="quiet" id="carry-out-note">
        {allowed
          ? 'Both sides are looked at once more before it begins. '
          : 'Not now: what stands in the way is listed above. '}
        It is carried out with the administrator’s certificate of this console’s machine, goes on where it was
        interrupted, and{' '}
        <A className="plain" href={at('links', link)}>
          the link’s page
        </A>{' '}
        shows its steps. At the command line:
      </p>
      <div className="command">
        <code>{command}</code>
        <button type="button" className="button" onClick={copy}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </div>
      {open && (
        <SwitchDialog
          link={link}
          title={`${name} ${link}`}
          verb={name}
          request={{ action, planned, stay, consents: [...consents], goOn: false }}
          confirm={rehearsal.confirm}
          begun={() => go(at('links', link))}
          close={() => setOpen(false)}
        >
          <Facts facts={costs(rehearsal)} />
        </SwitchDialog>
      )}
    </Section>
  )
}

const costs = ({
  lost,
  again,
  skipped,
  pauseMs,
  consents,
  steps,
}: Rehearsal): (readonly [string, string])[] => [
  ['Lost', `${boundText(lost)} records`],
  ['Read again', `${boundText(again)} records`],
  ['Skipped', `${boundText(skipped)} records`],
  ['Nobody can write', pauseMs === null ? 'for how long is not known' : `for about ${duration(pauseMs)}`],
  ...(consents.length === 0 ? [] : [['Said yes to', consents.join(', ')] as const]),
  ['How', plural(steps.length, 'step')],
]

function Writers({ rehearsal: { writers } }: { readonly rehearsal: Rehearsal }) {
  const list = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '))
  return (
    <Section title="Who may write">
      <Facts
        facts={[
          ['Closed to', list(writers.closed)],
          ['Opened to', list(writers.opened)],
        ]}
      />
    </Section>
  )
}

/* ---- partition by partition, group by group ---- */

type PartitionRow = Rehearsal['partitions'][number]
type GroupRow = Rehearsal['groups'][number]

function Partitions({ rehearsal: { partitions, partitionsInAll } }: { readonly rehearsal: Rehearsal }) {
  const rest = partitionsInAll - partitions.length
  return (
    <Section
      title="Partitions"
      aside={
        rest > 0 && partitions.length > 0 && <Rest rest={rest} noun="partition" full={partitions.length} />
      }
    >
      <Table
        label="What becomes of partitions"
        columns={PARTITION_COLUMNS}
        rows={partitions}
        rowKey={row => `${row.topic}-${row.partition}`}
        open={row => at('topics', row.topic)}
        minWidth={760}
        empty={
          <EmptyState title={`${plural(partitionsInAll, 'partition')}: nothing to copy, nothing to lose`} />
        }
      />
    </Section>
  )
}

/** At most so many rows are answered. */
const MAX_ROWS = 500

function Rest({ rest, noun, full }: { readonly rest: number; readonly noun: string; readonly full: number }) {
  return (
    <span className="quiet">
      {full < MAX_ROWS ? `${plural(rest, noun)} with nothing to say` : `${plural(rest, noun)} not shown`}
    </span>
  )
}

const orDash = (value: number | null): string => (value === null ? '–' : count(value))

const PARTITION_COLUMNS: readonly Column<PartitionRow>[] = [
  {
    name: 'Partition',
    width: '22%',
    sort: row => `${row.topic} ${String(row.partition).padStart(6, '0')}`,
    cell: row => (
      <A href={at('topics', row.topic)}>
        {row.topic}-{row.partition}
      </A>
    ),
  },
  { name: 'Source end', numeric: true, cell: row => orDash(row.sourceEnd) },
  { name: 'Target end', numeric: true, cell: row => orDash(row.targetEnd) },
  {
    name: 'To copy',
    numeric: true,
    sort: row => row.toCopy,
    cell: row => orDash(row.toCopy),
  },
  { name: 'Lost', numeric: true, sort: row => row.lost.atLeast, cell: row => boundText(row.lost) },
  {
    name: 'Lost offsets',
    numeric: true,
    width: '16%',
    cell: ({ lostOffsets }) =>
      lostOffsets === null ? '–' : `${count(lostOffsets.from)}–${count(lostOffsets.to - 1)}`,
  },
  {
    name: 'Note',
    width: '22%',
    cell: row => (
      <span className="quiet" title={row.note}>
        {row.note}
      </span>
    ),
  },
]

function Groups({ rehearsal: { groups, positionsInAll } }: { readonly rehearsal: Rehearsal }) {
  const rest = positionsInAll - groups.length
  return (
    <Section
      title="Consumer groups"
      aside={rest > 0 && groups.length > 0 && <Rest rest={rest} noun="position" full={groups.length} />}
    >
      <Table
        label="What becomes of groups’ positions"
        columns={GROUP_COLUMNS}
        rows={groups}
        rowKey={row => `${row.group} ${row.topic}-${row.partition}`}
        minWidth={860}
        empty={
          <EmptyState title={`${plural(positionsInAll, 'position')}: nothing is read twice or skipped`} />
        }
      />
    </Section>
  )
}

const GROUP_COLUMNS: readonly Column<GroupRow>[] = [
  {
    name: 'Group',
    width: '16%',
    sort: row => row.group,
    cell: row => <span title={row.group}>{row.group}</span>,
  },
  {
    name: 'Partition',
    width: '16%',
    cell: row => (
      <span title={`${row.topic}-${row.partition}`}>
        {row.topic}-{row.partition}
      </span>
    ),
  },
  { name: 'Stands at', numeric: true, cell: row => orDash(row.here) },
  { name: 'There', numeric: true, cell: row => orDash(row.there) },
  { name: 'After', numeric: true, cell: row => orDash(row.after) },
  { name: 'Read again', numeric: true, sort: row => row.again.atLeast, cell: row => boundText(row.again) },
  { name: 'Skipped', numeric: true, sort: row => row.skipped.atLeast, cell: row => boundText(row.skipped) },
  {
    name: 'Note',
    width: '22%',
    cell: row => (
      <span className="quiet" title={row.note}>
        {row.note}
      </span>
    ),
  },
]
