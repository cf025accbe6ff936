import { Fragment, type ReactNode, useEffect } from 'react'
import { A } from '../router.tsx'

export interface Crumb {
  readonly name: string
  readonly href: string
}

export interface PageProps {
  readonly title: string
  /** The way here. */
  readonly crumbs?: readonly Crumb[]
  /** Beside the title: the thing's state, since when. */
  readonly beside?: ReactNode
  readonly children: ReactNode
}

export function Page({ title, crumbs = [], beside, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Ajna`
  }, [title])
  return (
    <div className="page">
      <header className="page-head">
        {crumbs.length > 0 && (
          <nav aria-label="Path" className="crumbs">
            {crumbs.map(crumb => (
              <Fragment key={crumb.href}>
                <A href={crumb.href}>{crumb.name}</A>
                <span aria-hidden="true">/</span>
              </Fragment>
            ))}
          </nav>
        )}
        <h1 className="wrap">{title}</h1>
        {beside !== undefined && <div className="page-beside">{beside}</div>}
      </header>
      {children}
    </div>
  )
}

/** A named part of a page. */
export function Section({
  title,
  verbatim = false,
  aside,
  children,
}: {
  readonly title: string
  /** The title is a name, to be shown letter by letter. */
  readonly verbatim?: boolean
  readonly aside?: ReactNode
  readonly children: ReactNode
}) {
  return (
    <section className="section">
      <header className="section-head">
        <h2 className={verbatim ? 'verbatim wrap' : ''}>{title}</h2>
        {aside !== undefined && <div className="section-aside">{aside}</div>}
      </header>
      {children}
    </section>
  )
}

export interface Tab {
  readonly name: string
  readonly href: string
  readonly count?: string
}

/** Views of one thing; each is an address of its own. */
export function Tabs({
  label,
  tabs,
  active,
}: {
  readonly label: string
  readonly tabs: readonly Tab[]
  readonly active: string
}) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(tab => (
        <A
          key={tab.href}
          className="tab"
          href={tab.href}
          aria-current={tab.name === active ? 'page' : undefined}
        >
          {tab.name}
          {tab.count !== undefined && <span className="tab-count">{tab.count}</span>}
        </A>
      ))}
    </nav>
  )
}

/** Filters and acts above a table. */
export function Toolbar({ children }: { readonly children: ReactNode }) {
  return <div className="toolbar">{children}</div>
}
