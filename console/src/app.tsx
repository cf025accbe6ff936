import { useQuery } from '@tanstack/react-query'
import { Component, type ComponentType, lazy, type ReactNode, Suspense, useEffect, useState } from 'react'
import { ApiError } from './api/client.ts'
import { useLive } from './api/live.ts'
import { fleetQuery, sessionQuery } from './api/queries.ts'
import { Help } from './components/help.tsx'
import { Page } from './components/page.tsx'
import { PAGES, pageFor } from './components/pages.ts'
import { Palette } from './components/palette.tsx'
import { ErrorPanel, Loading } from './components/states.tsx'
import { Glyph } from './components/status.tsx'
import { useNow } from './components/time-ago.tsx'
import { clock, count, duration, plural } from './format.ts'
import { A, go, match, usePlace } from './router.tsx'

type Params = Readonly<Record<string, string>>
type PageComponent = ComponentType<{ readonly params: Params }>

const page = <Name extends string>(load: () => Promise<Readonly<Record<Name, PageComponent>>>, name: Name) =>
  lazy(async () => ({ default: (await load())[name] }))

const FleetPage = page(() => import('./pages/fleet.tsx'), 'FleetPage')
const HostPage = page(() => import('./pages/host.tsx'), 'HostPage')
const ClusterPage = page(() => import('./pages/cluster.tsx'), 'ClusterPage')
const TopicsPage = page(() => import('./pages/topics.tsx'), 'TopicsPage')
const TopicPage = page(() => import('./pages/topic.tsx'), 'TopicPage')
const LinksPage = page(() => import('./pages/links.tsx'), 'LinksPage')
const LinkPage = page(() => import('./pages/link.tsx'), 'LinkPage')
const RehearsalPage = page(() => import('./pages/rehearsal.tsx'), 'RehearsalPage')
const LogsPage = page(() => import('./pages/logs.tsx'), 'LogsPage')
const MetricsPage = page(() => import('./pages/metrics.tsx'), 'MetricsPage')
const CompletenessPage = page(() => import('./pages/completeness.tsx'), 'CompletenessPage')
const IncidentsPage = page(() => import('./pages/incidents.tsx'), 'IncidentsPage')
const TestsPage = page(() => import('./pages/tests.tsx'), 'TestsPage')
const TestPage = page(() => import('./pages/test.tsx'), 'TestPage')
const ActivityPage = page(() => import('./pages/activity.tsx'), 'ActivityPage')

const ROUTES: readonly (readonly [pattern: string, component: PageComponent])[] = [
  ['/', FleetPage],
  ['/hosts/:host', HostPage],
  ['/clusters/:cluster', ClusterPage],
  ['/clusters/:cluster/:tab', ClusterPage],
  ['/clusters/:cluster/:tab/:item', ClusterPage],
  ['/topics', TopicsPage],
  ['/topics/:topic', TopicPage],
  ['/topics/:topic/:tab', TopicPage],
  ['/links', LinksPage],
  ['/links/:link', LinkPage],
  ['/links/:link/rehearsal', RehearsalPage],
  ['/logs', LogsPage],
  ['/logs/:tab', LogsPage],
  ['/metrics', MetricsPage],
  ['/metrics/:group', MetricsPage],
  ['/metrics/:group/:metric', MetricsPage],
  ['/completeness', CompletenessPage],
  ['/completeness/:bucket', CompletenessPage],
  ['/incidents', IncidentsPage],
  ['/incidents/:id', IncidentsPage],
  ['/tests', TestsPage],
  ['/tests/library', TestsPage],
  ['/tests/:id', TestPage],
  ['/activity', ActivityPage],
  ['/activity/:id', ActivityPage],
]

export function App() {
  const { path } = usePlace()
  const [overlay, setOverlay] = useState<'palette' | 'help' | null>(null)
  useKeys(setOverlay)
  const session = useQuery(sessionQuery())
  if (session.error instanceof ApiError && session.error.status === 401) return <SignedOut />
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <Rail
        path={path}
        fleet={session.data?.fleet}
        search={() => setOverlay('palette')}
        help={() => setOverlay('help')}
      />
      <Bar />
      <main id="main" tabIndex={-1}>
        <Crash path={path}>
          <Suspense fallback={<Loading rows={10} />}>
            <Routed path={path} />
          </Suspense>
        </Crash>
      </main>
      {overlay === 'palette' && <Palette close={() => setOverlay(null)} />}
      {overlay === 'help' && <Help close={() => setOverlay(null)} />}
    </div>
  )
}

function Routed({ path }: { readonly path: string }) {
  for (const [pattern, Found] of ROUTES) {
    const params = match(pattern, path)
    if (params !== undefined) return <Found params={params} />
  }
  const error = new ApiError(404, {
    code: 'NO_PAGE',
    message: `there is no page at ${path}`,
    remedy: 'Search with / or choose a page from the list.',
  })
  return (
    <Page title="No such page">
      <ErrorPanel error={error} />
    </Page>
  )
}

function Rail({
  path,
  fleet,
  search,
  help,
}: {
  readonly path: string
  readonly fleet: string | undefined
  readonly search: () => void
  readonly help: () => void
}) {
  const active = pageFor(path)
  return (
    <nav className="rail" aria-label="Pages">
      <A className="mark" href="/">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M1 8c2.2-3.6 4.5-5 7-5s4.8 1.4 7 5c-2.2 3.6-4.5 5-7 5s-4.8-1.4-7-5z" />
          <circle cx="8" cy="8" r="2.5" />
        </svg>
        Ajna <span className="quiet wrap">{fleet}</span>
      </A>
      <button type="button" className="search-button" onClick={search}>
        Search <kbd>/</kbd>
      </button>
      <ul>
        {PAGES.map(entry => (
          <li key={entry.href}>
            <A className="rail-link" href={entry.href} aria-current={entry === active ? 'page' : undefined}>
              {entry.name}
              <span className="rail-key" aria-hidden="true">
                g {entry.key}
              </span>
            </A>
          </li>
        ))}
      </ul>
      <button type="button" className="help-button" onClick={help}>
        Keys <kbd>?</kbd>
      </button>
    </nav>
  )
}

/** On every page: is anything wrong, and is this the present. */
function Bar() {
  const fleet = useQuery(fleetQuery())
  const live = useLive()
  const now = useNow()
  const findings = fleet.data?.findings ?? []
  const number = (severity: string): number =>
    findings.filter(finding => finding.severity === severity).length
  const [critical, warning, unknown] = [number('critical'), number('warning'), number('info')]
  const known = fleet.data !== undefined && live.status !== 'stale'
  const tone = !known ? 'off' : critical > 0 ? 'bad' : warning > 0 ? 'warn' : unknown > 0 ? 'off' : 'ok'
  const verdict = fleet.data === undefined ? 'Asking…' : verdictOf(critical, warning, unknown)
  return (
    <header className={`bar ${live.status}`}>
      <A href="/" className={`verdict tone-${tone}`}>
        <Glyph tone={tone} />
        {live.status === 'stale' && fleet.data !== undefined ? `${verdict}, as last heard` : verdict}
      </A>
      <span className="freshness" role="status">
        {live.status === 'live' && (
          <>
            <Glyph tone="ok" /> Live
          </>
        )}
        {live.status === 'connecting' && 'Connecting…'}
        {live.status === 'stale' && (
          <>
            <Glyph tone="warn" /> Not live
            {live.heardAt === null ? '' : ` for ${duration(now - live.heardAt)}`}; reconnecting…
          </>
        )}
      </span>
      <time className="utc" dateTime={new Date(now).toISOString()}>
        {clock(now)} UTC
      </time>
    </header>
  )
}

function verdictOf(critical: number, warning: number, unknown: number): string {
  if (critical + warning > 0) {
    return [critical > 0 && `${count(critical)} critical`, warning > 0 && plural(warning, 'warning')]
      .filter(Boolean)
      .join(' · ')
  }
  return unknown === 0 ? 'Nothing is wrong' : `Nothing is known to be wrong; ${count(unknown)} not known`
}

function SignedOut() {
  return (
    <main className="signed-out">
      <h1>This browser has no session</h1>
      <p>
        Open the address that <code>./ajna status</code> prints: it holds the token of this fleet and signs
        the browser in once. What this page shows leaves the machine to nobody else.
      </p>
      <button type="button" className="button" onClick={() => location.reload()}>
        Try again
      </button>
    </main>
  )
}

/** A page that fails leaves the rail, the bar and the other pages alone. */
class Crash extends Component<
  { readonly path: string; readonly children: ReactNode },
  { readonly error: Error | null }
> {
  override state: { readonly error: Error | null } = { error: null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  /** Another page is another chance. */
  override componentDidUpdate(before: { readonly path: string }) {
    if (before.path !== this.props.path && this.state.error !== null) this.setState({ error: null })
  }

  override render() {
    return this.state.error === null ? (
      this.props.children
    ) : (
      <ErrorPanel error={this.state.error} retry={() => this.setState({ error: null })} />
    )
  }
}

const CHORD_MS = 1_200

function useKeys(open: (overlay: 'palette' | 'help') => void): void {
  useEffect(() => {
    let chordUntil = 0
    const pressed = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement
      if (
        event.metaKey ||
        event.ctrlKey ||
        event.altKey ||
        target.closest('input, textarea, select, dialog') !== null
      )
        return
      const page = event.timeStamp < chordUntil ? PAGES.find(each => each.key === event.key) : undefined
      chordUntil = event.key === 'g' ? event.timeStamp + CHORD_MS : 0
      if (page !== undefined) {
        event.preventDefault()
        go(page.href)
      } else if (event.key === 'ArrowDown' && target === document.body) {
        const row = document.querySelector<HTMLElement>('main tr[tabindex="0"]')
        if (row !== null) event.preventDefault()
        row?.focus()
      } else if (event.key === '/' || event.key === '?') {
        event.preventDefault()
        open(event.key === '/' ? 'palette' : 'help')
      }
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [open])
}
