import type { Member } from './contract.ts'

/**
 * Whom a shard is meant for: the member with the highest score for it. A member that comes or goes moves only its own
 * share. Integers only, because replicas on different machines must agree; a weight of n counts as n members.
 *
 * @returns the instance, or nothing when there are no members; of several instances with one name the first to join
 */
export function preferredOwner(shard: number, members: Readonly<Record<string, Member>>): string | undefined {
  let best: string | undefined
  let bestScore = -1
  for (const instance in members) {
    const score = scoreOf(shard, members[instance]!)
    if (score < bestScore || (score === bestScore && !comesFirst(members, instance, best!))) continue
    best = instance
    bestScore = score
  }
  return best
}

function comesFirst(members: Readonly<Record<string, Member>>, a: string, b: string): boolean {
  const { name, joined } = members[a]!
  const other = members[b]!
  return name === other.name ? joined < other.joined : name < other.name
}

function scoreOf(shard: number, { name, weight }: Member): number {
  const seed = hashText(name)
  let best = 0
  for (let slot = 0; slot < weight; slot++) {
    const score = mix(seed ^ mix(Math.imul(shard + 1, 0x9e3779b1) + slot))
    if (score > best) best = score
  }
  return best
}

/** FNV-1a over UTF-16 code units, 32 bits. */
function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash
}

/** MurmurHash3's finaliser: every input bit reaches every output bit. */
function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
