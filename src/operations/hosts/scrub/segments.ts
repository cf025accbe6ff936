/** What a log dir holds of segments, and which of them is to be read next. Pure. */

export interface Segment {
  readonly topic: string
  readonly partition: number
  readonly path: string
  /** Its first offset, and that of the segment behind it; the last one has none. */
  readonly base: number
  readonly below: number
  /** Its broker still writes to it. */
  readonly isLast: boolean
  readonly bytes: number
  /** Tells this file from another of its name, and from what it held before: inode, size, time of the last write. */
  readonly key: string
  readonly inode: number
}

/** Of `find`: inode, size, time of the last write, and the path below the log dir. */
export const findFormat = (below = ''): string => `%i %s %T@ ${below}%P\\n`
const LINE = /^(\d+) (\d+) ([\d.]+) ([^/]+)\/(\d{20})\.log$/
/** Directories that are being deleted, moved, or belong to nobody (LogDirUtils) are no replicas; the metadata log is nobody's to reassign. */
const NO_REPLICA = /\.[0-9a-f]{32}-(delete|future|stray)$/
const METADATA = '__cluster_metadata'

/**
 * Each replica's segments, in order.
 *
 * @param listing lines of {@link findFormat}
 */
export function segmentsIn(logDir: string, listing: string): Segment[] {
  const files = listing.split('\n').flatMap(line => fileOf(logDir, line))
  return [...Map.groupBy(files, ({ folder }) => folder)].flatMap(([folder, its]) => {
    const dash = folder.lastIndexOf('-')
    const [topic, partition] = [folder.slice(0, dash), Number(folder.slice(dash + 1))]
    if (dash <= 0 || topic === METADATA || !Number.isSafeInteger(partition)) return []
    its.sort((a, b) => a.base - b.base)
    return its.map(({ folder: _, ...file }, i) => {
      const next = its[i + 1]
      return {
        ...{ topic, partition, ...file },
        below: next?.base ?? Number.MAX_SAFE_INTEGER,
        isLast: next === undefined,
      }
    })
  })
}

function fileOf(logDir: string, line: string) {
  const [, inode, bytes, written, folder, base] = LINE.exec(line) ?? []
  if (folder === undefined || NO_REPLICA.test(folder)) return []
  return [
    {
      ...{ folder, base: Number(base), bytes: Number(bytes), inode: Number(inode) },
      ...{ key: `${inode} ${bytes} ${written}`, path: `${logDir}/${folder}/${base}.log` },
    },
  ]
}

/** When which content of a file was read. */
export interface Scanned {
  readonly key: string
  /** ms since the epoch. */
  readonly at: number
}

/**
 * Closed ones. What nobody has read yet first: closed lately, or written to since, which nobody does to a closed segment. Then
 * whatever was read longest ago, but nothing twice within `againMs`.
 */
export function inTurn(
  segments: readonly Segment[],
  scanned: ReadonlyMap<string, Scanned>,
  { now, againMs }: { readonly now: number; readonly againMs: number },
): Segment[] {
  const readAt = (each: Segment): number => {
    const last = scanned.get(each.path)
    return last?.key === each.key ? last.at : 0
  }
  return segments
    .filter(({ isLast }) => !isLast)
    .map(segment => ({ segment, at: readAt(segment) }))
    .filter(({ at }) => at === 0 || now - at >= againMs)
    .sort((a, b) => a.at - b.at)
    .map(({ segment }) => segment)
}
