import { useQuery } from '@tanstack/react-query'
import { fleetQuery } from '../api/queries.ts'
import { Findings } from '../components/findings.tsx'
import { Page, Section } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { Table } from '../components/table.tsx'
import { A } from '../router.tsx'
import { PROCESS_COLUMNS } from './fleet.tsx'

/** What runs on a host, and where to look further. */
export function HostPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const host = params['host'] ?? ''
  const query = useQuery(fleetQuery())
  return (
    <Page title={host} crumbs={[{ name: 'Fleet', href: '/' }]} beside={<span className="quiet">host</span>}>
      <Answer query={query}>
        {fleet => {
          const site = fleet.sites.find(each => each.hosts.includes(host))
          const processes = fleet.processes.filter(process => process.host === host)
          if (site === undefined && processes.length === 0)
            return (
              <EmptyState title={`No host is called ${host}`}>
                Search with / for what it may be called.
              </EmptyState>
            )
          const findings = fleet.findings.filter(
            ({ subject }) => subject.kind === 'process' && subject.name.startsWith(`${host}/`),
          )
          return (
            <>
              <Findings findings={findings} nothing="Nothing is wrong with its processes." />
              <p className="ways">
                <A className="plain" href={`/metrics/host?host=${encodeURIComponent(host)}`}>
                  Metrics
                </A>
                <A className="plain" href={`/logs?host=${encodeURIComponent(host)}`}>
                  Live log
                </A>
                <A className="plain" href="/completeness">
                  Completeness
                </A>
              </p>
              <Section title="Processes">
                <Table
                  label={`Processes of ${host}`}
                  columns={PROCESS_COLUMNS.filter(column => column.name !== 'Host')}
                  rows={processes}
                  rowKey={process => process.name}
                  minWidth={820}
                  empty={<EmptyState title="No process has reported from this host" />}
                />
              </Section>
            </>
          )
        }}
      </Answer>
    </Page>
  )
}
