import type { FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { eventTimeOf, NO_TIME } from '../../../foundation/positions/lines.ts'
import type { StreamId } from '../../../foundation/positions/position.ts'
import { streamId } from '../../../foundation/positions/streams.ts'
import { crc32c } from '../../../foundation/wire/crc32c.ts'
import type { AuditRecord } from '../contract.ts'
import { type Accountant, createAccountant } from './account.ts'
import {
  beginsWith,
  contentOf,
  type FileFacts,
  factsOf,
  finalLineHash,
  headOfWhole,
  isPacked,
  isUnreadablePacking,
  keyOf,
  looksRotated,
  matchingFiles,
  openFile,
  PIECE_BYTES,
  readFirstLineHash,
  rotatedBeside,
} from './files.ts'

export interface WatchSource {
  readonly tenant: string
  readonly files: readonly string[]
  readonly exclude: readonly string[]
}

export interface WatchOptions {
  readonly site: string
  readonly host: string
  readonly sources: readonly WatchSource[]
  readonly now: () => number
  /** A file that is gone or has been replaced is let go when it has not grown for so long; default 30,000. */
  readonly releaseMs?: number
  /** What the last run knew. */
  readonly saved?: SavedWatch
}

/** JSON-safe. */
export interface SavedWatch {
  /** When the last look at the globs began, ms. */
  readonly lookedAt: number
  readonly streams: readonly SavedStream[]
}

/** What is kept of a stream between runs, and while its file is not open. JSON-safe. */
export interface SavedStream {
  readonly stream: StreamId
  readonly key: string
  readonly path: string
  readonly tenant: string
  readonly firstLineHash: number
  readonly ordinal: number
  readonly firstSeen: number
  /** Whole lines were counted up to here. */
  readonly position: number
  readonly eventTime: number | null
  /** CRC-32C of the bytes up to `position`. */
  readonly crc: number
  /** Its file is gone and read to its end. */
  readonly ended: boolean
}

export interface Watch extends AsyncDisposable {
  /** Looks for files, reads what is new in each, and says what it saw. */
  scan(): Promise<AuditRecord[]>
  /** The state that belongs to everything `scan` has said so far. */
  save(): SavedWatch
  /** Files open now, and bytes there that do not make whole lines yet. */
  readonly files: number
  readonly pendingBytes: number
}

const RELEASE_MS = 30_000
/** Per file and scan, so that one large file does not keep the others waiting. */
const MAX_SCAN_BYTES = 64 * 1024 * 1024
const MAX_REMEMBERED = 20_000
/** How long the rest of a stream is looked for where rotation may have left it. */
const RECOVER_MS = 10_000
/** A copy that has not changed for so long is not being made any more. */
const COPY_SETTLED_MS = 5_000

/** How long before the last look a rotated file that nobody knows may have been written to and still be taken for missed. */
const MISSED_WITHIN_MS = 10_000
/** How long after a path has become empty files are looked for that came there and were rotated away unseen. */
const VACANT_MS = 60_000
/** A path that has been empty for so long is forgotten. */
const FORGET_PLACE_MS = 3_600_000

/** A path that globs have named. */
interface Place {
  readonly tenant: string
  /** Of the file that was there last; undefined: known from an earlier run only. */
  readonly key: string | undefined
  /** When a look last found that file there, ms. */
  readonly seenAt: number
}

/** Of a stream whose file no longer holds it: bytes were there that nobody read, or may have been, or none are known of. */
type Loss = 'certain' | 'possible' | 'none'

interface Tracked {
  readonly stream: StreamId
  readonly key: string
  readonly tenant: string
  readonly firstLineHash: number
  readonly ordinal: number
  readonly firstSeen: number
  path: string
  account: Accountant
  /** Of all bytes fed, and of those up to the last whole line. */
  crcFed: number
  crcAtLine: number
  ended: boolean
}

/** A file that is not known yet to hold a stream of its own. */
interface Met {
  readonly key: string
  readonly tenant: string
  /** Under which its stream is announced: where its writer had it. */
  readonly writtenAt: string
  path: string
  /** The stream it was found to be a copy of. */
  copyOf: Tracked | undefined
  /** When it last changed its size, ms. */
  changedAt: number
}

interface OpenFile extends Met {
  readonly handle: FileHandle
  tracked: Tracked | undefined
  size: number
  /** Since when it has not been at a watched path, ms. */
  goneSince: number | undefined
}

/** Follows the files of a host on its own and accounts each byte to a bucket. */
export function createWatch(options: WatchOptions): Watch {
  const { site, host, now } = options
  const releaseMs = options.releaseMs ?? RELEASE_MS
  const open = new Map<string, OpenFile>()
  const streams = new Map<StreamId, Tracked>()
  const copies = new Set<string>()
  /** Compressed files of which it is not known yet whether they are copies. */
  const packed = new Map<string, Met>()
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  let said: AuditRecord[] = []

  const accountant = (position: number, eventTime: number | undefined): Accountant =>
    createAccountant({
      position,
      eventTime,
      now,
      eventTimeOf: line => {
        const time = eventTimeOf(line, 0, line.length, now())
        return time === NO_TIME ? undefined : time
      },
    })

  function restore(saved: SavedStream): Tracked {
    const { position, eventTime, crc, ...rest } = saved
    return { ...rest, account: accountant(position, eventTime ?? undefined), crcFed: crc, crcAtLine: crc }
  }

  for (const saved of options.saved?.streams ?? []) streams.set(saved.stream, restore(saved))
  const unresumed = new Set([...streams.values()].filter(stream => !stream.ended))
  /** Streams whose file no longer holds them and that may have a rest somewhere, by when that was noticed. */
  const homeless = new Map<Tracked, { readonly since: number; readonly loss: Loss }>()

  const places = new Map<string, Place>()
  /** Paths where files may have come and gone unseen, with the time from when on. */
  const rotated = new Map<string, number>()
  let lookedAt = options.saved?.lookedAt
  if (lookedAt !== undefined)
    for (const { path, tenant } of streams.values()) {
      places.set(path, { tenant, key: undefined, seenAt: now() - VACANT_MS })
      rotated.set(path, lookedAt)
    }

  async function discover(): Promise<Set<string>> {
    const at = now()
    const present = new Set<string>()
    for (const source of options.sources) {
      for await (const facts of matchingFiles(source.files, source.exclude)) {
        const key = keyOf(facts)
        present.add(key)
        notePlace(facts.path, source.tenant, key, at)
        const known = open.get(key)
        if (known !== undefined) known.path = facts.path
        else if (!copies.has(key)) await begin(facts, source.tenant, facts.path)
      }
    }
    noteVacant(at)
    await meetMissed()
    lookedAt = at
    return present
  }

  const noteRotation = (path: string, since: number): void => {
    if (!rotated.has(path)) rotated.set(path, since)
  }

  /** Another file at a path than before: others may have been there in between. */
  function notePlace(path: string, tenant: string, key: string, at: number): void {
    const before = places.get(path)
    if (before?.key !== undefined && before.key !== key) noteRotation(path, before.seenAt)
    places.set(path, { tenant, key, seenAt: at })
  }

  function noteVacant(at: number): void {
    for (const [path, { seenAt }] of places) {
      if (seenAt === at) continue
      if (at - seenAt < VACANT_MS) noteRotation(path, seenAt)
      else if (at - seenAt > FORGET_PLACE_MS) places.delete(path)
    }
  }

  /** Files that began and were rotated out of the globs between two looks, or while no auditor ran. */
  async function meetMissed(): Promise<void> {
    for (const [path, since] of [...rotated]) {
      rotated.delete(path)
      const tenant = places.get(path)?.tenant
      if (tenant === undefined) continue
      for (const sibling of await rotatedBeside(path)) {
        const facts = await factsOf(sibling)
        if (facts === undefined || facts.modifiedMs < since - MISSED_WITHIN_MS) continue
        const key = keyOf(facts)
        if (open.has(key) || copies.has(key) || isTracked(key)) continue
        await begin(facts, tenant, path)
      }
    }
  }

  const isTracked = (key: string): boolean => {
    for (const stream of streams.values()) if (stream.key === key) return true
    return false
  }

  async function begin(facts: FileFacts, tenant: string, writtenAt: string): Promise<void> {
    const { path } = facts
    const key = keyOf(facts)
    const met: Met = { key, tenant, writtenAt, path, changedAt: now(), copyOf: undefined }
    if (isUnreadablePacking(path)) return
    if (isPacked(path)) {
      // It does not change: once read, it is done with.
      if (!packed.has(key) && !isTracked(key)) packed.set(key, met)
      return
    }
    const handle = await openFile(path)
    if (handle === undefined) return noteRotation(writtenAt, lookedAt ?? now())
    const opened = await factsOf(path, handle)
    if (opened === undefined || keyOf(opened) !== key) {
      noteRotation(writtenAt, lookedAt ?? now())
      return handle.close()
    }
    open.set(key, { ...met, handle, tracked: undefined, size: 0, goneSince: undefined })
  }

  /** Reads what one file has to give. */
  async function read(file: OpenFile): Promise<void> {
    const facts = await factsOf(file.path, file.handle)
    if (facts === undefined) return
    if (file.tracked !== undefined && (await beganAnew(file, file.tracked, facts.size))) {
      abandon(file.tracked, Math.max(file.size, fedUpTo(file.tracked)))
      file.tracked = undefined
    }
    if (facts.size !== file.size) file.changedAt = now()
    file.size = facts.size
    file.tracked ??= await identify(file)
    if (file.tracked !== undefined && fedUpTo(file.tracked) < facts.size)
      await feed(file, file.tracked, facts.size)
  }

  const fedUpTo = (stream: Tracked): number => stream.account.position + stream.account.openBytes

  /** Truncated in place: it is shorter than what was read, or its first line is another one. */
  async function beganAnew(file: OpenFile, stream: Tracked, size: number): Promise<boolean> {
    if (size < fedUpTo(stream)) return true
    if (size === file.size) return false
    const hash = await readFirstLineHash(file.handle)
    return hash !== undefined && hash !== stream.firstLineHash
  }

  /** The file was cut; what was in it when it was last looked at may not have been read to its end. */
  function abandon(stream: Tracked, lastSize: number): void {
    homeless.set(stream, { since: now(), loss: lastSize > stream.account.position ? 'certain' : 'none' })
  }

  /** Which stream the file holds: one known from before, a copy of one (then it is not read), or a new one. */
  async function identify(file: OpenFile): Promise<Tracked | undefined> {
    const hash = await readFirstLineHash(file.handle)
    if (hash === undefined) return undefined
    const before = [...streams.values()].filter(
      stream => stream.key === file.key && stream.firstLineHash === hash,
    )
    const resumed = before.find(stream => unresumed.has(stream) && fedUpTo(stream) <= file.size)
    if (resumed !== undefined) {
      unresumed.delete(resumed)
      resumed.path = file.path
      return resumed
    }
    switch (await copiedFrom(file, hash)) {
      case 'copy':
        copies.add(file.key)
        open.delete(file.key)
        await file.handle.close()
        return undefined
      case 'later':
        return undefined
      case 'no':
        return track(file, hash, before.length)
    }
  }

  function track(file: Met, hash: number, ordinal: number): Tracked {
    const [device, inode, birth] = file.key.split(':') as [string, string, string]
    const stream: Tracked = {
      stream: streamId({
        kind: 'log',
        site,
        host,
        device,
        inode,
        birthtime: Number(BigInt(birth) / 1_000_000n),
        firstLineHash: hash,
        ...(ordinal === 0 ? {} : { ordinal }),
      }),
      key: file.key,
      tenant: file.tenant,
      firstLineHash: hash,
      ordinal,
      firstSeen: now(),
      path: file.writtenAt,
      account: accountant(0, undefined),
      crcFed: 0,
      crcAtLine: 0,
      ended: false,
    }
    streams.set(stream.stream, stream)
    said.push(announcement(stream))
    return stream
  }

  const announcement = ({ stream, tenant, path, firstSeen }: Tracked): AuditRecord => ({
    type: 'stream',
    stream,
    site,
    host,
    tenant,
    path,
    firstSeen,
  })

  /**
   * A rotation's copy of a stream (made before the original is truncated) begins with everything that was read of it; what
   * the copy has beyond that is the stream's, once its own file no longer has it.
   */
  async function copiedFrom(file: Met, hash: number): Promise<'copy' | 'later' | 'no'> {
    let undecided = false
    if (file.copyOf === undefined) {
      for (const stream of streams.values()) {
        const alike = stream.firstLineHash === hash && dirname(stream.path) === dirname(file.path)
        if (!alike || stream.key === file.key || !looksRotated(basename(file.path), basename(stream.path)))
          continue
        const match = await beginsWith(contentOf(file.path), stream.account.position, stream.crcAtLine)
        if (match === 'yes') file.copyOf = stream
        undecided ||= match === 'short' && now() - file.changedAt < COPY_SETTLED_MS
      }
    }
    if (file.copyOf === undefined) return undecided ? 'later' : 'no'
    if (open.get(file.copyOf.key)?.tracked === file.copyOf) return 'later'
    if (homeless.has(file.copyOf)) await readRest(file.copyOf, file.path)
    return 'copy'
  }

  /** Compressed files are read once they are whole, unless they are copies of what is known. */
  async function readPacked(file: Met): Promise<void> {
    const head = await headOfWhole(file.path)
    if (head === undefined) {
      if ((await factsOf(file.path)) === undefined) packed.delete(file.key)
      return
    }
    const hash = finalLineHash(head)
    const verdict = await copiedFrom(file, hash)
    if (verdict === 'later') return
    packed.delete(file.key)
    if (verdict === 'copy') copies.add(file.key)
    else await readWhole(track(file, hash, 0), file.path)
  }

  async function readWhole(stream: Tracked, path: string): Promise<void> {
    for await (const bytes of contentOf(path, stream.account.position)) take(stream, bytes)
    end(stream)
  }

  /** The rest of a stream from another place than its own file. */
  async function readRest(stream: Tracked, path: string): Promise<void> {
    homeless.delete(stream)
    unresumed.delete(stream)
    stream.account = accountant(stream.account.position, stream.account.eventTime)
    stream.crcFed = stream.crcAtLine
    await readWhole(stream, path)
  }

  async function feed(file: OpenFile, stream: Tracked, size: number): Promise<void> {
    let budget = MAX_SCAN_BYTES
    while (budget > 0) {
      const from = fedUpTo(stream)
      const { bytesRead } = await file.handle.read(piece, 0, Math.min(PIECE_BYTES, size - from, budget), from)
      if (bytesRead === 0) break
      take(stream, piece.subarray(0, bytesRead))
      budget -= bytesRead
    }
    publish(stream)
  }

  function take(stream: Tracked, bytes: Buffer): void {
    const lineEnd = bytes.lastIndexOf(10) + 1
    stream.account.feed(bytes)
    if (lineEnd > 0) stream.crcAtLine = crc32c(bytes.subarray(0, lineEnd), stream.crcFed)
    stream.crcFed = crc32c(bytes, stream.crcFed)
  }

  function publish(stream: Tracked): void {
    const ranges = stream.account.take()
    if (ranges.length > 0) said.push({ type: 'ranges', stream: stream.stream, ranges })
  }

  /** Lets go of files that are neither at a watched path nor growing. */
  async function release(file: OpenFile, present: ReadonlySet<string>): Promise<void> {
    const isAtItsPath = present.has(file.key)
    const isRead = file.tracked === undefined || fedUpTo(file.tracked) >= file.size
    if (isAtItsPath || !isRead) {
      file.goneSince = undefined
      return
    }
    file.goneSince ??= now()
    if (now() - Math.max(file.goneSince, file.changedAt) < releaseMs) return
    if (file.tracked !== undefined) end(file.tracked)
    open.delete(file.key)
    await file.handle.close()
  }

  function end(stream: Tracked): void {
    stream.account.finish()
    stream.crcAtLine = stream.crcFed
    stream.ended = true
    publish(stream)
  }

  /** Looks for the rest of streams without a file where rotation may have left it; at last says what was not seen. */
  async function recover(): Promise<void> {
    for (const stream of unresumed) {
      const file = open.get(stream.key)
      // Its file is there, only still too short to be recognised.
      if (file !== undefined && file.tracked === undefined && file.size <= fedUpTo(stream)) continue
      unresumed.delete(stream)
      homeless.set(stream, { since: now(), loss: 'possible' })
    }
    for (const [stream, { since, loss }] of homeless) {
      const path = await restOf(stream)
      if (path !== undefined) await readRest(stream, path)
      else if (now() - since >= RECOVER_MS) giveUp(stream, loss)
    }
  }

  async function restOf(stream: Tracked): Promise<string | undefined> {
    for (const path of await rotatedBeside(stream.path)) {
      const { position } = stream.account
      // A compressed file that is still being written does not unpack: it is tried again.
      const match = await beginsWith(contentOf(path), position, stream.crcAtLine).catch(
        () => 'short' as const,
      )
      if (match === 'yes') return path
    }
    return undefined
  }

  function giveUp(stream: Tracked, loss: Loss): void {
    homeless.delete(stream)
    end(stream)
    const { position: from } = stream.account
    const certain = loss === 'certain'
    if (loss !== 'none')
      said.push({ type: 'unseen', stream: stream.stream, host, path: stream.path, from, at: now(), certain })
  }

  function prune(): void {
    for (const [id, stream] of streams) {
      if (streams.size <= MAX_REMEMBERED) return
      if (stream.ended) streams.delete(id)
    }
  }

  return {
    async scan() {
      said = []
      const present = await discover()
      for (const file of open.values()) await read(file)
      await recover()
      for (const file of [...packed.values()]) await readPacked(file)
      for (const file of [...open.values()]) await release(file, present)
      prune()
      return said
    },
    save: () => ({
      lookedAt: lookedAt ?? 0,
      streams: [...streams.values()].map(({ account, crcAtLine, crcFed: _, ...stream }) => ({
        ...stream,
        position: account.position,
        eventTime: account.eventTime ?? null,
        crc: crcAtLine,
      })),
    }),
    get files() {
      return open.size
    },
    get pendingBytes() {
      return [...open.values()].reduce(
        (sum, file) => sum + Math.max(0, file.size - (file.tracked?.account.position ?? 0)),
        0,
      )
    },
    async [Symbol.asyncDispose]() {
      for (const file of open.values()) await file.handle.close()
    },
  }
}
