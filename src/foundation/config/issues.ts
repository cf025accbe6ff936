import type { z } from 'zod'
import { type Finding, listed, oneOf, type Path } from './problem.ts'

/** A union that says nothing itself: its branches do. */
const BY_BRANCHES = ''

/**
 * What zod's complaints say in our words. By convention every message a schema carries says what is *allowed*; this says
 * it for the schemas that carry none. (A schema's own message takes precedence over a parse's.)
 */
export const allowedBy: z.core.$ZodErrorMap = issue => {
  switch (issue.code) {
    case 'invalid_type':
      return typeInWords(issue.expected, issue)
    case 'invalid_value':
      return oneOf(issue.input, issue.values.map(String))
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    case 'unrecognized_keys':
      // The keys an object knows; `flatten` says them once for each key that it does not.
      return JSON.stringify(knownKeys(issue.inst))
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? oneOf(discriminatorOf(issue), issue.options.map(String))
        : BY_BRANCHES
    default:
      return issue.message ?? 'something else'
  }
}

/** One finding per place: nested unions and maps' keys brought to the surface, unknown keys one by one. */
export function flatten(issues: readonly z.core.$ZodIssue[], base: Path = []): Finding[] {
  return issues.flatMap(issue => {
    const path = [...base, ...(issue.path as Path)]
    switch (issue.code) {
      case 'unrecognized_keys': {
        const known = JSON.parse(issue.message) as string[]
        return issue.keys.map(key => ({
          path: [...path, key],
          found: `the unknown key ${JSON.stringify(key)}`,
          allowed: oneOf(key, known),
          atKey: true,
        }))
      }
      case 'invalid_key':
        return [{ path, allowed: issue.issues[0]?.message ?? issue.message, atKey: true }]
      case 'invalid_union':
        return issue.message === BY_BRANCHES
          ? flattenUnion(issue.errors, path)
          : flattenNamedUnion(issue, path)
      default:
        return [{ path, allowed: issue.message }]
    }
  })
}

type Branches = readonly (readonly z.core.$ZodIssue[])[]

/** Branches whose form the value has, whatever is wrong inside it. */
const meantBranches = (branches: Branches): Branches =>
  branches.filter(issues => !issues.some(({ code, path }) => path.length === 0 && OTHER_FORM.has(code)))

const OTHER_FORM: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value'])

/** Of a union's branches the one that got furthest was meant; when none got anywhere, each says what it would have taken. */
function flattenUnion(branches: Branches, path: Path): Finding[] {
  const meant = meantBranches(branches)
  if (meant.length === 0)
    return [{ path, allowed: listed([...new Set(branches.map(issues => issues[0]!.message))]) }]
  return flatten(
    meant.reduce((best, each) => (each.length < best.length ? each : best)),
    path,
  )
}

/** A union with a message of its own says it, unless the fault lies deeper inside one of its branches. */
function flattenNamedUnion(issue: z.core.$ZodIssue & { code: 'invalid_union' }, path: Path): Finding[] {
  const deeper = meantBranches(issue.errors).filter(issues => issues.every(each => each.path.length > 0))
  return deeper.length > 0 ? flattenUnion(deeper, path) : [{ path, allowed: issue.message }]
}

function typeInWords(
  expected: string,
  issue: { readonly format?: unknown; readonly input?: unknown },
): string {
  if (issue.format === 'safeint' || expected === 'int') return 'a whole number'
  const words: Record<string, string> = {
    string: 'a text',
    number: 'a number',
    boolean: 'true or false',
    object: 'a map',
    record: 'a map',
    array: 'a list',
    null: 'nothing',
    never: 'nothing',
  }
  const word = words[expected] ?? expected
  const numeric = expected === 'string' && typeof issue.input === 'number'
  return numeric ? `${word} (write it in quotes)` : word
}

function bound(origin: string, how: string, limit: number | bigint): string {
  const many = limit.toLocaleString('en-US')
  switch (origin) {
    case 'string':
      return `${how} ${many} characters`
    case 'array':
      return `${how} ${many} ${limit === 1 ? 'entry' : 'entries'}`
    default:
      return `${how} ${many}`
  }
}

function knownKeys(inst: unknown): string[] {
  const shape = (inst as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape
  return Object.keys(shape ?? {})
}

function discriminatorOf(issue: { readonly discriminator?: unknown; readonly input?: unknown }): unknown {
  return (issue.input as Record<string, unknown> | undefined)?.[String(issue.discriminator)]
}
