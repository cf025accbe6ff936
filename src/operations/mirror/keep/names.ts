/** Which names a link means: exact ones, patterns with `*`, regular expressions between slashes. Pure. */

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

const isExpression = (pattern: string): boolean =>
  pattern.length > 1 && pattern.startsWith('/') && pattern.endsWith('/')

function matcherOf(pattern: string): (name: string) => boolean {
  if (isExpression(pattern)) {
    const expression = new RegExp(`^(?:${pattern.slice(1, -1)})$`)
    return name => expression.test(name)
  }
  if (!pattern.includes('*')) return name => name === pattern
  const parts = pattern.split('*').map(part => part.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&'))
  const expression = new RegExp(`^${parts.join('.*')}$`)
  return name => expression.test(name)
}
