import { type FileHandle, open } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { factsOf, keyText, type Packing, packingOf } from './files.ts'

/** The bytes of a stream, wherever they lie: a file, or a compressed file. */
export interface Content {
  readonly packed: boolean
  /** Of the file that was opened: what is at its path may have changed since it was looked at. */
  readonly key: string
  /** Of a plain file. */
  readonly fd: number | undefined
  /**
   * Bytes from `position` into `into` at `at`, at most `length`; 0 at the end. Packed content is cheap to read forwards
   * only.
   * @throws the system's error; for a packed file that is cut short (still being written) zlib's
   */
  read(position: number, into: Buffer, at: number, length: number): Promise<number>
  /** Bytes there are now; undefined for packed content until its end was read. */
  size(): Promise<number | undefined>
  close(): Promise<void>
}

export async function openContent(path: string): Promise<Content> {
  const packing = packingOf(path)
  const handle = await open(path, 'r')
  const key = keyText(factsOf(path, await handle.stat({ bigint: true })))
  return packing === undefined ? plainContent(handle, key) : packedContent(handle, key, packing)
}

function plainContent(handle: FileHandle, key: string): Content {
  return {
    packed: false,
    key,
    fd: handle.fd,
    async read(position, into, at, length) {
      return (await handle.read(into, at, length, position)).bytesRead
    },
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  }
}

/** Unpacked bytes that stay at hand behind the place last read, so that an unfinished line can be read again. */
const KEPT_BEHIND_BYTES = 2 * 1024 * 1024
const PACKED_PIECE_BYTES = 64 * 1024
const UNPACKED_PIECE_BYTES = 128 * 1024

/** The handle keeps the file readable after it was deleted. */
function packedContent(handle: FileHandle, key: string, packing: Packing): Content {
  let source: AsyncIterator<Buffer> | undefined
  let stop: () => void = () => undefined
  /** Consecutive pieces of unpacked bytes, the first one at `from` of the content. */
  let pieces: Buffer[] = []
  let from = 0
  let to = 0
  let end: number | undefined

  function restart(): void {
    stop()
    const file = Readable.from(packedPieces(handle))
    const chunkSize = UNPACKED_PIECE_BYTES
    const unpacker = packing === 'gzip' ? createGunzip({ chunkSize }) : createZstdDecompress({ chunkSize })
    // The iterator reports the error; the callback only keeps it from being thrown a second time.
    pipeline(file, unpacker, () => undefined)
    source = unpacker[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    stop = () => {
      file.destroy()
      unpacker.destroy()
    }
    pieces = []
    from = to = 0
  }

  async function unpackMore(): Promise<boolean> {
    const next = await source!.next().catch(error => {
      source = undefined
      throw error
    })
    if (next.done === true) {
      end = to
      return false
    }
    pieces.push(next.value)
    to += next.value.length
    return true
  }

  function forgetBefore(position: number): void {
    while (pieces.length > 0 && from + pieces[0]!.length <= position) from += pieces.shift()!.length
  }

  return {
    packed: true,
    key,
    fd: undefined,
    async read(position, into, at, length) {
      if (source === undefined || position < from) restart()
      while (to <= position) {
        if (end === to || !(await unpackMore())) return 0
        forgetBefore(position - KEPT_BEHIND_BYTES)
      }
      let pieceAt = from
      for (const piece of pieces) {
        if (position < pieceAt + piece.length)
          return piece.copy(into, at, position - pieceAt, position - pieceAt + length)
        pieceAt += piece.length
      }
      return 0
    },
    size: async () => end,
    async close() {
      stop()
      await handle.close()
    },
  }
}

/** The file from its beginning. Not a stream of the handle's: that would close the handle at its end. */
async function* packedPieces(handle: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; ; ) {
    const piece = Buffer.allocUnsafe(PACKED_PIECE_BYTES)
    const { bytesRead } = await handle.read(piece, 0, piece.length, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield piece.subarray(0, bytesRead)
  }
}

/** Fills as much of [at, at + length) as the content has from `position` on. */
export async function readFully(
  content: Content,
  position: number,
  into: Buffer,
  at: number,
  length: number,
): Promise<number> {
  let filled = 0
  while (filled < length) {
    const count = await content.read(position + filled, into, at + filled, length - filled)
    if (count === 0) break
    filled += count
  }
  return filled
}
