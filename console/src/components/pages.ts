/** The console's pages, as the rail, the search and the keyboard know them: `g`, then the key. */
export interface PageEntry {
  readonly name: string
  readonly href: string
  readonly key: string
  readonly what: string
}

export const PAGES: readonly PageEntry[] = [
  { name: 'Fleet', href: '/', key: 'f', what: 'what is wrong, clusters, processes' },
  { name: 'Topics', href: '/topics', key: 't', what: 'every topic over all clusters' },
  { name: 'Links', href: '/links', key: 'l', what: 'copies between clusters and their lag' },
  { name: 'Logs', href: '/logs', key: 'o', what: 'live tail and SQL' },
  { name: 'Metrics', href: '/metrics', key: 'm', what: 'hosts, brokers, the platform' },
  { name: 'Completeness', href: '/completeness', key: 'c', what: 'what arrived, tier by tier' },
  { name: 'Incidents', href: '/incidents', key: 'i', what: 'failures, and what was done about them' },
  { name: 'Tests', href: '/tests', key: 'e', what: 'faults on purpose, and what came of them' },
  { name: 'Activity', href: '/activity', key: 'a', what: 'every change: who, what, evidence' },
]

/** The page of the rail that an address belongs to. */
export function pageFor(path: string): PageEntry | undefined {
  if (path === '/' || /^\/(clusters|hosts)\//.test(path)) return PAGES[0]
  return PAGES.find(page => page.href !== '/' && (path === page.href || path.startsWith(`${page.href}/`)))
}
