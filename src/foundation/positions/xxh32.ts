/** XXH32 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): the content hash of a shipped record. */

const P1 = 0x9e3779b1 | 0
const P2 = 0x85ebca77 | 0
const P3 = 0xc2b2ae3d | 0
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

let lastBytes: Uint8Array | undefined
let lastView: DataView = new DataView(new ArrayBuffer(0))

/** A DataView reads an unaligned word in one load; making one per call would cost as much as a short line's hash. */
function viewOf(bytes: Uint8Array): DataView {
  if (bytes !== lastBytes) {
    lastBytes = bytes
    lastView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  return lastView
}

/** @returns the hash of `bytes[from..to)` as an unsigned 32-bit number */
export function xxh32(bytes: Uint8Array, from = 0, to: number = bytes.length, seed = 0): number {
  const view = viewOf(bytes)
  const length = to - from
  let at = from
  let hash: number
  if (length >= 16) {
    let a = (seed + P1 + P2) | 0
    let b = (seed + P2) | 0
    let c = seed | 0
    let d = (seed - P1) | 0
    for (const stop = to - 16; at <= stop; at += 16) {
      a = (a + Math.imul(view.getInt32(at, true), P2)) | 0
      a = Math.imul((a << 13) | (a >>> 19), P1)
      b = (b + Math.imul(view.getInt32(at + 4, true), P2)) | 0
      b = Math.imul((b << 13) | (b >>> 19), P1)
      c = (c + Math.imul(view.getInt32(at + 8, true), P2)) | 0
      c = Math.imul((c << 13) | (c >>> 19), P1)
      d = (d + Math.imul(view.getInt32(at + 12, true), P2)) | 0
      d = Math.imul((d << 13) | (d >>> 19), P1)
    }
    hash =
      ((a << 1) | (a >>> 31)) + ((b << 7) | (b >>> 25)) + ((c << 12) | (c >>> 20)) + ((d << 18) | (d >>> 14))
  } else hash = seed + P5
  hash = (hash + length) | 0
  for (; at + 4 <= to; at += 4) {
    hash = (hash + Math.imul(view.getInt32(at, true), P3)) | 0
    hash = Math.imul((hash << 17) | (hash >>> 15), P4)
  }
  for (; at < to; at++) {
    hash = (hash + Math.imul(view.getUint8(at), P5)) | 0
    hash = Math.imul((hash << 11) | (hash >>> 21), P1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), P2)
  hash = Math.imul(hash ^ (hash >>> 13), P3)
  return (hash ^ (hash >>> 16)) >>> 0
}
