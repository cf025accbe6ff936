/** Who writes which copy, over all links: one writer per topic, and no topic comes back to where it began. Pure. */
import type { LinkDefinition, LinkEnd } from '../definition.ts'
import { copyName, topicSelector } from '../select.ts'
import type { LinksState } from './contract.ts'

/** The cluster at a link's end, as far as its name tells. */
export function placeOf(end: LinkEnd): string {
  return 'cluster' in end ? end.cluster : [...end.bootstrap].sort().join()
}

function sameCluster(a: LinkEnd, b: LinkEnd): boolean {
  return placeOf(a) === placeOf(b)
}

interface Writer {
  readonly link: string
  /** What the topic is called where the link takes it from. */
  readonly topic: string
  readonly from: string
  /** The other direction of the same link is in force: it writes nothing now. */
  readonly idle: boolean
}

export type Writers = ReadonlyMap<string, Writer>

const key = (place: string, topic: string): string => `${place}\n${topic}`

/** Of each link whose sides were switched and its way back, the one that is not in force. */
export function idleLinks({ links }: Pick<LinksState, 'links'>): ReadonlySet<string> {
  const idle = new Set<string>()
  for (const [name, { reverseOf }] of Object.entries(links))
    if (reverseOf !== null) idle.add(links[reverseOf]?.sides?.state.runs.reverse === true ? reverseOf : name)
  return idle
}

/** The links that one link has to get along with: all but its own other direction. */
export function linksBeside({ links }: Pick<LinksState, 'links'>, name: string): LinksState['links'] {
  const reverseOf = links[name]?.reverseOf ?? null
  return Object.fromEntries(
    Object.entries(links).filter(([other, entry]) => other !== reverseOf && entry.reverseOf !== name),
  )
}

/** Every copy that a link has begun to write and still has to, by cluster and name. */
export function writersOf({ links }: Pick<LinksState, 'links'>): Writers {
  const writers = new Map<string, Writer>()
  const idle = idleLinks({ links })
  for (const [link, { definition, kept }] of Object.entries(links)) {
    const chosen = topicSelector(definition.topics)
    for (const topic of Object.keys(kept?.topics ?? {}).filter(chosen))
      writers.set(key(placeOf(definition.target), copyName(definition.rename, topic)), {
        link,
        topic,
        from: placeOf(definition.source),
        idle: idle.has(link),
      })
  }
  return writers
}

/** Why a link may not take a topic on; undefined: it may. */
export function adoptionFault(
  writers: Writers,
  definition: LinkDefinition,
  topic: string,
): string | undefined {
  const { name: link, source, target, rename } = definition
  const to = placeOf(target)
  const copy = copyName(rename, topic)
  const other = writers.get(key(to, copy))
  if (other !== undefined && other.link !== link)
    return `link ${other.link} writes ${copy} at ${to} already: one writer per topic`
  if (other !== undefined && other.topic !== topic)
    return `its copy of ${other.topic} is called ${copy} too: one writer per topic`
  // In one cluster a copy that is there already when its topic is met must not be taken for another topic.
  if (sameCluster(source, target) && isCalledLikeCopy(definition, topic))
    return `${topic} is called like this link's own copies`
  let place = placeOf(source)
  let name = topic
  const way = [to, place]
  for (let steps = 0; steps <= writers.size; steps++) {
    if (place === to && name === copy) return `${copy} would come back to ${to}, in a loop: ${loop(way)}`
    const writer = writers.get(key(place, name))
    if (writer === undefined || writer.idle) return undefined
    if (writer.link === link) return `${name} is this link's own copy of ${writer.topic}`
    name = writer.topic
    place = writer.from
    way.push(place)
  }
  return `${topic} is in a loop: ${loop(way)}`
}

function isCalledLikeCopy({ rename: { prefix, suffix } }: LinkDefinition, topic: string): boolean {
  return topic.length > prefix.length + suffix.length && topic.startsWith(prefix) && topic.endsWith(suffix)
}

const loop = (way: readonly string[]): string => way.toReversed().join(' → ')

/**
 * Why a definition cannot be, next to the others; judged by the topics it names exactly, the rest when they are met.
 *
 * @param idle others that write nothing while their other direction is in force
 */
export function definitionFault(
  definition: LinkDefinition,
  others: readonly LinkDefinition[],
  idle: ReadonlySet<string> = new Set(),
): string | undefined {
  const { source, target, rename, topics } = definition
  if (sameCluster(source, target) && rename.prefix === '' && rename.suffix === '')
    return 'source and target are one cluster, where a copy needs another name: give it a prefix or a suffix'
  const chosen = topicSelector(topics)
  const named = topics.include.filter(pattern => /^[A-Za-z0-9._-]+$/.test(pattern) && chosen(pattern))
  const flowing = others.filter(({ name }) => !idle.has(name))
  for (const topic of named) {
    const fault = writerFault(definition, others, topic) ?? loopFault(definition, flowing, topic)
    if (fault !== undefined) return fault
  }
  return undefined
}

function writerFault(
  { target, rename }: LinkDefinition,
  others: readonly LinkDefinition[],
  topic: string,
): string | undefined {
  const copy = copyName(rename, topic)
  const other = others.find(
    each =>
      sameCluster(each.target, target) &&
      each.topics.include.some(
        name => copyName(each.rename, name) === copy && topicSelector(each.topics)(name),
      ),
  )
  return other === undefined
    ? undefined
    : `link ${other.name} writes ${copy} at ${placeOf(target)} as well: one writer per topic`
}

/** Follows a topic from copy to copy. */
function loopFault(
  definition: LinkDefinition,
  others: readonly LinkDefinition[],
  topic: string,
): string | undefined {
  const begin = placeOf(definition.source)
  const all = others.map(each => ({ each, chosen: topicSelector(each.topics) }))
  const ways = [
    {
      place: placeOf(definition.target),
      name: copyName(definition.rename, topic),
      way: [begin, placeOf(definition.target)],
    },
  ]
  const seen = new Set<string>()
  for (const { place, name, way } of ways) {
    if (place === begin && name === topic) return `${topic} would come back, in a loop: ${way.join(' → ')}`
    if (seen.has(key(place, name)) || way.length > others.length + 2) continue
    seen.add(key(place, name))
    for (const { each, chosen } of all) {
      if (placeOf(each.source) !== place || !chosen(name)) continue
      const to = placeOf(each.target)
      ways.push({ place: to, name: copyName(each.rename, name), way: [...way, to] })
    }
  }
  return undefined
}
