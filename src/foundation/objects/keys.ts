import { AjnaError } from '../errors/errors.ts'
import { ObjectKeyInvalid } from './errors.ts'

const maxKeyBytes = 900
const maxSegmentBytes = 200
const segmentPattern = /^[A-Za-z0-9_=@+%~-][A-Za-z0-9._=@+%~-]*$/

/** A key's segments. Throws OBJECT_KEY_INVALID for whatever could leave the store's directory or differ between drivers. */
export function keySegments(key: string): string[] {
  const segments = key.split('/')
  const valid =
    key.length <= maxKeyBytes &&
    segments.every(segment => segment.length <= maxSegmentBytes && segmentPattern.test(segment))
  if (!valid)
    throw new AjnaError(ObjectKeyInvalid, `not an object name: ${JSON.stringify(key.slice(0, 200))}`)
  return segments
}

/** A prefix of some valid key, or empty. It may end in the middle of a segment, or with `/`. */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return
  keySegments(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)
}

/**
 * Any text as one segment: what a segment may not hold is written as %XX of its UTF-8 bytes, so different texts stay
 * different. Too long a text is cut and ends in `~` and a digest supplied by the caller's hash.
 */
export function segmentOf(text: string, digest: (text: string) => string): string {
  let out = ''
  for (const [index, byte] of Buffer.from(text).entries()) {
    const plain =
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      byte === 0x5f ||
      byte === 0x2d ||
      (byte === 0x2e && index > 0)
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  if (out === '') return '%'
  return out.length <= 100 ? out : `${out.slice(0, 80)}~${digest(text)}`
}
