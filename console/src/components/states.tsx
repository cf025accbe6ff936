import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { ApiError } from '../api/client.ts'
import { Glyph } from './status.tsx'

export function EmptyState({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children !== undefined && <p className="quiet">{children}</p>}
    </div>
  )
}

/** As a text, or as a thing that has one. */
const reasonText = (reason: unknown): string =>
  typeof reason === 'object' && reason !== null && 'text' in reason ? String(reason.text) : String(reason)

/** What went wrong, in the server's words, and what to do. */
export function ErrorPanel({ error, retry }: { readonly error: Error; readonly retry?: () => void }) {
  const known = error instanceof ApiError ? error : undefined
  return (
    <div className="error-panel" role="alert">
      <Glyph tone="bad" />
      <div>
        <p className="error-message wrap">{error.message}</p>
        <p className="quiet">{known?.remedy ?? 'This is a fault of the console. Load the page again.'}</p>
        {Array.isArray(known?.details['reasons']) && (
          <ul className="reasons">
            {known.details['reasons'].map(reason => (
              <li key={reasonText(reason)}>{reasonText(reason)}</li>
            ))}
          </ul>
        )}
        <p className="error-code">
          <code>{known?.code ?? error.name}</code>
          {retry !== undefined && (
            <button type="button" className="button" onClick={retry}>
              Try again
            </button>
          )}
        </p>
      </div>
    </div>
  )
}

export function Loading({ rows = 6 }: { readonly rows?: number }) {
  return (
    <div className="loading" role="status">
      <span className="hidden">Loading</span>
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: bars without identity
        <div key={i} className="loading-bar" />
      ))}
    </div>
  )
}

/** A query's four states: what was there last stays visible while it is asked again or cannot be. */
export function Answer<Data>({
  query,
  children,
}: {
  readonly query: UseQueryResult<Data>
  readonly children: (data: Data) => ReactNode
}) {
  if (query.data === undefined) {
    return query.error === null ? (
      <Loading />
    ) : (
      <ErrorPanel error={query.error} retry={() => void query.refetch()} />
    )
  }
  return (
    <>
      {query.error !== null && <ErrorPanel error={query.error} retry={() => void query.refetch()} />}
      {children(query.data)}
    </>
  )
}
