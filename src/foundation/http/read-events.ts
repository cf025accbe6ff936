/** The reading side of server-sent events (HTML Living Standard, 9.2), for programs. */

export interface ReceivedEvent {
  /** `message` unless the server named it. */
  readonly event: string
  readonly data: string
  readonly id: string
}

/** Lines longer than this are not events of ours. */
const MAX_LINE_BYTES = 4 * 1024 * 1024

/** Yields events until the server ends the stream; throws what the connection throws. Comments (heartbeats) are skipped. */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ReceivedEvent, void, undefined> {
  const decoder = new TextDecoder()
  let open = ''
  let id = ''
  let event = ''
  let data: string[] = []
  for await (const piece of body) {
    open += decoder.decode(piece, { stream: true })
    if (open.length > MAX_LINE_BYTES)
      throw new RangeError(`an event line of more than ${MAX_LINE_BYTES} bytes`)
    // A carriage return at the end may be half of a line end.
    const lines = open.split(/\r\n|\n|\r(?!$)/)
    open = lines.pop()!
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event: event === '' ? 'message' : event, data: data.join('\n'), id }
        event = ''
        data = []
        continue
      }
      const colon = line.indexOf(':')
      const field = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
      if (field === 'data') data.push(value)
      else if (field === 'event') event = value
      else if (field === 'id') id = value
    }
  }
}
