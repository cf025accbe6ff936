/** What a connector's configuration may hold, key by key: the specs are the documentation, the validation and the answers. */

export type KeyType =
  | 'BOOLEAN'
  | 'STRING'
  | 'INT'
  | 'SHORT'
  | 'LONG'
  | 'DOUBLE'
  | 'LIST'
  | 'CLASS'
  | 'PASSWORD'

export type Importance = 'HIGH' | 'MEDIUM' | 'LOW'

/** What becomes of a key when it is set. */
export type Fate =
  /** It decides what the link does. */
  | { readonly kind: 'understood'; readonly becomes: string }
  /** Accepted, and nothing follows from it: the link has no need of it. */
  | { readonly kind: 'ignored'; readonly because: string }
  /** Nothing a link can do. Values in `unless` ask for what it does anyway, as the default does. */
  | {
      readonly kind: 'refused'
      readonly because: string
      readonly instead: string
      readonly unless: readonly string[]
    }

export interface KeySpec {
  readonly name: string
  readonly type: KeyType
  readonly required: boolean
  /** As Connect writes it; null: none. */
  readonly default: string | null
  readonly importance: Importance
  readonly fate: Fate
  /** Says what is wrong with a value of the right type. */
  readonly check?: (value: KeyValue) => string | undefined
  /** Where Connect's forms show it. */
  readonly shelf?: Shelf
}

export interface Shelf {
  readonly group: string
  readonly order: number
  readonly width: 'NONE' | 'SHORT' | 'MEDIUM' | 'LONG'
  readonly title: string
}

export type KeyValue = string | number | boolean | readonly string[] | null

/** A problem with what stands under a key; the message is whole without the key. */
export interface Problem {
  readonly key: string
  readonly message: string
}

export interface KeyOptions {
  readonly required?: boolean
  readonly check?: (value: KeyValue) => string | undefined
  readonly shelf?: Shelf
}

/** Name, type, default and importance, as every table writes them. */
export type KeyFacts = readonly [name: string, type: KeyType, fallback: string | null, importance: Importance]

const spec = ([name, type, fallback, importance]: KeyFacts, fate: Fate, options: KeyOptions): KeySpec => ({
  name,
  type,
  required: false,
  default: fallback,
  importance,
  fate,
  ...options,
})

export const understood = (facts: KeyFacts, becomes: string, options: KeyOptions = {}): KeySpec =>
  spec(facts, { kind: 'understood', becomes }, options)

export const ignored = (facts: KeyFacts, because: string, options: KeyOptions = {}): KeySpec =>
  spec(facts, { kind: 'ignored', because }, options)

export const refused = (
  facts: KeyFacts,
  reason: { readonly because: string; readonly instead: string; readonly unless?: readonly string[] },
  options: KeyOptions = {},
): KeySpec => spec(facts, { kind: 'refused', unless: [], ...reason }, options)

/** What Connect's forms show beside a key, and what the generated table says of it. */
export function documentationOf({ fate }: KeySpec): string {
  switch (fate.kind) {
    case 'understood':
      return `Understood: ${fate.becomes}`
    case 'ignored':
      return `No effect: ${fate.because}`
    case 'refused': {
      const accepted = fate.unless.length === 0 ? '' : ` Accepted: ${fate.unless.join(', ')}.`
      return `Refused: ${fate.because} ${fate.instead}${accepted}`
    }
    default:
      return fate satisfies never
  }
}

export const oneOf =
  (...allowed: readonly string[]) =>
  (value: KeyValue): string | undefined =>
    typeof value === 'string' && !allowed.includes(value)
      ? `${JSON.stringify(value)} is none of ${allowed.join(', ')}`
      : undefined

export const atLeast =
  (lowest: number) =>
  (value: KeyValue): string | undefined =>
    typeof value === 'number' && value < lowest ? `${value} is less than ${lowest}` : undefined
