import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useDeferredValue, useEffect, useRef, useState } from 'react'
import type { SearchHit } from '../api/client.ts'
import { searchQuery } from '../api/queries.ts'
import { A, go, pathOf } from '../router.tsx'
import { PAGES } from './pages.ts'

/** `/`: everything with a name, and the pages. */
export function Palette({ close }: { readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [text, setText] = useState('')
  const [active, setActive] = useState(0)
  const query = useQuery(searchQuery(useDeferredValue(text)))
  useEffect(() => dialog.current?.showModal(), [])

  const choices =
    text.trim() === ''
      ? PAGES.map(page => ({ kind: 'page', name: page.name, detail: page.what, href: page.href }))
      : (query.data?.hits ?? []).map(choiceOf)
  const current = Math.min(active, choices.length - 1)

  function keys(event: KeyboardEvent): void {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) {
      event.preventDefault()
      const next = (current + step + choices.length) % Math.max(1, choices.length)
      setActive(next)
      dialog.current?.querySelector(`#hit-${next}`)?.scrollIntoView({ block: 'nearest' })
    }
    const choice = choices[current]
    if (event.key === 'Enter' && choice !== undefined) {
      event.preventDefault()
      close()
      go(choice.href)
    }
  }

  return (
    <dialog ref={dialog} className="palette" aria-label="Search everything" onClose={close}>
      <input
        autoFocus
        type="text"
        role="combobox"
        aria-label="Search topics, brokers, groups, hosts"
        aria-expanded="true"
        aria-controls="hits"
        aria-activedescendant={choices.length > 0 ? `hit-${current}` : undefined}
        placeholder="Search topics, brokers, groups, hosts, links…"
        spellCheck={false}
        value={text}
        onChange={event => {
          setText(event.target.value)
          setActive(0)
        }}
        onKeyDown={keys}
      />
      <div id="hits" role="listbox" aria-label="Found" className="hits">
        {choices.map((choice, i) => (
          <A
            key={`${choice.kind} ${choice.href} ${choice.name}`}
            id={`hit-${i}`}
            role="option"
            aria-selected={i === current}
            tabIndex={-1}
            href={choice.href}
            onClick={close}
          >
            <span className="hit-kind">{choice.kind}</span>
            <span className="hit-name wrap">{choice.name}</span>
            <span className="hit-detail">{choice.detail}</span>
          </A>
        ))}
      </div>
      <p className="palette-foot quiet" role="status">
        {text.trim() !== '' && choices.length === 0 && !query.isFetching
          ? `Nothing is called “${text.trim()}”. `
          : ''}
        <kbd>↑</kbd> <kbd>↓</kbd> choose · <kbd>Enter</kbd> open · <kbd>Esc</kbd> close
      </p>
    </dialog>
  )
}

function choiceOf({ subject, detail }: SearchHit) {
  return {
    kind: subject.kind,
    name: subject.kind === 'broker' ? `${subject.cluster} / ${subject.name}` : subject.name,
    detail,
    href: pathOf(subject),
  }
}
