import type { ReactNode } from 'react'

/** One figure with its name and, below, what to hold it against. */
export function Stat({
  name,
  value,
  note,
}: {
  readonly name: string
  readonly value: ReactNode
  readonly note?: ReactNode
}) {
  return (
    <div className="stat">
      <dt>{name}</dt>
      <dd className="stat-value">{value}</dd>
      {note !== undefined && <dd className="stat-note">{note}</dd>}
    </div>
  )
}

export function Stats({ children }: { readonly children: ReactNode }) {
  return <dl className="stats">{children}</dl>
}

const WIDTH = 96
const HEIGHT = 20

/** The course of the last half hour: its shape only, the figure stands beside it. */
export function Sparkline({ values, name }: { readonly values: readonly number[]; readonly name: string }) {
  if (values.length < 2) return <span className="quiet">–</span>
  const top = Math.max(...values) * 1.1 || 1
  const points = values.map(
    (value, i) =>
      `${((i / (values.length - 1)) * WIDTH).toFixed(1)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)}`,
  )
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={name}
      preserveAspectRatio="none"
    >
      <polygon points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
      <polyline points={points.join(' ')} />
    </svg>
  )
}

/** How full something is: a bar and the words. */
export function Meter({ ratio, label }: { readonly ratio: number; readonly label: string }) {
  const tone = ratio >= 0.95 ? 'bad' : ratio >= 0.85 ? 'warn' : 'off'
  return (
    <span className="meter">
      <svg
        className={`meter-bar tone-${tone}`}
        viewBox="0 0 100 6"
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <rect className="meter-ground" width="100" height="6" />
        <rect width={Math.max(0, Math.min(100, ratio * 100))} height="6" />
      </svg>
      {label}
    </span>
  )
}
