/** Which topics are at which cluster, and who writes them there: declared ones local producers, copies their link. */

export interface Declared {
  readonly topics: readonly { readonly name: string; readonly clusters: readonly string[] }[]
  readonly links: readonly FlowLink[]
}

export interface FlowLink {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly patterns: readonly string[]
}

export type Writer = { readonly by: 'producers' } | { readonly by: 'link'; readonly link: FlowLink }

/** Cluster → topic → its writers; more than one is a mistake in the declaration. */
export type Flows = ReadonlyMap<string, ReadonlyMap<string, readonly Writer[]>>

/** Whether a pattern of `ajna.yaml` (`*` stands for any characters) means a topic. */
export function matchesTopic(pattern: string, topic: string): boolean {
  if (topic.startsWith('ajna.') && !pattern.startsWith('ajna.')) return false
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return topic === pattern
  const last = rest.pop()!
  if (!topic.startsWith(first) || topic.length < first.length + last.length || !topic.endsWith(last))
    return false
  const end = topic.length - last.length
  let at = first.length
  for (const part of rest) {
    const found = topic.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** Follows the links until nothing new arrives anywhere; each link brings a topic at most once, so this ends. */
export function traceFlows({ topics, links }: Declared): Flows {
  const flows = new Map<string, Map<string, Writer[]>>()
  const add = (cluster: string, topic: string, writer: Writer): void => {
    const there = flows.get(cluster) ?? new Map<string, Writer[]>()
    flows.set(cluster, there)
    there.set(topic, [...(there.get(topic) ?? []), writer])
  }
  for (const { name, clusters } of topics) {
    for (const cluster of new Set(clusters)) add(cluster, name, { by: 'producers' })
  }
  const brought = new Set<string>()
  for (let changed = true; changed; ) {
    changed = false
    for (const link of links) {
      for (const topic of flows.get(link.from)?.keys() ?? []) {
        const key = `${link.name} ${topic}`
        if (brought.has(key) || !link.patterns.some(pattern => matchesTopic(pattern, topic))) continue
        brought.add(key)
        add(link.to, topic, { by: 'link', link })
        changed = true
      }
    }
  }
  return flows
}

export const topicsAt = (flows: Flows, cluster: string): string[] =>
  [...(flows.get(cluster)?.keys() ?? [])].sort()

/** Whether a topic at a cluster is a copy, which nobody but its link may write. */
export const isCopy = (flows: Flows, cluster: string, topic: string): boolean =>
  flows
    .get(cluster)
    ?.get(topic)
    ?.some(writer => writer.by === 'link') ?? false

/** The clusters a topic passes from `from` to `to` over the links that carry it, both included; undefined: no way. */
export function route(flows: Flows, topic: string, from: string, to: string): string[] | undefined {
  const ways: string[][] = [[from]]
  const seen = new Set([from])
  for (const way of ways) {
    const here = way.at(-1)!
    if (here === to) return way
    for (const [cluster, topics] of flows) {
      if (seen.has(cluster)) continue
      const reached = topics.get(topic)?.some(writer => writer.by === 'link' && writer.link.from === here)
      if (reached !== true) continue
      seen.add(cluster)
      ways.push([...way, cluster])
    }
  }
  return undefined
}
