/**
 * The compression codecs of record batches. Synchronous on purpose: for batches of usual size the hand-over to a thread
 * costs more CPU than it saves.
 *
 * Decompression is bounded: `maxBytes` is checked before, or while, memory is taken, never afterwards.
 */
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync as snappyCompress, uncompressSync as snappyUncompress } from 'snappy'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
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
 * @returns a buffer of its own, except for `none`, where it is `bytes` itself
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
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(codec, maxBytes)
    throw new AjnaError(BATCH_CORRUPT, `${bytes.length} bytes are not valid ${codec}`, { cause })
  }
}

/** zlib's first guess of the output: large enough to need few rounds, never out of proportion to the input. */
function outputChunk(size: number, maxBytes: number): number {
  return Math.max(1024, Math.min(size * 4, maxBytes, 1024 * 1024))
}

function decompressZstd(bytes: Buffer, maxBytes: number): Buffer {
  // A frame's header names its window, which the decoder allocates before it sees data: bound it as the output is.
  const windowLogMax = Math.min(27, Math.max(10, Math.ceil(Math.log2(maxBytes))))
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

// LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md). The decoder takes no bound, so the frame is
// measured first: cheaply by its blocks' upper limits, exactly where that would exceed the bound.

/** As the bytes lie: 04 22 4d 18. */
const LZ4_MAGIC = 0x04224d18
const LZ4_MIN_HEADER_BYTES = 7
const UNCOMPRESSED_BLOCK_BIT = 0x8000_0000

function decompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  const blocks = lz4Blocks(bytes)
  const upperLimit = blocks.reduce((sum, block) => sum + block.maxSize, 0)
  if (upperLimit > maxBytes) {
    let total = 0
    for (const block of blocks) {
      total += block.stored ? block.end - block.start : lz4BlockSize(bytes, block.start, block.end)
      if (total > maxBytes) throw tooLarge('lz4', maxBytes)
    }
  }
  return decompressFrameSync(bytes)
}

interface Lz4Block {
  readonly start: number
  readonly end: number
  readonly stored: boolean
  readonly maxSize: number
}

function lz4Blocks(bytes: Buffer): Lz4Block[] {
  const reader = new ByteReader(bytes)
  if (reader.remaining < LZ4_MIN_HEADER_BYTES || reader.uint32() !== LZ4_MAGIC)
    throw badLz4('no frame starts here')
  const flags = reader.uint8()
  const blockSizeId = (reader.uint8() >>> 4) & 0x07
  if (blockSizeId < 4) throw badLz4(`block size id ${blockSizeId}`)
  const maxBlockBytes = 1 << (8 + 2 * blockSizeId)
  const contentSizeBytes = (flags & 0x08) !== 0 ? 8 : 0
  const dictionaryIdBytes = (flags & 0x01) !== 0 ? 4 : 0
  const blockChecksumBytes = (flags & 0x10) !== 0 ? 4 : 0
  reader.skip(contentSizeBytes + dictionaryIdBytes + 1)
  const blocks: Lz4Block[] = []
  for (;;) {
    const field = reader.view(4).readUInt32LE(0)
    if (field === 0) return blocks
    const stored = field >= UNCOMPRESSED_BLOCK_BIT
    const size = stored ? field - UNCOMPRESSED_BLOCK_BIT : field
    if (size > maxBlockBytes) throw badLz4(`a block of ${size} bytes`)
    const start = reader.offset
    reader.skip(size + blockChecksumBytes)
    blocks.push({ start, end: start + size, stored, maxSize: stored ? size : maxBlockBytes })
  }
}

/** What a compressed block unpacks to: the sum over its sequences, read without unpacking. */
function lz4BlockSize(bytes: Buffer, start: number, end: number): number {
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

function badLz4(what: string): AjnaError {
  return new AjnaError(BATCH_CORRUPT, `not a valid lz4 frame: ${what}`)
}

function tooLarge(codec: Codec, maxBytes: number): AjnaError {
  return new AjnaError(BATCH_TOO_LARGE, `${codec} data would unpack to more than ${maxBytes} bytes`, {
    details: { codec, maxBytes },
  })
}
