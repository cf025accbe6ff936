import type { KeySpec, KeyType, KeyValue } from './key.ts'

/** Texts as Connect reads them: every value of a configuration is a text, its key says of which type. */

const INTEGER_BITS: Readonly<Partial<Record<KeyType, bigint>>> = { SHORT: 16n, INT: 32n, LONG: 64n }

/** A secret never appears in a message. */
export const shown = (spec: Pick<KeySpec, 'type'>, text: string): string =>
  spec.type === 'PASSWORD' ? '(hidden)' : JSON.stringify(text.slice(0, 200))

/** @returns the value, or what is wrong with the text */
export function parseValue(
  spec: Pick<KeySpec, 'type'>,
  text: string,
): { readonly value: KeyValue } | { readonly wrong: string } {
  const { type } = spec
  const trimmed = text.trim()
  switch (type) {
    case 'BOOLEAN': {
      const word = trimmed.toLowerCase()
      return word === 'true' || word === 'false'
        ? { value: word === 'true' }
        : { wrong: `${shown(spec, text)} is neither true nor false` }
    }
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return parseInteger(type, trimmed)
    case 'DOUBLE':
      return trimmed !== '' && Number.isFinite(Number(trimmed))
        ? { value: Number(trimmed) }
        : { wrong: `${shown(spec, text)} is not a number` }
    case 'LIST':
      return { value: listOf(trimmed) }
    case 'STRING':
    case 'CLASS':
    case 'PASSWORD':
      return { value: trimmed }
    default:
      return type satisfies never
  }
}

/** The parts of a list; commas cannot be escaped. */
export const listOf = (text: string): readonly string[] =>
  text.trim() === '' ? [] : text.split(',').map(part => part.trim())

function parseInteger(
  type: 'SHORT' | 'INT' | 'LONG',
  text: string,
): { readonly value: number } | { readonly wrong: string } {
  const shownText = JSON.stringify(text.slice(0, 40))
  if (!/^[+-]?\d{1,25}$/.test(text)) return { wrong: `${shownText} is not a whole number` }
  const value = BigInt(text.replace('+', ''))
  const bits = INTEGER_BITS[type]!
  if (BigInt.asIntN(Number(bits), value) !== value)
    return { wrong: `${shownText} does not fit into ${bits} bits` }
  // Beyond 2^53 a number is only ever told apart from others by keys that have no effect.
  return { value: Number(value) }
}
