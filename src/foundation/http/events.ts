import { Readable } from 'node:stream'

/** One server-sent event. `id` lets a reader that reconnects say where it was (Last-Event-ID). */
export interface ServerEvent {
  readonly event: string
  readonly data: unknown
  readonly id?: string
}

export interface EventStreamOptions {
  /** Bytes that may wait for a slow reader before events are dropped; default 256 KiB. */
  readonly maxBufferedBytes?: number
  /** Default 5,000. Heartbeats are events of their own, for a page can only notice a silence it can measure. */
  readonly heartbeatMs?: number
  readonly now?: () => number
}

const RETRY_MS = 1_000

/**
 * A bounded stream of server-sent events. A reader that is too slow loses events, and is told how many by a `dropped`
 * event as soon as it reads again: memory never grows with the reader's slowness.
 */
export class EventStream {
  readonly body: Readable
  readonly #closed = new AbortController()
  readonly #limit: number
  readonly #now: () => number
  readonly #heartbeat: NodeJS.Timeout
  #full = false
  #dropped = 0

  constructor(options: EventStreamOptions = {}) {
    this.#limit = options.maxBufferedBytes ?? 256 * 1024
    this.#now = options.now ?? Date.now
    this.body = new Readable({
      highWaterMark: this.#limit,
      read: () => this.#drained(),
      destroy: (error, done) => {
        clearInterval(this.#heartbeat)
        this.#closed.abort()
        done(error)
      },
    })
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs ?? 5_000)
    this.#heartbeat.unref()
    this.body.push(`retry: ${RETRY_MS}\n\n`)
    this.#beat()
  }

  /** Aborts when the reader has gone or the stream was ended. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** False when the event was dropped because the reader is too slow. */
  send(event: ServerEvent): boolean {
    if (this.#closed.signal.aborted) return false
    if (this.#full) {
      this.#dropped++
      return false
    }
    this.#write(event)
    return true
  }

  /** What was sent is still delivered, then the stream ends. */
  end(): void {
    if (this.#closed.signal.aborted) return
    clearInterval(this.#heartbeat)
    this.#closed.abort()
    this.body.push(null)
  }

  #beat(): void {
    if (!this.#full) this.#write({ event: 'heartbeat', data: { at: this.#now() } })
  }

  #write(event: ServerEvent): void {
    this.body.push(encodeEvent(event))
    this.#full = this.body.readableLength >= this.#limit
  }

  #drained(): void {
    if (!this.#full || this.#closed.signal.aborted) return
    // Node asks for more just before it takes what is there: what the buffer holds now is as good as read.
    this.#full = false
    if (this.#dropped === 0) return
    const count = this.#dropped
    this.#dropped = 0
    this.body.push(encodeEvent({ event: 'dropped', data: { count } }))
  }
}

export function encodeEvent({ event, data, id }: ServerEvent): string {
  // JSON holds no raw line breaks, so the data is always one line.
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
