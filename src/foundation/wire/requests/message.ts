import type { ByteReader } from '../bytes.ts'

/**
 * One request of Kafka's protocol and its response, for the versions [minVersion, maxVersion]. Only flexible versions
 * (KIP-482) are used, so that every request header is v2 and, but for ApiVersions, every response header v1.
 */
export interface Message<Request, Response> {
  readonly name: string
  readonly key: number
  readonly minVersion: number
  readonly maxVersion: number
  /** The body as parts to be sent one after another: large byte strings are passed on, not copied. */
  encode(request: Request, version: number): readonly Buffer[]
  /**
   * @param throttled told how long the broker holds this client back by a quota, ms; 0: it does not
   * @throws AjnaError WIRE_MALFORMED, WIRE_TRUNCATED
   */
  parse(reader: ByteReader, version: number, throttled?: (ms: number) => void): Response
}
