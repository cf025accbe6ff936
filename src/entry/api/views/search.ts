import type { Subject } from '../../../operations/fleet/activity/contract.ts'
import type { SearchHit } from '../models.ts'
import type { FleetFacts } from '../platform.ts'
import { many } from './clusters.ts'
import { topicRows } from './topics.ts'

const PER_KIND = 8

interface Candidate {
  readonly subject: Subject
  readonly detail: string
  /** The name as a person would type it, when it is not the subject's alone. */
  readonly called?: string
  /** What is searched besides the name. */
  readonly also: string
}

/** Everything with a name: exact names first, then beginnings, then the rest; at most eight of a kind. */
export function searchFleet(fleet: FleetFacts, query: string): SearchHit[] {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter(word => word !== '')
  if (words.length === 0) return []
  const found = new Map<string, { hit: Candidate; score: number }[]>()
  for (const candidate of candidates(fleet)) {
    const score = scoreOf(candidate, words)
    if (score === 0) continue
    const { kind } = candidate.subject
    const best = found.get(kind) ?? []
    best.push({ hit: candidate, score })
    found.set(kind, best)
  }
  return [...found.values()]
    .flatMap(best =>
      best
        .sort((a, b) => b.score - a.score || a.hit.subject.name.length - b.hit.subject.name.length)
        .slice(0, PER_KIND),
    )
    .sort((a, b) => b.score - a.score)
    .map(({ hit: { subject, detail } }) => ({ subject, detail }))
}

function scoreOf({ subject, called, also }: Candidate, words: readonly string[]): number {
  const name = (called ?? subject.name).toLowerCase()
  const text = `${name} ${also}`
  if (!words.every(word => text.includes(word))) return 0
  if (name === words.join(' ')) return 4
  if (name.startsWith(words[0]!)) return 3
  return name.includes(words[0]!) ? 2 : 1
}

function* candidates(fleet: FleetFacts): Generator<Candidate> {
  for (const site of fleet.sites) {
    for (const host of site.hosts)
      yield {
        subject: { kind: 'host', name: host, cluster: null },
        detail: `host at ${site.name}`,
        also: site.name,
      }
  }
  for (const cluster of fleet.clusters) {
    const at = `${cluster.name} ${cluster.site}`.toLowerCase()
    yield {
      subject: { kind: 'cluster', name: cluster.name, cluster: null },
      detail: `cluster at ${cluster.site}, ${many(cluster.brokers.length, 'broker')}`,
      also: cluster.site,
    }
    for (const broker of cluster.brokers) {
      const detail = `broker of ${cluster.name}, rack ${broker.rack ?? '(none)'}, ${broker.state}`
      yield {
        subject: { kind: 'broker', name: String(broker.id), cluster: cluster.name },
        detail,
        called: `${cluster.name} ${broker.id}`,
        also: `broker ${at} ${broker.host ?? ''}`,
      }
    }
    for (const group of cluster.groups) {
      yield {
        subject: { kind: 'group', name: group.name, cluster: cluster.name },
        detail: `group on ${cluster.name}, ${group.state}`,
        also: at,
      }
    }
  }
  for (const link of fleet.links) {
    yield {
      subject: { kind: 'link', name: link.name, cluster: null },
      detail: `link ${link.from} → ${link.to}, ${link.state}`,
      also: `${link.from} ${link.to}`.toLowerCase(),
    }
  }
  for (const process of fleet.processes) {
    yield {
      subject: { kind: 'process', name: `${process.host}/${process.name}`, cluster: null },
      detail: `${process.role} on ${process.host}, ${process.state}`,
      also: process.host.toLowerCase(),
    }
  }
  for (const topic of topicRows(fleet)) {
    yield {
      subject: { kind: 'topic', name: topic.name, cluster: null },
      detail: `topic on ${topic.clusters.join(', ')}`,
      also: '',
    }
  }
}
