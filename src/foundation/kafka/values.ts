/** Kafka's numbers and ids in our terms (docs/decisions/0002-numbers.md). */

/** @throws RangeError beyond ±2^53 */
export function safeNumber(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} lies beyond ±2^53`)
  return number
}

/** A UUID as Kafka's tools print it: base64url, 22 characters. */
export const kafkaUuid = (dashed: string): string =>
  Buffer.from(dashed.replaceAll('-', ''), 'hex').toString('base64url')

/** The other way: as the library wants it. */
export const dashedUuid = (id: string): string =>
  Buffer.from(id, 'base64url')
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** Consecutive pieces of at most `most` items: what one request carries. */
export function chunked<Item>(items: readonly Item[], most: number): Item[][] {
  const chunks: Item[][] = []
  for (let at = 0; at < items.length; at += most) chunks.push(items.slice(at, at + most))
  return chunks
}

/** Items by a key, in order of first appearance. */
export function grouped<Key, Item>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
