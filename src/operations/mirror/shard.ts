/** Which shard of the workers' group a link's work belongs to. Never to change: two workers must not disagree. */

/**
 * What all workers agree on (foundation/shards). Many more shards than workers, so that they share evenly and little moves
 * at a time; another number needs another journal. Of the lease's 7.5 s in which an owner may act, 4 s are for the act.
 */
export const MIRROR_TERMS = { shards: 256, leaseMs: 10_000 } as const

/** The copying of one partition. */
export function shardOf(link: string, topic: string, partition: number, shards: number): number {
  return hash(`${link}\n${topic}\n${partition}`) % shards
}

/** What is done once for a link: creating topics, keeping them in step. */
export function leadShardOf(link: string, shards: number): number {
  return hash(link) % shards
}

/** FNV-1a over UTF-16 code units, then MurmurHash3's finaliser, so that neighbours part. 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
