import { useQueries } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'

const PAGE = 100

interface PageData<Row> {
  readonly total: number
  readonly items: readonly Row[]
}

/**
 * Rows of a list the server keeps: the pages in sight are fetched, and asked again when the fleet changes. Until the
 * answer to another search or order is there, the rows of the last one stay.
 */
export function usePaged<Row>(
  key: readonly unknown[],
  fetchPage: (offset: number, limit: number, signal: AbortSignal) => Promise<PageData<Row>>,
) {
  const [range, setRange] = useState({ first: 0, last: 0 })
  const from = Math.floor(range.first / PAGE)
  const to = Math.floor(range.last / PAGE)
  const pages = Array.from({ length: to - from + 1 }, (_, i) => from + i)
  const results = useQueries({
    queries: pages.map(page => ({
      queryKey: ['live', ...key, page],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchPage(page * PAGE, PAGE, signal),
    })),
  })
  const onRange = useCallback((first: number, last: number) => {
    setRange(previous => (previous.first === first && previous.last === last ? previous : { first, last }))
  }, [])

  const found = new Map(pages.map((page, i) => [page, results[i]?.data]))
  const total = results.find(result => result.data !== undefined)?.data?.total
  const name = JSON.stringify(key)
  const before = useRef<{ name: string; total: number | undefined; pages: typeof found }>({
    name,
    total,
    pages: found,
  })
  useEffect(() => {
    if (total !== undefined) before.current = { name, total, pages: found }
  })
  const kept = total === undefined && before.current.name !== name ? before.current.pages : undefined
  return {
    total: total ?? before.current.total,
    error: results.find(result => result.error !== null)?.error ?? null,
    retry: () => void Promise.all(results.map(result => result.refetch())),
    /** undefined: not here yet. */
    rowAt: (index: number): Row | undefined => {
      const page = Math.floor(index / PAGE)
      return (found.get(page) ?? kept?.get(page))?.items[index % PAGE]
    },
    onRange,
  }
}
