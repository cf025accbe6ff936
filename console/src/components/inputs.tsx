import { useEffect, useId, useState } from 'react'
import { setQuery, usePlace } from '../router.tsx'

const TYPING_MS = 200

/** A search that stands in the address as `q`; it is asked when the typing pauses. */
export function SearchBox({
  label,
  name = 'q',
  placeholder,
}: {
  readonly label: string
  readonly name?: string
  readonly placeholder?: string
}) {
  const { query } = usePlace()
  const given = query.get(name) ?? ''
  const [text, setText] = useState(given)
  useEffect(() => setText(given), [given])
  useEffect(() => {
    if (text === given) return
    const timer = setTimeout(() => setQuery({ [name]: text }), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text, given, name])
  return (
    <input
      type="search"
      className="input search"
      aria-label={label}
      placeholder={placeholder ?? label}
      spellCheck={false}
      value={text}
      onChange={event => setText(event.target.value)}
    />
  )
}

/** A choice that stands in the address; the first option is the default and does not. */
export function Select({
  label,
  name,
  value,
  options,
  names = {},
}: {
  readonly label: string
  readonly name: string
  readonly value: string
  readonly options: readonly string[]
  readonly names?: Readonly<Record<string, string>>
}) {
  const id = useId()
  return (
    <span className="select">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className="input"
        value={value}
        onChange={event =>
          setQuery({ [name]: event.target.value === options[0] ? null : event.target.value })
        }
      >
        {options.map(option => (
          <option key={option} value={option}>
            {names[option] ?? (option === '' ? 'all' : option.replaceAll('-', ' '))}
          </option>
        ))}
      </select>
    </span>
  )
}

/** Yes or no, in the address as `true` or not at all. */
export function Check({ label, name }: { readonly label: string; readonly name: string }) {
  const { query } = usePlace()
  return (
    <label className="check">
      <input
        type="checkbox"
        checked={query.get(name) === 'true'}
        onChange={event => setQuery({ [name]: event.target.checked ? 'true' : null })}
      />
      {label}
    </label>
  )
}
