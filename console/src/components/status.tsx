/** A state is a shape, a word and a colour: never the colour alone. */
export type Tone = 'ok' | 'warn' | 'bad' | 'off'

const SHAPES: Readonly<Record<Tone, string>> = {
  ok: 'M8 3.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z',
  warn: 'M8 2.5L14.2 13.5H1.8z',
  bad: 'M3 3h10v10H3z',
  off: 'M8 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8zm0 1.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5z',
}

export function Glyph({ tone }: { readonly tone: Tone }) {
  return (
    <svg className={`glyph tone-${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={SHAPES[tone]} fillRule="evenodd" />
    </svg>
  )
}

export function Status({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span className={`status tone-${tone}`}>
      <Glyph tone={tone} />
      {children}
    </span>
  )
}

const TONES: Readonly<Record<string, Tone>> = {
  healthy: 'ok',
  up: 'ok',
  ok: 'ok',
  running: 'ok',
  online: 'ok',
  complete: 'ok',
  done: 'ok',
  stable: 'ok',
  'caught-up': 'ok',
  copying: 'ok',
  'in-step': 'ok',
  degraded: 'warn',
  'under-replicated': 'warn',
  'at-min-isr': 'warn',
  lagging: 'warn',
  starting: 'warn',
  'backing-off': 'warn',
  duplicated: 'warn',
  refused: 'warn',
  warning: 'warn',
  waiting: 'warn',
  held: 'warn',
  down: 'bad',
  offline: 'bad',
  'under-min-isr': 'bad',
  halted: 'bad',
  blocked: 'bad',
  failed: 'bad',
  missing: 'bad',
  critical: 'bad',
}

/** The tone of a state by its name; what is not known, stopped or open is neither good nor bad. */
export const toneOf = (state: string): Tone => TONES[state.toLowerCase()] ?? 'off'

export function State({ name }: { readonly name: string }) {
  return <Status tone={toneOf(name)}>{name.replaceAll('-', ' ').replace(/\bisr\b/, 'ISR')}</Status>
}
