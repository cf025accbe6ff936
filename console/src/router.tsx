import { type ComponentProps, type MouseEvent, useSyncExternalStore } from 'react'
import type { Subject } from './api/client.ts'

/** The address is the page: every view, filter and selection that can be shared stands in it. */
export interface Place {
  readonly path: string
  readonly query: URLSearchParams
}

let place: Place = read()
const listeners = new Set<() => void>()

function read(): Place {
  return { path: location.pathname.replace(/\/+$/, '') || '/', query: new URLSearchParams(location.search) }
}

function moved(): void {
  place = read()
  for (const listener of listeners) listener()
}

window.addEventListener('popstate', moved)

export const usePlace = (): Place =>
  useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => place,
  )

/** A new place in the history; with `replace`, the same place seen otherwise (a filter, an order). */
export function go(to: string, { replace = false } = {}): void {
  if (to === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', to)
  else {
    history.pushState(null, '', to)
    window.scrollTo(0, 0)
  }
  moved()
}

/** The present address with some query values changed; null or the default removes one. */
export function setQuery(changes: Readonly<Record<string, string | null>>): void {
  const query = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') query.delete(name)
    else query.set(name, value)
  }
  const text = query.toString()
  go(location.pathname + (text === '' ? '' : `?${text}`), { replace: true })
}

/** Follows links of this console without loading the page again; everything else is the browser's. */
export function follow(event: MouseEvent<HTMLAnchorElement>): void {
  const { currentTarget: link } = event
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return
  if (link.origin !== location.origin || link.target !== '') return
  event.preventDefault()
  go(link.pathname + link.search)
}

export function A({ href, onClick, ...rest }: ComponentProps<'a'> & { readonly href: string }) {
  return (
    <a
      href={href}
      onClick={event => {
        onClick?.(event)
        follow(event)
      }}
      {...rest}
    />
  )
}

/** `/clusters/:cluster/brokers/:broker` → the parts that match, decoded, or undefined. */
export function match(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split('/')
  const found = path.split('/')
  if (wanted.length !== found.length) return undefined
  const parts: Record<string, string> = {}
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(':')) parts[part.slice(1)] = decoded(found[i]!)
    else if (part !== found[i]) return undefined
  }
  return parts
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}

export const at = (...parts: readonly (string | number)[]): string =>
  `/${parts.map(part => encodeURIComponent(part)).join('/')}`

/** Where a thing can be looked at. */
export function pathOf({ kind, name, cluster }: Subject): string {
  switch (kind) {
    case 'cluster':
      return at('clusters', name)
    case 'broker':
      return at('clusters', cluster ?? '', 'brokers', name)
    case 'group':
      return at('clusters', cluster ?? '', 'groups', name)
    case 'topic':
    case 'partition':
      return at('topics', kind === 'topic' ? name : name.replace(/-\d+$/, ''))
    case 'link':
      return at('links', name)
    case 'host':
      return at('hosts', name)
    case 'process':
      return at('hosts', name.split('/')[0]!)
    case 'completeness':
      return at('completeness', name)
    case 'archive':
      return '/logs'
    case 'site':
    case 'fleet':
      return '/'
  }
}
