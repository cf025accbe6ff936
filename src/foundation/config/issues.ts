import type { z } from 'zod'
import { type Finding, listed, oneOf, type Path } from './problem.ts'

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
        : 'another form'
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
        return issue.errors.length === 0
          ? [{ path, allowed: issue.message }]
          : flattenUnion(issue.errors, path)
      default:
        return [{ path, allowed: issue.message }]
    }
  })
}

/** Of a union's branches the one that got furthest was meant; when none got anywhere, each says what it would have taken. */
function flattenUnion(branches: readonly (readonly z.core.$ZodIssue[])[], path: Path): Finding[] {
  const meant = branches.filter(
    issues => !issues.some(issue => issue.code === 'invalid_type' && issue.path.length === 0),
  )
  if (meant.length > 0) {
    const fewest = meant.reduce((best, each) => (each.length < best.length ? each : best))
    return flatten(fewest, path)
  }
  return [{ path, allowed: listed([...new Set(branches.map(issues => issues[0]!.message))]) }]
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
