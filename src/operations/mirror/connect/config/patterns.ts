import { isAjnaError } from '../../../../foundation/errors/errors.ts'
import { type Alphabet, topicAlphabet } from './java-regex.ts'
import type { Problem } from './key.ts'
import { namePatterns } from './name-pattern.ts'

const MAX_PATTERN_CHARACTERS = 1_000

/** Java expressions of one key as a link's patterns; what cannot be translated is a problem under that key. */
export function regexPatterns(
  key: string,
  regexes: readonly string[],
  problems: Problem[],
  alphabet: Alphabet = topicAlphabet,
): string[] {
  return regexes.filter(Boolean).flatMap(regex => {
    try {
      const patterns = namePatterns(regex, alphabet)
      if (patterns.every(pattern => pattern.length <= MAX_PATTERN_CHARACTERS)) return patterns
      problems.push({ key, message: 'an expression is too long; name the topics by several shorter ones' })
    } catch (error) {
      if (!isAjnaError(error)) throw error
      problems.push({
        key,
        message: `${JSON.stringify(regex.slice(0, 200))}: ${error.message}. ${error.remedy}`,
      })
    }
    return []
  })
}

/** Exact names, as they are. */
export function topicNames(key: string, names: readonly string[], problems: Problem[]): readonly string[] {
  return names.filter(name => {
    if (name === '') return false
    if (/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/.test(name)) return true
    problems.push({ key, message: `${JSON.stringify(name.slice(0, 200))} cannot be a topic’s name` })
    return false
  })
}
