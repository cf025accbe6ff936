import { useId, useState } from 'react'

/** The name given last on this browser: it is asked for once. */
const KEPT = 'ajna.who'

const kept = (): string => {
  try {
    return localStorage.getItem(KEPT) ?? ''
  } catch {
    return ''
  }
}

export interface WhoAndWhy {
  readonly reason: string
  readonly by: string
  readonly setReason: (reason: string) => void
  readonly setBy: (by: string) => void
  /** What goes with an act. */
  readonly said: { readonly reason: string; readonly by?: string }
  readonly enough: boolean
}

export function useWhoAndWhy(): WhoAndWhy {
  const [reason, setReason] = useState('')
  const [by, setWho] = useState(kept)
  return {
    reason,
    by,
    setReason,
    setBy(name) {
      setWho(name)
      try {
        localStorage.setItem(KEPT, name)
      } catch {
        // A browser that keeps nothing asks again.
      }
    },
    said: { reason, ...(by.trim() !== '' && { by: by.trim() }) },
    enough: reason.trim().length >= 3,
  }
}

/** Who acts, and why: both stand in the activity log. */
export function WhoAndWhyFields({ who }: { readonly who: WhoAndWhy }) {
  const reasonId = useId()
  const byId = useId()
  return (
    <>
      <label htmlFor={reasonId}>Reason, kept in the activity log</label>
      <input
        id={reasonId}
        value={who.reason}
        maxLength={500}
        autoComplete="off"
        onChange={event => who.setReason(event.target.value)}
      />
      <label htmlFor={byId}>Your name, kept beside it</label>
      <input
        id={byId}
        value={who.by}
        maxLength={100}
        placeholder="operator"
        autoComplete="name"
        onChange={event => who.setBy(event.target.value)}
      />
    </>
  )
}

/** What is typed so that the right act in the wrong tab is stopped. */
export function ConfirmField({
  confirm,
  typed,
  setTyped,
}: {
  readonly confirm: string
  readonly typed: string
  readonly setTyped: (typed: string) => void
}) {
  const id = useId()
  return (
    <>
      <label htmlFor={id}>
        Type <code>{confirm}</code> to confirm
      </label>
      <input
        id={id}
        value={typed}
        autoComplete="off"
        spellCheck={false}
        onChange={event => setTyped(event.target.value)}
      />
    </>
  )
}
