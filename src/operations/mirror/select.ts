/** Which topics a link copies and what the copies are called. Pure. */
import { setFlagsFromString } from 'node:v8'

// An expression that backtracks too often goes on in V8's linear engine (which knows no flags, back references or looking
// ahead): a definition must not be able to stall a worker by mistake.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

export type TopicMatcher = (topic: string) => boolean

/** Kafka's limit. */
const MAX_TOPIC_NAME = 249

export interface TopicChoice {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** Whether a topic is the link's to copy. */
export function topicSelector({ include, exclude }: TopicChoice): TopicMatcher {
  const exact = new Set(include.filter(pattern => !isOpen(pattern)))
  const included = include.filter(isOpen).map(patternMatcher)
  const excluded = exclude.map(patternMatcher)
  return topic =>
    (exact.has(topic) || included.some(matches => matches(topic))) &&
    !excluded.some(matches => matches(topic))
}

/** Whether a pattern may mean more than the one topic of that name. */
function isOpen(pattern: string): boolean {
  return isExpression(pattern) || pattern.includes('*')
}

export function isExpression(pattern: string): boolean {
  return pattern.length > 2 && pattern.startsWith('/') && pattern.endsWith('/')
}

/** @throws SyntaxError when it is no regular expression */
export function patternMatcher(pattern: string): TopicMatcher {
  if (isExpression(pattern)) {
    const expression = new RegExp(`^(?:${pattern.slice(1, -1)})$`)
    return topic => !isReserved(topic) && expression.test(topic)
  }
  if (!pattern.includes('*')) return topic => topic === pattern
  const matches = wildcardMatcher(pattern)
  return topic =>
    (!isReserved(topic) || (topic.startsWith('ajna.') && pattern.startsWith('ajna.'))) && matches(topic)
}

/** Kafka's own topics, and the platform's: a journal has its writers in its own cluster. */
function isReserved(topic: string): boolean {
  return topic.startsWith('__') || topic.startsWith('ajna.')
}

/** Each part at its first place after the one before: takes no longer than the name is long, whatever the pattern. */
export function wildcardMatcher(pattern: string): TopicMatcher {
  const parts = pattern.split('*')
  const first = parts[0]!
  const last = parts.at(-1)!
  const middle = parts.slice(1, -1)
  return topic => {
    if (topic.length < first.length + last.length || !topic.startsWith(first) || !topic.endsWith(last))
      return false
    const end = topic.length - last.length
    let at = first.length
    for (const part of middle) {
      const found = topic.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}

export interface Renaming {
  readonly prefix: string
  readonly suffix: string
}

export function copyName({ prefix, suffix }: Renaming, topic: string): string {
  return `${prefix}${topic}${suffix}`
}

/** Why a topic cannot have a copy of that name; undefined when it can. */
export function copyNameFault(renaming: Renaming, topic: string): string | undefined {
  const { length } = copyName(renaming, topic)
  return length > MAX_TOPIC_NAME
    ? `the copy's name would have ${length} characters; Kafka allows ${MAX_TOPIC_NAME}`
    : undefined
}
