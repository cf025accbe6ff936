import {
  type Alphabet,
  parseJavaRegex,
  printRegex,
  type RegexItem,
  type RegexSequence,
  topicAlphabet,
} from './java-regex.ts'

/**
 * A Java expression over whole names as a link's own patterns: a name where it names one topic, `*` where that is
 * all it needs, else `/…/`.
 *
 * @throws AjnaError CONNECT_PATTERN_UNSUPPORTED
 */
export function namePatterns(regex: string, alphabet: Alphabet = topicAlphabet): readonly string[] {
  return parseJavaRegex(regex, alphabet)
    .filter(items => items.length > 0)
    .map(items => wildcard(items) ?? `/${printRegex([items], alphabet)}/`)
}

/** Undefined when the sequence is more than literal characters and `.*`. */
function wildcard(items: RegexSequence): string | undefined {
  let pattern = ''
  for (const item of trimAnchors(items)) {
    const part = wildcardPart(item)
    if (part === undefined) return undefined
    pattern += part
  }
  return pattern === '' ? undefined : pattern
}

/** Names are matched whole: `^` at the start and `$` at the end say nothing. */
function trimAnchors(items: RegexSequence): RegexSequence {
  const start = items[0]?.node.kind === 'start' ? 1 : 0
  const end = items.at(-1)?.node.kind === 'end' ? items.length - 1 : items.length
  return items.slice(start, end)
}

function wildcardPart({ node, times }: RegexItem): string | undefined {
  if (node.kind === 'any') return times?.least === 0 && times.most === undefined ? '*' : undefined
  if (node.kind !== 'set' || node.set.size !== 1 || times !== undefined) return undefined
  const [character] = node.set
  // Others could mean something in a pattern.
  return topicAlphabet.characters.includes(character!) ? character : undefined
}
