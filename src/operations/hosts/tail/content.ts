import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { type Packing, packingOf } from './files.ts'

/** The bytes of a stream, wherever they lie: a file, or a compressed file. */
export interface Content {
  readonly packed: boolean
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
  return packing === undefined ? plainContent(handle) : packedContent(handle, path, packing)
}

export function plainContent(handle: FileHandle): Content {
  return {
    packed: false,
    async read(position, into, at, length) {
      return (await handle.read(into, at, length, position)).bytesRead
    },
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  }
}

/** The handle keeps the file readable after it was deleted. */
function packedContent(handle: FileHandle, path: string, packing: Packing): Content {
  let unpacked: AsyncIterator<Buffer> | undefined
  let stop: (() => void) | undefined
  let position = 0
  let piece: Buffer = Buffer.alloc(0)
  let end: number | undefined

  function restart(): void {
    stop?.()
    const source = createReadStream(path, { fd: handle, autoClose: false, start: 0 })
    const unpacker = packing === 'gzip' ? createGunzip() : createZstdDecompress()
    // The iterator reports the error; the callback only keeps it from being thrown a second time.
    pipeline(source, unpacker, () => undefined)
    unpacked = unpacker[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    stop = () => {
      source.destroy()
      unpacker.destroy()
    }
    position = 0
    piece = Buffer.alloc(0)
  }

  async function nextPiece(): Promise<boolean> {
    if (unpacked === undefined) restart()
    const next = await unpacked!.next()
    if (next.done === true) {
      end = position
      return false
    }
    piece = next.value
    return true
  }

  return {
    packed: true,
    async read(from, into, at, length) {
      if (unpacked === undefined || from < position) restart()
      while (position + piece.length <= from) {
        position += piece.length
        piece = piece.subarray(piece.length)
        if (!(await nextPiece())) return 0
      }
      piece = piece.subarray(from - position)
      position = from
      const copied = piece.copy(into, at, 0, length)
      piece = piece.subarray(copied)
      position += copied
      return copied
    },
    size: async () => end,
    async close() {
      stop?.()
      await handle.close()
    },
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
