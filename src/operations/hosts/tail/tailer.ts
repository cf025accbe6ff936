import { basename, dirname } from 'node:path'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { StreamId } from '../../../foundation/positions/position.ts'
import { firstLineHash } from '../../../foundation/positions/streams.ts'
import type { ShipSource } from '../contract.ts'
import { type Content, openContent, readFully } from './content.ts'
import {
  expand,
  type FileFacts,
  finalLineHash,
  isUnreadablePacking,
  keyText,
  lookAt,
  packingOf,
  rotatedSiblings,
} from './files.ts'
import {
  advance,
  CHUNK_BYTES,
  type Follower,
  isReadable,
  observe,
  type Reading,
  readNext,
  skipTaken,
  type Tenure,
} from './follower.ts'
import { judgeCopy, matchContent } from './match.ts'
import { ANCHOR_BYTES, newStream, type Stream, type Streams, type Taken } from './stream.ts'

const HEAD_READ_BYTES = 1_024
const AFTER_ERROR_MS = 1_000

/** Bytes of a stream that nobody can read any more, told exactly. */
export interface Gap {
  readonly stream: Stream
  readonly start: number
  readonly end: number
  readonly reason: 'truncated' | 'gone'
}

export interface TailOptions {
  readonly site: string
  readonly host: string
  readonly sources: readonly ShipSource[]
  readonly streams: Streams
  readonly accountOf: (id: StreamId) => Taken
  readonly partialLineMs: number
  readonly releaseMs: number
  /** When an earlier process of this agent last looked at the globs, ms; 0 for never. */
  readonly lastDiscovery: number
  readonly now: () => number
  /** A stream that nobody knew; nothing of it was read yet. */
  readonly onStream: (stream: Stream) => void
  readonly onGap: (gap: Gap) => void
  readonly onTrouble: (path: string, problem: string) => void
}

/** Bytes of a stream to be handed on; see Reading. */
export interface Piece {
  readonly stream: Stream
  readonly bytes: Buffer
  readonly position: number
  readonly midLine: boolean
  readonly last: boolean
  /** The first `consumed` bytes were taken over. The bytes must not have been changed. */
  consumed(count: number): void
}

export interface FileStatus {
  readonly path: string
  readonly stream: string
  readonly tenure: Tenure
  /** Bytes below were read. */
  readonly position: number
  /** Bytes below are in the cluster or in the spool: they need the file no more. */
  readonly safe: number
  readonly size: number
}

export interface Tailer {
  /** Looks for new, renamed and vanished files. */
  discover(): Promise<void>
  /** Looks at the sizes of the open files. */
  poll(): Promise<void>
  /** The next piece of one of the files that have something, each in turn. Valid until the next call of any method. */
  next(): Promise<Piece | undefined>
  /** Everything written to before this time (ms) was met; what was is known or was let go. */
  readonly lastDiscovery: number
  files(): FileStatus[]
  close(): Promise<void>
}

const isSafe = ({ account, position }: Stream): boolean => account.taken.gaps(0, position).length === 0

/** A file whose first line is not complete: it cannot be named yet. */
interface Nameless {
  readonly content: Content
  /** Under which its stream will be announced. */
  readonly path: string
  readonly source: ShipSource
  readonly key: string
  facts: FileFacts
  listed: boolean
  /** Its size when its first line was last looked at. */
  examined: number
  changedAt: number
}

/** File times come from a clock of the kernel's that lags behind by some ms. */
const CLOCK_SLACK_MS = 100
/**
 * How long before the last look a rotated file that nobody knows may have been written to and still be taken for missed: a
 * look takes its time, and an agent may be killed in the middle of one.
 */
const MISSED_WITHIN_MS = 10_000
/** How long after a path has become empty files are looked for that came there and were rotated away unseen. */
const VACANT_MS = 60_000
/** A path that has been empty for so long is forgotten. */
const FORGET_PLACE_MS = 3_600_000

/** A path that globs have named. */
interface Place {
  readonly source: ShipSource
  /** Of the file that was there last; undefined: known from an earlier process only. */
  readonly key: string | undefined
  /** When a look last found that file there, ms. */
  readonly seenAt: number
}

export function createTailer(options: TailOptions): Tailer {
  const { streams, now } = options
  const followers = new Map<string, Follower>()
  const nameless = new Map<string, Nameless>()
  /** Sizes of copies when last compared: a copy that grows beyond its original is none. */
  const copySizes = new Map<string, number>()
  /** Files that were met but not named, with the time from when on a later process must still look at them. */
  const undecided = new Map<string, number>()
  const troubled = new Set<string>()
  const places = new Map<string, Place>()
  const buffer = Buffer.allocUnsafe(ANCHOR_BYTES + CHUNK_BYTES)
  let turn: Follower[] = []
  let lastDiscovery = options.lastDiscovery
  /** Streams that an earlier process left, until the first look has told what became of their files. */
  let restored: Stream[] | undefined = [...streams.all()]
  /** Paths whose files were renamed, truncated or deleted, with the time from when on a file may have been missed. */
  const rotated = new Map<string, number>()
  const noteRotation = (path: string, since = lastDiscovery): void => {
    if (!rotated.has(path)) rotated.set(path, since)
  }

  const sourceFor = ({ topic, tenant }: Stream): ShipSource => ({ topic, tenant, files: [], exclude: [] })

  const followerOf = (stream: Stream): Follower | undefined => {
    for (const follower of followers.values()) if (follower.stream === stream) return follower
    return undefined
  }

  function trouble(path: string, problem: string): void {
    if (troubled.has(path)) return
    troubled.add(path)
    options.onTrouble(path, problem)
  }

  async function discover(): Promise<void> {
    const at = now()
    const found: { facts: FileFacts; source: ShipSource }[] = []
    const listed = new Set<string>()
    for (const source of options.sources) {
      for (const facts of await expand(source.files, source.exclude)) {
        const key = keyText(facts)
        if (listed.has(key)) continue
        listed.add(key)
        found.push({ facts, source })
        notePlace(facts.path, source, key, at)
      }
    }
    noteVacant(at)
    markUnlisted(listed)
    // A stream's own file first, compressed files last: what they are is told by comparing with those known.
    const order = (facts: FileFacts): number =>
      packingOf(facts.path) !== undefined ? 2 : streams.byOrigin(keyText(facts)).length > 0 ? 0 : 1
    for (const { facts, source } of found.sort((a, b) => order(a.facts) - order(b.facts)))
      await meet(facts, source, 'live')
    if (restored !== undefined) await settle(restored)
    restored = undefined
    await meetMissed()
    for (const key of undecided.keys()) if (!listed.has(key) && !nameless.has(key)) undecided.delete(key)
    lastDiscovery = at - CLOCK_SLACK_MS
  }

  /** Another file at a path than before: others may have been there in between. */
  function notePlace(path: string, source: ShipSource, key: string, at: number): void {
    const before = places.get(path)
    if (before?.key !== undefined && before.key !== key) noteRotation(path, before.seenAt - CLOCK_SLACK_MS)
    places.set(path, { source, key, seenAt: at })
  }

  function noteVacant(at: number): void {
    for (const [path, { seenAt }] of places) {
      if (seenAt === at) continue
      if (at - seenAt < VACANT_MS) noteRotation(path)
      else if (at - seenAt > FORGET_PLACE_MS) places.delete(path)
    }
  }

  function markUnlisted(listed: ReadonlySet<string>): void {
    for (const [key, follower] of followers) {
      if (follower.tenure === 'final') continue
      const tenure = listed.has(key) ? 'live' : 'leaving'
      if (tenure !== follower.tenure) noteRotation(follower.path)
      follower.tenure = tenure
    }
    for (const [key, file] of nameless) file.listed = listed.has(key)
  }

  /** Deals with a file that is there: known, being waited for, a copy, or new. */
  async function meet(
    facts: FileFacts,
    source: ShipSource,
    tenure: Tenure,
    /** Under which a stream that is new is announced. */
    path = facts.path,
  ): Promise<void> {
    const key = keyText(facts)
    const follower = followers.get(key)
    if (follower !== undefined) {
      if (follower.path !== facts.path) noteRotation(follower.path)
      follower.path = facts.path
      return
    }
    const waiting = nameless.get(key)
    if (waiting !== undefined) {
      waiting.facts = facts
      return
    }
    // A compressed file does not change: once read, it is done with.
    const own = streams.byOrigin(key).at(-1)
    if (packingOf(facts.path) !== undefined && own?.ended !== undefined) return
    const original = streams.byCopy(key)
    if (original !== undefined && !hasOutgrown(original, facts)) return
    if (isUnreadablePacking(facts.path)) return trouble(facts.path, 'is compressed in a way that is not read')
    await withContent(facts, async content => {
      if (original !== undefined) streams.forgetCopy(original, key)
      return name(content, facts, source, tenure, path)
    })
  }

  /** A copy was taken for one because it equalled the original as far as that went; it must not go further. */
  function hasOutgrown(original: Stream, facts: FileFacts): boolean {
    if (packingOf(facts.path) !== undefined) return false
    const key = keyText(facts)
    if (copySizes.get(key) === facts.size) return false
    copySizes.set(key, facts.size)
    return original.ended === undefined && holdsItsFile(original) && facts.size > original.seen
  }

  const holdsItsFile = (stream: Stream): boolean => followers.get(stream.origin)?.stream === stream

  /** Opens a file for `use`, which answers whether it keeps the content. */
  async function withContent(
    facts: FileFacts,
    use: (content: Content) => Promise<'kept' | 'done'>,
  ): Promise<void> {
    let content: Content | undefined
    try {
      content = await openContent(facts.path)
      // Renamed away between the look and the opening: it is looked for beside its path.
      if (content.key !== keyText(facts)) return noteRotation(facts.path)
      if ((await use(content)) === 'kept') content = undefined
      troubled.delete(facts.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return noteRotation(facts.path)
      trouble(facts.path, describeError(error))
    } finally {
      await content?.close()
    }
  }

  /** Finds out which stream a file holds, and follows it. */
  async function name(
    content: Content,
    facts: FileFacts,
    source: ShipSource,
    tenure: Tenure,
    path: string,
  ): Promise<'kept' | 'done'> {
    const start = Buffer.allocUnsafe(HEAD_READ_BYTES)
    const head = start.subarray(0, await readFully(content, 0, start, 0, HEAD_READ_BYTES))
    const gone = tenure === 'leaving' && head.length > 0
    const hash = firstLineHash(head) ?? (content.packed || gone ? finalLineHash(head) : undefined)
    const key = keyText(facts)
    if (!undecided.has(key)) undecided.set(key, Math.min(now(), facts.modifiedMs) - CLOCK_SLACK_MS)
    if (hash === undefined || head.length === 0) {
      if (content.packed) return 'done'
      nameless.set(key, {
        content,
        path,
        source,
        key,
        facts,
        listed: tenure === 'live',
        examined: head.length,
        changedAt: now(),
      })
      return 'kept'
    }
    if (await resumeOwn(content, facts, hash, content.packed ? 'final' : tenure)) {
      undecided.delete(key)
      return 'kept'
    }
    const copy = await findOriginal(content, facts, hash)
    if (copy === 'later') return 'done'
    if (copy === 'taken') return 'done'
    undecided.delete(key)
    if (copy !== undefined) return takeCopy(copy, content, facts)
    const stream = newStream(
      { ...options, ...source, path, file: facts, firstLineHash: hash, now: now(), start: head },
      streams,
      options.accountOf,
    )
    streams.add(stream)
    options.onStream(stream)
    follow(stream, content, facts, content.packed ? 'final' : tenure)
    return 'kept'
  }

  /** The file's last stream goes on in it, unless it was truncated while nobody looked. */
  async function resumeOwn(
    content: Content,
    facts: FileFacts,
    hash: number,
    tenure: Tenure,
  ): Promise<boolean> {
    const stream = streams.byOrigin(keyText(facts)).at(-1)
    if (stream === undefined) return false
    const same = stream.identity.firstLineHash === hash && (await matchContent(content, stream)) === 'same'
    if (same && followerOf(stream) === undefined) {
      stream.ended = undefined
      follow(stream, content, facts, tenure)
      return true
    }
    if (!same && followerOf(stream) === undefined) await findRest(stream, facts.path, 'truncated')
    return false
  }

  async function findOriginal(
    content: Content,
    facts: FileFacts,
    hash: number,
  ): Promise<Stream | 'later' | 'taken' | undefined> {
    let later = false
    for (const stream of streams.all()) {
      if (stream.identity.firstLineHash !== hash || stream.origin === keyText(facts)) continue
      if (await holdsOther(stream)) {
        await replaced(followers.get(stream.origin)!)
        if (followers.has(keyText(facts))) return 'taken'
      }
      const own = followers.get(stream.origin)
      const paths = own?.stream === stream ? [stream.path, own.path] : [stream.path]
      const verdict = judgeCopy({
        name: basename(facts.path),
        streamNames: paths.map(path => basename(path)),
        sameDirectory: dirname(facts.path) === dirname(stream.path),
        sameFirstLine: true,
        streamSize: own?.stream === stream ? Math.max(own.size, stream.seen) : undefined,
        size: await content.size(),
        match: await matchContent(content, stream),
        quietMs: now() - facts.modifiedMs,
      })
      if (verdict === 'copy') return stream
      if (verdict === 'later') later = true
    }
    return later ? 'later' : undefined
  }

  /** Whether a stream's own file was truncated since it was last read. */
  async function holdsOther(stream: Stream): Promise<boolean> {
    const own = followers.get(stream.origin)
    if (own?.stream !== stream) return false
    return observe(own, now()) === 'truncated' || (await matchContent(own.content, stream)) !== 'same'
  }

  /** A copy is read only for what its original no longer gives. */
  function takeCopy(stream: Stream, content: Content, facts: FileFacts): 'kept' | 'done' {
    const key = keyText(facts)
    streams.noteCopy(stream, key)
    copySizes.set(key, facts.size)
    if (followerOf(stream) !== undefined || stream.ended !== undefined) return 'done'
    follow(stream, content, facts, 'final')
    return 'kept'
  }

  function follow(stream: Stream, content: Content, facts: FileFacts, tenure: Tenure): void {
    const follower: Follower = {
      stream,
      content,
      key: keyText(facts),
      path: facts.path,
      tenure,
      size: -1,
      modifiedMs: 0,
      changedAt: 0,
      exhausted: false,
      examined: 0,
      recheck: false,
      notBefore: 0,
    }
    followers.set(follower.key, follower)
    observe(follower, now())
    // How long it has been quiet is known from the file, not from when it was found.
    follower.changedAt = Math.min(now(), facts.modifiedMs)
  }

  /**
   * The stream's own file is gone or holds something else: goes on in a renamed file, a copy or a compressed copy of it,
   * or says what is lost.
   */
  async function findRest(stream: Stream, nearPath: string, reason: Gap['reason']): Promise<void> {
    const siblings = new Map<string, FileFacts>()
    for (const path of new Set([stream.path, nearPath])) {
      const facts = await lookAt(path)
      if (facts !== undefined) siblings.set(keyText(facts), facts)
      for (const sibling of await rotatedSiblings(path)) siblings.set(keyText(sibling), sibling)
    }
    for (const [key, facts] of siblings) {
      if (followers.has(key) || nameless.has(key) || isUnreadablePacking(facts.path)) continue
      await withContent(facts, async content => {
        if (followerOf(stream) !== undefined || !(await holdsRestOf(stream, key, content))) return 'done'
        if (key !== stream.origin) streams.noteCopy(stream, key)
        follow(stream, content, facts, key === stream.origin ? 'leaving' : 'final')
        return 'kept'
      })
    }
    if (followerOf(stream) === undefined) lose(stream, reason)
  }

  async function holdsRestOf(stream: Stream, key: string, content: Content): Promise<boolean> {
    const start = Buffer.allocUnsafe(HEAD_READ_BYTES)
    const head = start.subarray(0, await readFully(content, 0, start, 0, HEAD_READ_BYTES))
    const own = key === stream.origin
    const hash = firstLineHash(head) ?? finalLineHash(head)
    if (hash !== stream.identity.firstLineHash) return false
    if (!own && streams.byOrigin(key).length > 0) return false
    return (await matchContent(content, stream)) === 'same'
  }

  function lose(stream: Stream, reason: Gap['reason']): void {
    skipTaken(stream)
    if (stream.seen > stream.position) {
      for (const [start, end] of stream.account.taken.gaps(stream.position, stream.seen))
        options.onGap({ stream, start, end, reason })
      stream.position = stream.seen
    }
    stream.ended = now()
  }

  /** After the first look: streams of an earlier process that no listed file has taken up. */
  async function settle(streamsBefore: readonly Stream[]): Promise<void> {
    if (options.lastDiscovery === 0) return
    for (const stream of streamsBefore) {
      if (!places.has(stream.path))
        places.set(stream.path, { source: sourceFor(stream), key: undefined, seenAt: now() - VACANT_MS })
      if (stream.ended === undefined && followerOf(stream) === undefined)
        await findRest(stream, stream.path, 'gone')
    }
    for (const path of places.keys()) noteRotation(path)
  }

  /**
   * Files that began and were rotated out of the globs between two looks (or while no agent ran): unknown siblings of a
   * file that was rotated, written to since the look before.
   */
  async function meetMissed(): Promise<void> {
    for (const [path, since] of [...rotated]) {
      const source = places.get(path)?.source
      rotated.delete(path)
      if (source === undefined) continue
      for (const facts of await rotatedSiblings(path)) {
        const key = keyText(facts)
        if (streams.byOrigin(key).length > 0 || facts.modifiedMs < since - MISSED_WITHIN_MS) continue
        await meet(facts, source, 'leaving', path)
        if (undecided.has(key) && !nameless.has(key)) rotated.set(path, since)
      }
    }
  }

  async function poll(): Promise<void> {
    const at = now()
    for (const file of [...nameless.values()]) await reconsider(file, at)
    for (const follower of [...followers.values()]) {
      if (observe(follower, at) === 'truncated') await replaced(follower)
      else if (mayLetGo(follower, at)) await letGo(follower)
    }
  }

  async function reconsider(file: Nameless, at: number): Promise<void> {
    const size = (await file.content.size()) ?? 0
    const grown = size !== file.examined
    if (size < file.examined) noteRotation(file.facts.path)
    if (grown) {
      file.examined = size
      file.changedAt = at
    }
    const leaving = !file.listed && at - file.changedAt >= options.releaseMs
    if (!leaving && (size === 0 || !grown)) return
    nameless.delete(file.key)
    if (size === 0) return file.content.close()
    const tenure: Tenure = leaving ? 'leaving' : 'live'
    try {
      if ((await name(file.content, file.facts, file.source, tenure, file.path)) === 'done')
        await file.content.close()
      // Its tenure is that of a listed file until the next look.
      const waiting = nameless.get(file.key)
      if (waiting !== undefined) {
        waiting.listed = file.listed
        waiting.examined = file.examined
        waiting.changedAt = file.changedAt
      }
    } catch (error) {
      trouble(file.facts.path, describeError(error))
      await file.content.close()
    }
  }

  /** The file no longer holds the stream: what is left of it may be in a copy; the file itself begins a new stream. */
  async function replaced(follower: Follower): Promise<void> {
    followers.delete(follower.key)
    const { stream, content, path } = follower
    noteRotation(path)
    const facts = await lookAt(path)
    const same = facts !== undefined && keyText(facts) === follower.key
    const source = sourceFor(stream)
    await findRest(stream, path, 'truncated')
    const [device, inode, birth] = follower.key.split(':') as [string, string, string]
    const now_ = now()
    nameless.set(follower.key, {
      content,
      path,
      source,
      key: follower.key,
      examined: -1,
      facts: same ? facts : { device, inode, birth, path, size: -1, modifiedMs: now_ },
      listed: follower.tenure === 'live',
      changedAt: now_,
    })
  }

  /** Nothing is left to read, nothing more can come, and what was read needs the file no more. */
  function mayLetGo(follower: Follower, at: number): boolean {
    const { stream } = follower
    if (follower.tenure === 'live' || !isSafe(stream)) return false
    if (follower.content.packed ? !follower.exhausted : follower.size > stream.position) return false
    return follower.tenure === 'final' || at - follower.changedAt >= options.releaseMs
  }

  async function letGo(follower: Follower): Promise<void> {
    followers.delete(follower.key)
    follower.stream.ended = now()
    await follower.content.close()
  }

  async function next(): Promise<Piece | undefined> {
    const at = now()
    for (let looked = turn.length + followers.size; looked >= 0; looked--) {
      if (turn.length === 0)
        turn = [...followers.values()].filter(each => isReadable(each, at, options.partialLineMs))
      const follower = turn.shift()
      if (follower === undefined) return undefined
      if (followers.get(follower.key) !== follower || !isReadable(follower, at, options.partialLineMs))
        continue
      const piece = await readFrom(follower, at)
      if (piece !== undefined) return piece
    }
    return undefined
  }

  async function readFrom(follower: Follower, at: number): Promise<Piece | undefined> {
    let reading: Reading
    try {
      reading = await readNext(follower, buffer, at, options.partialLineMs)
    } catch (error) {
      trouble(follower.path, describeError(error))
      follower.notBefore = at + AFTER_ERROR_MS
      return undefined
    }
    if (reading.kind === 'replaced') {
      await replaced(follower)
      return undefined
    }
    if (reading.kind === 'nothing') {
      follower.examined = follower.size
      return undefined
    }
    const read = reading
    return {
      stream: follower.stream,
      bytes: read.bytes,
      position: read.position,
      midLine: read.midLine,
      last: read.last,
      consumed: count => advance(follower, buffer, read, count),
    }
  }

  return {
    discover,
    poll,
    next,
    get lastDiscovery() {
      return Math.min(lastDiscovery, ...undecided.values())
    },
    files: () =>
      [...followers.values()].map(({ stream, path, tenure, size }) => ({
        path,
        stream: stream.id,
        tenure,
        position: stream.position,
        safe: stream.account.taken.gaps(0, Number.MAX_SAFE_INTEGER)[0]![0],
        size: Math.max(size, stream.position),
      })),
    async close() {
      for (const { content } of [...followers.values(), ...nameless.values()]) await content.close()
      followers.clear()
      nameless.clear()
    },
  }
}
