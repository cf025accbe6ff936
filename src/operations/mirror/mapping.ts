/**
 * Where the records of a partition lie whose copies could not keep their source's offsets. Pure.
 *
 *     source  0 1 2 3 | . . . | 7 8 9          segments  [0, 2] [7, 6]
 *     target  x x 0 1 2 3 | 7 8 9              (x: somebody else's records; 4 to 6 hold no data)
 */

/** The source's offset `from + n` lies at the target's offset `at + n`, as far as the next segment begins on either side. */
export type Segment = readonly [from: number, at: number]

export interface Mapping {
  /** In order: `from` rises, `at` does not fall. One at least. */
  readonly segments: readonly Segment[]
  /**
   * What the target holds before the first: `nothing` of the link's, or copies that somebody else made, `unknown` where.
   */
  readonly before: 'nothing' | 'unknown'
  /** Why the first began, for people. */
  readonly why: string
}

/** Of one partition; what lies before the target's log start is forgotten first. */
export const MAX_SEGMENTS = 4_000

/** Undefined: identity. */
export type MaybeMapping = Mapping | undefined

/** What becomes of a partition's mapping. */
export interface MappingChange {
  /** The target's log ends here: segments that were to begin beyond it hold nothing. Null: it was not looked at. */
  readonly cut: number | null
  /** Where the target's log begins: segments that lie wholly before it are forgotten. */
  readonly below: number
  /** New ones, in order; of what was to lie beyond their beginning, on either side, nothing remains. */
  readonly segments: readonly Segment[]
  /** Of a partition that was identity until now. */
  readonly before: Mapping['before']
  readonly why: string
}

/** The segments of a partition that was identity up to where its log ends. */
export const afterIdentity = ([from, at]: Segment): Segment[] =>
  at === 0
    ? [[from, at]]
    : [
        [0, 0],
        [from, at],
      ]

/** Where the copy of a source's record lies; null: there is none, or nobody knows where. */
export function targetOf(mapping: MaybeMapping, source: number): number | null {
  if (mapping === undefined) return source
  const { segments } = mapping
  const index = lastIndex(segments, ([from]) => from <= source)
  if (index < 0) return null
  const [from, at] = segments[index]!
  const target = at + source - from
  const next = segments[index + 1]
  return next !== undefined && target >= next[1] ? null : target
}

/** Where the first record at or after a source's offset lies, or will lie; null: nobody knows. */
export function positionOf(mapping: MaybeMapping, source: number): number | null {
  if (mapping === undefined) return source
  const { segments, before } = mapping
  const index = lastIndex(segments, ([from]) => from <= source)
  if (index < 0) return before === 'unknown' ? null : segments[0]![1]
  const [from, at] = segments[index]!
  const target = at + source - from
  const next = segments[index + 1]
  return next === undefined ? target : Math.min(target, next[1])
}

/** Which of the source's records lies at a target's offset; null: none of the link's. */
export function sourceOf(mapping: MaybeMapping, target: number): number | null {
  if (mapping === undefined) return target
  const { segments } = mapping
  const index = lastIndex(segments, ([, at]) => at <= target)
  if (index < 0) return null
  const [from, at] = segments[index]!
  const source = from + target - at
  const next = segments[index + 1]
  return next !== undefined && source >= next[0] ? null : source
}

/** The source's next offset to be copied, where a log of the link's own ends; null: it ends before the first segment. */
export function nextSource(mapping: MaybeMapping, end: number): number | null {
  if (mapping === undefined) return end
  const last = mapping.segments.findLast(([, at]) => at <= end)
  return last === undefined ? null : last[0] + end - last[1]
}

/** The source's first offset whose copy lies at or after a target's offset. */
export function firstSource(mapping: MaybeMapping, target: number): number {
  if (mapping === undefined) return target
  const { segments } = mapping
  const index = lastIndex(segments, ([, at]) => at <= target)
  if (index < 0) return segments[0]![0]
  const [from, at] = segments[index]!
  const next = segments[index + 1]
  return next === undefined ? from + target - at : Math.min(from + target - at, next[0])
}

/** Undefined: it is identity, again or still. */
export function changed(mapping: MaybeMapping, change: MappingChange): MaybeMapping {
  const { cut, below, segments: added, before, why } = change
  const head = mapping ?? { segments: [], before, why }
  const segments = head.segments.filter(([, at]) => cut === null || at <= cut)
  for (const segment of added) push(segments, segment, head.before)
  while (segments.length > 1 && segments[1]![1] <= below) segments.shift()
  if (segments.length === 0 || (segments.length === 1 && isIdentity(segments[0]!))) return undefined
  return { ...head, segments }
}

const isIdentity = ([from, at]: Segment): boolean => from === 0 && at === 0

function push(segments: Segment[], segment: Segment, before: Mapping['before']): void {
  const [from, at] = segment
  while (segments.length > 0 && (segments.at(-1)![0] >= from || segments.at(-1)![1] > at)) segments.pop()
  const last = segments.at(-1)
  if (last !== undefined) {
    if (last[0] + at - last[1] === from) return
    if (last[1] === at && isGap(segments, before)) segments.pop()
  }
  segments.push(segment)
}

/** Whether nothing but a gap at the source stands between what lies before the last segment and its beginning. */
function isGap(segments: readonly Segment[], before: Mapping['before']): boolean {
  const [from, at] = segments.at(-1)!
  const previous = segments.at(-2)
  if (previous === undefined) return before === 'nothing'
  return previous[1] + from - previous[0] >= at
}

/** Of the last one that fits, by halves; -1: none. */
function lastIndex(segments: readonly Segment[], fits: (segment: Segment) => boolean): number {
  let [low, high] = [0, segments.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (fits(segments[middle]!)) low = middle + 1
    else high = middle
  }
  return low - 1
}
