/** Kafka's partitioner for records with a key (clients' Utils.murmur2): so that a key is where a Java producer would put it. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitions
}

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const ROTATION = 24

export function murmur2(data: Uint8Array): number {
  const { length } = data
  let hash = SEED ^ length
  const words = length >> 2
  for (let word = 0; word < words; word++) {
    const at = word << 2
    let part = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)
    part = Math.imul(part, MULTIPLIER)
    part ^= part >>> ROTATION
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(part, MULTIPLIER)
  }
  const rest = words << 2
  const left = length & 3
  if (left >= 3) hash ^= data[rest + 2]! << 16
  if (left >= 2) hash ^= data[rest + 1]! << 8
  if (left >= 1) hash = Math.imul(hash ^ data[rest]!, MULTIPLIER)
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return (hash ^ (hash >>> 15)) | 0
}
