import { streamIdOf } from '../../foundation/positions/position.ts'
import { type StreamDescriptor, streamDescriptor } from '../../foundation/positions/streams.ts'
import { readableRecords, type UnreadableBatch } from '../../foundation/wire/records.ts'

/** A stream that a record or a description spoke of. Its number is what rows carry. */
export interface KnownStream {
  readonly id: string
  descriptor: StreamDescriptor | undefined
}

export class StreamRegistry {
  readonly streams: KnownStream[] = []
  /** Counts up when a stream is added or described anew. */
  version = 0
  readonly #numbers = new Map<string, number>()
  readonly #byWords = new Map<number, Map<number, number>>()

  /** The number of a stream by the two words of its id; it need not be described yet. */
  numberOf(high: number, low: number): number {
    let second = this.#byWords.get(high)
    if (second === undefined) this.#byWords.set(high, (second = new Map()))
    let number = second.get(low)
    if (number === undefined) second.set(low, (number = this.#numberOfId(streamIdOf(high, low))))
    return number
  }

  #numberOfId(id: string): number {
    let number = this.#numbers.get(id)
    if (number === undefined) {
      number = this.streams.push({ id, descriptor: undefined }) - 1
      this.#numbers.set(id, number)
      this.version++
    }
    return number
  }

  isDescribed(number: number): boolean {
    return this.streams[number]?.descriptor !== undefined
  }

  describe(descriptor: StreamDescriptor): void {
    const known = this.streams[this.#numberOfId(descriptor.stream)]!
    // Descriptions are repeated daily; the first one of a stream is the one that counts, so that all readers agree.
    if (known.descriptor !== undefined) return
    known.descriptor = descriptor
    this.version++
  }

  /** Descriptions out of the records of a streams topic. Answers how many records were none, or could not be read. */
  describeAll(batches: Buffer): number {
    let strange = 0
    const passOver = ({ from, to }: UnreadableBatch): void => {
      strange += to - from
    }
    for (const { value } of readableRecords(batches, passOver)) {
      try {
        this.describe(streamDescriptor.decode(value ?? Buffer.alloc(0)))
      } catch {
        strange++ // of a newer version, or not Ajna's: its streams' records are archived as unknown, and counted
      }
    }
    return strange
  }
}
