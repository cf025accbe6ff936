/** The server name in a TLS ClientHello (RFC 8446, RFC 6066), put together from however many records and pieces it came in. */

export type HelloName =
  /** More bytes are needed. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'name'; readonly name: string }
  /** No ClientHello, or one without a name. */
  | { readonly kind: 'none'; readonly why: string }

const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const RECORD_HEADER = 5
const HANDSHAKE_HEADER = 4
/** A ClientHello is a few hundred bytes, with post-quantum keys two thousand. */
const MAX_HELLO = 65_536

/** @param bytes all that has come so far */
export function helloName(bytes: Buffer): HelloName {
  const hello = helloOf(bytes)
  if (!Buffer.isBuffer(hello)) return hello
  try {
    const name = serverName(hello)
    return name === undefined ? none('the client names no server') : { kind: 'name', name }
  } catch (error) {
    if (error instanceof RangeError) return none('a ClientHello that ends too early')
    throw error
  }
}

const none = (why: string): HelloName => ({ kind: 'none', why })

/** The handshake message without its header. */
function helloOf(bytes: Buffer): Buffer | HelloName {
  const pieces: Buffer[] = []
  let [at, have] = [0, 0]
  for (;;) {
    if (at + RECORD_HEADER > bytes.length) return { kind: 'incomplete' }
    if (bytes[at] !== HANDSHAKE_RECORD || bytes[at + 1] !== 3) return none('no TLS handshake')
    const end = at + RECORD_HEADER + bytes.readUInt16BE(at + 3)
    if (end > bytes.length) return { kind: 'incomplete' }
    pieces.push(bytes.subarray(at + RECORD_HEADER, end))
    have += end - at - RECORD_HEADER
    at = end
    if (have < HANDSHAKE_HEADER) continue
    const message = Buffer.concat(pieces)
    if (message[0] !== CLIENT_HELLO) return none('no ClientHello')
    const length = message.readUIntBE(1, 3)
    if (length > MAX_HELLO) return none('a ClientHello that is too long')
    if (have >= HANDSHAKE_HEADER + length)
      return message.subarray(HANDSHAKE_HEADER, HANDSHAKE_HEADER + length)
  }
}

/** @throws RangeError when a length points past the end */
function serverName(hello: Buffer): string | undefined {
  // Version and random.
  let at = 34
  at += 1 + hello.readUInt8(at)
  at += 2 + hello.readUInt16BE(at)
  at += 1 + hello.readUInt8(at)
  if (at === hello.length) return undefined
  const end = at + 2 + hello.readUInt16BE(at)
  for (at += 2; at < end; ) {
    const type = hello.readUInt16BE(at)
    const length = hello.readUInt16BE(at + 2)
    if (type === SERVER_NAME) {
      // A list's length, then of its first entry the kind, the length and the name.
      if (hello.readUInt8(at + 6) !== HOST_NAME) return undefined
      const from = at + 9
      const to = from + hello.readUInt16BE(at + 7)
      if (to > at + 4 + length) throw new RangeError('a name past its extension')
      return hello.toString('latin1', from, to).toLowerCase()
    }
    at += 4 + length
  }
  return undefined
}
