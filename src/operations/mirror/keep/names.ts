/** Which names a link means: exact ones, patterns with `*`, regular expressions between slashes. Pure. */
import { isExpression, wildcardMatcher } from '../select.ts'

export interface NamePatterns {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

export interface Names {
  /** Nothing is meant, whatever the name. */
  readonly none: boolean
  means(name: string): boolean
  /** Whether every name that begins so is meant: said only when it can be known from the patterns. */
  meansAllBeginning(prefix: string): boolean
}

/** Whether anything is meant at all. */
export const isNamed = ({ include }: NamePatterns): boolean => include.length > 0

export function namesOf({ include, exclude }: NamePatterns): Names {
  const included = include.map(matcherOf)
  const excluded = exclude.map(matcherOf)
  return {
    none: include.length === 0,
    means: name => included.some(matches => matches(name)) && !excluded.some(matches => matches(name)),
    meansAllBeginning: prefix =>
      exclude.length === 0 &&
      include.some(pattern => {
        const fixed = pattern.slice(0, -1)
        return (
          !isExpression(pattern) &&
          pattern === `${fixed}*` &&
          !fixed.includes('*') &&
          prefix.startsWith(fixed)
        )
      }),
  }
}

function matcherOf(pattern: string): (name: string) => boolean {
  if (isExpression(pattern)) {
    const expression = new RegExp(`^(?:${pattern.slice(1, -1)})$`)
    return name => expression.test(name)
  }
  return pattern.includes('*') ? wildcardMatcher(pattern) : name => name === pattern
}
