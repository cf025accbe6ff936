import { AjnaError } from '../errors/errors.ts'
import { nearest } from '../text/nearest.ts'
import { CONFIG_INVALID } from './errors.ts'

export type Path = readonly (string | number)[]

/** Something a file may not say. Lines and columns count from 1. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** `topics["logs.edge"].partitions`; empty for the file as a whole. */
  readonly path: string
  readonly found: string
  readonly allowed: string
}

/** A problem by its place in the value, before it is looked up in the text. */
export interface Finding {
  readonly path: Path
  /** Said instead of what stands at `path`: for a contradiction between places. */
  readonly found?: string
  readonly allowed: string
  /** The fault is the key itself, not its value. */
  readonly atKey?: boolean
}

/** `ajna.yaml:12:5 topics["logs.edge"].partitions: found 0; allowed: a whole number from 1 to 10,000` */
function describeProblem({ file, line, column, path, found, allowed }: Problem): string {
  return `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}: found ${found}; allowed: ${allowed}`
}

export function describePath(path: Path): string {
  return path
    .map((part, at) => {
      if (typeof part === 'number') return `[${part}]`
      if (!/^[A-Za-z_$][\w$-]*$/.test(part)) return `[${JSON.stringify(part)}]`
      return at === 0 ? part : `.${part}`
    })
    .join('')
}

const LONGEST_SHOWN = 80

export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a map'
  const text = JSON.stringify(value)
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}…`
}

/**
 * The error of a file with these problems, told in the file's order.
 *
 * @param total how many there are, when these are not all
 */
export function invalid(file: string, problems: readonly Problem[], total = problems.length): AjnaError {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column)
  const head = total === 1 ? `${file} is not valid` : `${file} is not valid in ${total} places`
  const more = total > sorted.length ? [`and ${total - sorted.length} more`] : []
  return new AjnaError(CONFIG_INVALID, `${head}:\n${[...sorted.map(describeProblem), ...more].join('\n')}`, {
    details: { file, problems: sorted, total },
  })
}

const MAX_LISTED = 20

/** `a, b or c`. */
export function listed(words: readonly string[]): string {
  if (words.length === 0) return 'nothing, none is declared'
  if (words.length > MAX_LISTED) {
    return `${words.slice(0, MAX_LISTED).join(', ')} and ${words.length - MAX_LISTED} more`
  }
  return words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** `a, b or c`, and the one that was probably meant. */
export function oneOf(word: unknown, candidates: readonly string[]): string {
  const meant = typeof word === 'string' && candidates.length > 1 ? nearest(word, candidates) : undefined
  return listed(candidates) + (meant === undefined ? '' : `; did you mean ${meant}?`)
}
