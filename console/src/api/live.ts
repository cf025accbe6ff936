import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'

/**
 * The page's one standing connection. It says whether what is shown is the present, carries the server's clock, and has
 * live queries asked again when the fleet changes. A hidden page lets go of it: browsers allow six connections a server.
 */
export interface LiveState {
  readonly status: 'connecting' | 'live' | 'stale'
  /** When the server was heard last, by its own clock. */
  readonly heardAt: number | null
}

/** Heartbeats come every 5 s: two missed and a little. */
const SILENCE_MS = 12_000
const RETRY_MS = 1_500
/** Changes closer together than this are asked for once. */
const REFRESH_MS = 2_000

let state: LiveState = { status: 'connecting', heardAt: null }
let clockOffset = 0
const listeners = new Set<() => void>()

function set(next: LiveState): void {
  if (next.status === state.status && next.heardAt === state.heardAt) return
  state = next
  for (const listener of listeners) listener()
}

/** The server's present, ms. */
export const serverNow = (): number => Date.now() + clockOffset

export const useLive = (): LiveState =>
  useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => state,
  )

export function connectLive(queries: QueryClient): void {
  let source: EventSource | undefined
  let silence = 0
  let retry = 0
  let refreshAt = 0
  let refresh = 0

  const heard = (at?: number): void => {
    if (at !== undefined) clockOffset = at - Date.now()
    const wasStale = state.status === 'stale'
    set({ status: 'live', heardAt: serverNow() })
    clearTimeout(silence)
    silence = window.setTimeout(() => lost(), SILENCE_MS)
    if (wasStale) void queries.invalidateQueries()
  }
  const lost = (): void => {
    set({ status: 'stale', heardAt: state.heardAt })
    source?.close()
    clearTimeout(retry)
    retry = window.setTimeout(connect, RETRY_MS)
  }
  const changed = (): void => {
    const wait = Math.max(0, refreshAt - Date.now())
    clearTimeout(refresh)
    refresh = window.setTimeout(() => {
      refreshAt = Date.now() + REFRESH_MS
      void queries.invalidateQueries({ queryKey: ['live'] })
    }, wait)
  }
  function connect(): void {
    source?.close()
    if (document.hidden) return
    source = new EventSource('/api/live')
    source.addEventListener('heartbeat', event => heard((JSON.parse(event.data) as { at: number }).at))
    let first = true
    source.addEventListener('fleet', () => {
      heard()
      // A new connection is told where things stand at once: what was asked for just now need not be asked again.
      if (!first) changed()
      first = false
    })
    source.onerror = lost
  }
  document.addEventListener('visibilitychange', () => {
    clearTimeout(silence)
    clearTimeout(retry)
    if (document.hidden) source?.close()
    else connect()
  })
  connect()
}
