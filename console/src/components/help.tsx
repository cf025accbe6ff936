import { useEffect, useRef } from 'react'
import { PAGES } from './pages.ts'

const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['/', 'search everything'],
  ...PAGES.map(page => [`g ${page.key}`, `go to ${page.name}`] as const),
  ['↑ ↓', 'move in a table (also k, j, Home, End)'],
  ['Enter', 'open the row'],
  ['Esc', 'close what is open'],
  ['?', 'this help'],
]

export function Help({ close }: { readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} className="help" aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keys</h2>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" className="button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  )
}
