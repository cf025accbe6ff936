import { type ReactNode, useEffect, useRef } from 'react'
import { go } from '../router.tsx'

/** A thing looked at beside the list it came from; its own address opens it, Escape or the cross goes back to the list's. */
export function Drawer({
  title,
  closeTo,
  children,
}: {
  readonly title: string
  readonly closeTo: string
  readonly children: ReactNode
}) {
  const element = useRef<HTMLElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another thing opened takes the focus again
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    element.current?.focus({ preventScroll: true })
    return () => before?.focus({ preventScroll: true })
  }, [title])
  useEffect(() => {
    const onEscape = (event: KeyboardEvent): void => {
      if (
        event.key === 'Escape' &&
        !event.defaultPrevented &&
        document.querySelector('dialog[open]') === null
      )
        go(closeTo)
    }
    document.addEventListener('keydown', onEscape)
    return () => document.removeEventListener('keydown', onEscape)
  }, [closeTo])
  return (
    <aside ref={element} className="drawer" aria-label={title} tabIndex={-1}>
      <header className="drawer-head">
        <h2 className="drawer-title wrap">{title}</h2>
        <button type="button" className="button ghost" onClick={() => go(closeTo)}>
          Close <kbd>Esc</kbd>
        </button>
      </header>
      <div className="drawer-body">{children}</div>
    </aside>
  )
}

/** Name and value, line by line. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="wrap">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
