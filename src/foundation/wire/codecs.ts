/**
 * The compression codecs of record batches. Synchronous on purpose: for batches of usual size the hand-over to a thread
 * costs more CPU than it saves. What the native codecs allocate is given back in the event loop's turns only: a loop over
 * many batches must await something now and then.
 *
 * Decompression is bounded: `maxBytes` is checked before, or while, memory is taken, never afterwards.
 */
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { compressFrameSync, decompressFrameSync, uncompressSync } from 'lz4-napi'
import { compressSync as snappyCompress, uncompressSync as snappyUncompress } from 'snappy'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { xxh32 } from '../positions/xxh32.ts'
import { ByteReader } from './bytes.ts'
import { BATCH_CODEC_UNKNOWN, BATCH_CORRUPT, BATCH_TOO_LARGE } from './errors.ts'

/** Position = the codec's number in a batch's attributes. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Codec = (typeof CODECS)[number]

/** What a batch may unpack to unless the caller says otherwise; Kafka's default limit for a compressed one is 1 MiB. */
export const DEFAULT_MAX_UNPACKED_BYTES = 128 * 1024 * 1024

/** @throws AjnaError BATCH_CODEC_UNKNOWN */
export function codecOf(id: number): Codec {
  const codec = CODECS[id]
  if (codec === undefined)
    throw new AjnaError(BATCH_CODEC_UNKNOWN, `there is no compression codec ${id}`, { details: { id } })
  return codec
}

export function codecId(codec: Codec): number {
  return CODECS.indexOf(codec)
}

/** @returns a buffer of its own, except for `none`, where it is `bytes` itself */
export function compress(codec: Codec, bytes: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return bytes
    case 'gzip':
      return gzipSync(bytes)
    case 'snappy':
      return compressSnappy(bytes)
    case 'lz4':
      return compressFrameSync(bytes)
    case 'zstd':
      return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } })
  }
}

/** Kafka's default (`compression.zstd.level`). */
const ZSTD_LEVEL = 3

/**
 * @returns what was compressed; a view of `bytes` where it was stored as it is
 * @throws AjnaError BATCH_CORRUPT, BATCH_TOO_LARGE (it would unpack to more than `maxBytes`)
 */
export function decompress(
  codec: Codec,
  bytes: Buffer,
  maxBytes: number = DEFAULT_MAX_UNPACKED_BYTES,
): Buffer {
  if (codec === 'none') return bytes
  try {
    switch (codec) {
      case 'gzip':
        return gunzipSync(bytes, {
          maxOutputLength: maxBytes,
          chunkSize: outputChunk(bytes.length, maxBytes),
        })
      case 'snappy':
        return decompressSnappy(bytes, maxBytes)
      case 'lz4':
        return decompressLz4(bytes, maxBytes)
      case 'zstd':
        return decompressZstd(bytes, maxBytes)
    }
  } catch (cause) {
    if (isAjnaError(cause)) throw cause
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE' || code === ZSTD_WINDOW_TOO_LARGE) throw tooLarge(codec, maxBytes)
    throw new AjnaError(BATCH_CORRUPT, `${bytes.length} bytes are not valid ${codec}`, { cause })
  }
}

const ZSTD_WINDOW_TOO_LARGE = 'ZSTD_error_frameParameter_windowTooLarge'

/** zlib's first guess of the output: large enough to need few rounds, never out of proportion to the input. */
function outputChunk(size: number, maxBytes: number): number {
  return Math.max(1024, Math.min(size * 4, maxBytes, 1024 * 1024))
}

/** 8 MiB: levels up to 19. */
const ZSTD_WINDOW_LOG_USUAL = 23
/** 128 MiB: zstd's own default limit. */
const ZSTD_WINDOW_LOG_MAX = 27

function decompressZstd(bytes: Buffer, maxBytes: number): Buffer {
  // A frame's header names its window, which the decoder allocates before it sees data: bound it as the output is, but
  // allow what encoders name without looking at the content's size.
  const windowLogMax = Math.min(
    ZSTD_WINDOW_LOG_MAX,
    Math.max(ZSTD_WINDOW_LOG_USUAL, Math.ceil(Math.log2(maxBytes))),
  )
  return zstdDecompressSync(bytes, {
    maxOutputLength: maxBytes,
    chunkSize: outputChunk(bytes.length, maxBytes),
    params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
  })
}

// Snappy. Java clients wrap raw blocks into snappy-java's stream format ("xerial"); librdkafka sends one raw block.

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16
/** As snappy-java's default. */
const XERIAL_BLOCK_BYTES = 32 * 1024
/** The densest element of the format makes 64 bytes out of 3. */
const SNAPPY_MAX_RATIO = 22

function compressSnappy(bytes: Buffer): Buffer {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES)
  XERIAL_MAGIC.copy(header)
  header.writeInt32BE(1, 8)
  header.writeInt32BE(1, 12)
  const parts: Buffer[] = [header]
  for (let at = 0; at < bytes.length; at += XERIAL_BLOCK_BYTES) {
    const block = snappyCompress(bytes.subarray(at, at + XERIAL_BLOCK_BYTES))
    const size = Buffer.allocUnsafe(4)
    size.writeInt32BE(block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}

function decompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  const xerial =
    bytes.length >= XERIAL_HEADER_BYTES && bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)
  if (!xerial) return unpackSnappyBlock(bytes, maxBytes)
  const reader = new ByteReader(bytes, XERIAL_HEADER_BYTES)
  const parts: Buffer[] = []
  let total = 0
  while (reader.remaining > 0) {
    const part = unpackSnappyBlock(reader.bytes(), maxBytes - total)
    total += part.length
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, total)
}

function unpackSnappyBlock(block: Buffer, maxBytes: number): Buffer {
  const claimed = new ByteReader(block).uvarint()
  if (claimed > block.length * SNAPPY_MAX_RATIO) {
    throw new AjnaError(BATCH_CORRUPT, `a snappy block of ${block.length} bytes claims to hold ${claimed}`)
  }
  if (claimed > maxBytes) throw tooLarge('snappy', maxBytes)
  return snappyUncompress(block) as Buffer
}

// LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md). The library's frame decoder takes no bound and
// costs a millisecond whatever the frame's size, so frames of independent blocks, which is what Kafka's clients write, are
// taken apart here and only their blocks handed over.

/** As the bytes lie: 04 22 4d 18. */
const LZ4_MAGIC = 0x04224d18
const LZ4_VERSION = 1
const STORED_BIT = 0x8000_0000
/** A block's byte makes at most 255 bytes (the format's longest match run). */
const LZ4_MAX_RATIO = 255

interface Lz4Frame {
  readonly independentBlocks: boolean
  readonly contentChecksum: number | undefined
  readonly blocks: readonly Lz4Block[]
}

interface Lz4Block {
  readonly start: number
  readonly end: number
  /** Not compressed. */
  readonly stored: boolean
  /** What the block may unpack to by the frame's header. */
  readonly maxSize: number
}

function decompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  const frame = readLz4Frame(bytes)
  if (!frame.independentBlocks) {
    let total = 0
    for (const block of frame.blocks) total += measureLz4Block(bytes, block)
    if (total > maxBytes) throw tooLarge('lz4', maxBytes)
    return decompressFrameSync(bytes)
  }
  const parts: Buffer[] = []
  let total = 0
  for (const block of frame.blocks) {
    const part = unpackLz4Block(bytes, block, maxBytes - total)
    if (part === undefined) throw tooLarge('lz4', maxBytes)
    total += part.length
    parts.push(part)
  }
  const content = parts.length === 1 ? parts[0]! : Buffer.concat(parts, total)
  if (frame.contentChecksum !== undefined && xxh32(content) !== frame.contentChecksum)
    throw badLz4('content checksum')
  return content
}

/** @returns undefined if it would unpack to more than `room` */
function unpackLz4Block(bytes: Buffer, block: Lz4Block, room: number): Buffer | undefined {
  const { start, end } = block
  if (block.stored) return end - start > room ? undefined : bytes.subarray(start, end)
  let claim = Math.min(block.maxSize, (end - start) * LZ4_MAX_RATIO)
  if (claim > room) {
    claim = measureLz4Block(bytes, block)
    if (claim > room) return undefined
  }
  // The library wants the size before the block.
  const sized = Buffer.allocUnsafe(4 + end - start)
  sized.writeUInt32LE(claim)
  bytes.copy(sized, 4, start, end)
  return uncompressSync(sized)
}

/** What a block unpacks to: the sum over its sequences, read without unpacking. */
function measureLz4Block(bytes: Buffer, block: Lz4Block): number {
  const { start, end } = block
  if (block.stored) return end - start
  let total = 0
  for (let at = start; at < end; ) {
    const token = bytes[at++]!
    let literals = token >>> 4
    if (literals === 15) for (let more = 255; more === 255 && at < end; literals += more) more = bytes[at++]!
    total += literals
    at += literals
    if (at >= end) break
    at += 2
    let match = token & 0x0f
    if (match === 15) for (let more = 255; more === 255 && at < end; match += more) more = bytes[at++]!
    total += match + 4
  }
  return total
}

function readLz4Frame(bytes: Buffer): Lz4Frame {
  const reader = new ByteReader(bytes)
  if (reader.uint32() !== LZ4_MAGIC) throw badLz4('no frame starts here')
  const descriptorAt = reader.offset
  const flags = reader.uint8()
  const blockSizeId = (reader.uint8() >>> 4) & 0x07
  if (flags >>> 6 !== LZ4_VERSION) throw badLz4(`version ${flags >>> 6}`)
  if ((flags & 0x01) !== 0) throw badLz4('it needs a dictionary')
  if (blockSizeId < 4) throw badLz4(`block size id ${blockSizeId}`)
  if ((flags & 0x08) !== 0) reader.skip(8)
  const descriptorEnd = reader.offset
  if (reader.uint8() !== ((xxh32(bytes, descriptorAt, descriptorEnd) >>> 8) & 0xff))
    throw badLz4('header checksum')
  const blocks = readLz4Blocks(bytes, reader, 1 << (8 + 2 * blockSizeId), (flags & 0x10) !== 0)
  const contentChecksum = (flags & 0x04) !== 0 ? reader.view(4).readUInt32LE(0) : undefined
  return { independentBlocks: (flags & 0x20) !== 0, contentChecksum, blocks }
}

function readLz4Blocks(
  bytes: Buffer,
  reader: ByteReader,
  maxBlockBytes: number,
  checksums: boolean,
): Lz4Block[] {
  const blocks: Lz4Block[] = []
  for (;;) {
    const field = reader.view(4).readUInt32LE(0)
    if (field === 0) return blocks
    const stored = field >= STORED_BIT
    const size = stored ? field - STORED_BIT : field
    if (size > maxBlockBytes) throw badLz4(`a block of ${size} bytes`)
    const start = reader.offset
    const end = start + size
    reader.skip(size)
    if (checksums && reader.view(4).readUInt32LE(0) !== xxh32(bytes, start, end))
      throw badLz4('block checksum')
    blocks.push({ start, end, stored, maxSize: maxBlockBytes })
  }
}

function badLz4(what: string): AjnaError {
  return new AjnaError(BATCH_CORRUPT, `not a valid lz4 frame: ${what}`)
}

function tooLarge(codec: Codec, maxBytes: number): AjnaError {
  return new AjnaError(BATCH_TOO_LARGE, `${codec} data would unpack to more than ${maxBytes} bytes`, {
    details: { codec, maxBytes },
  })
}
