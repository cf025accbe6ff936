import { useSyncExternalStore } from 'react'
import { serverNow } from '../api/live.ts'
import { clock, day, duration, instant } from '../format.ts'

/** One clock for all relative times of the page: they tick together, once a second. */
const listeners = new Set<() => void>()
let now = 0
let timer = 0

function listen(listener: () => void): () => void {
  listeners.add(listener)
  if (listeners.size === 1) timer = window.setInterval(tick, 1_000)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) clearInterval(timer)
  }
}

function tick(): void {
  now = serverNow()
  for (const listener of listeners) listener()
}

export const useNow = (): number => useSyncExternalStore(listen, () => now || (now = serverNow()))

/** `12 s ago`, the whole instant in UTC on hover and for assistive tools. */
export function TimeAgo({ at }: { readonly at: number | null }) {
  const present = useNow()
  if (at === null) return <span className="quiet">not known</span>
  const age = present - at
  return (
    <time dateTime={new Date(at).toISOString()} title={instant(at)}>
      {age < 1_500 ? 'now' : `${duration(age)} ago`}
    </time>
  )
}

/** `05:41:07 UTC · 12 s ago`, with the day when it is not today. */
export function Instant({ at }: { readonly at: number }) {
  const present = useNow()
  return (
    <span className="instant">
      {day(at) === day(present) ? '' : `${day(at)} `}
      {clock(at)} UTC{' '}
      <span className="quiet">
        · <TimeAgo at={at} />
      </span>
    </span>
  )
}
