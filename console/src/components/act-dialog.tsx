import { type ReactNode, type RefObject, useEffect, useRef } from 'react'
import { ErrorPanel } from './states.tsx'

/** A dialog that asks before something is done: what, who and why, and the two buttons. */
export function ActDialog({
  title,
  children,
  act,
  close,
  ...button
}: {
  readonly title: string
  readonly children: ReactNode
  readonly act: { readonly mutate: () => void; readonly error: Error | null; readonly isPending: boolean }
  readonly close: () => void
  readonly verb: string
  /** On the button while it is done. */
  readonly pending: string
  readonly ready: boolean
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} className="act" aria-label={title} onClose={close}>
      <h2>{title}</h2>
      <form
        onSubmit={event => {
          event.preventDefault()
          act.mutate()
        }}
      >
        {children}
        {act.error !== null && <ErrorPanel error={act.error} />}
        <ActFoot dialog={dialog} isPending={act.isPending} {...button} />
      </form>
    </dialog>
  )
}

/** Cancel, or do it. */
export function ActFoot({
  dialog,
  verb,
  pending,
  ready,
  isPending,
}: {
  readonly dialog: RefObject<HTMLDialogElement | null>
  readonly verb: string
  readonly pending: string
  readonly ready: boolean
  readonly isPending: boolean
}) {
  return (
    <div className="act-foot">
      <button type="button" className="button" onClick={() => dialog.current?.close()}>
        Cancel
      </button>
      <button type="submit" className="button danger" disabled={!ready || isPending}>
        {isPending ? pending : verb}
      </button>
    </div>
  )
}
