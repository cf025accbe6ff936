import { randomBytes } from 'node:crypto'
import { encodePosition, POSITION_HEADER } from '../../src/foundation/positions/position.ts'
import { type StreamDescriptor, streamDescriptor } from '../../src/foundation/positions/streams.ts'
import { xxh32 } from '../../src/foundation/positions/xxh32.ts'
import { BatchBuilder, type RecordInput } from '../../src/foundation/wire/build.ts'
import type { Codec } from '../../src/foundation/wire/codecs.ts'
import type { Wire } from '../../src/foundation/wire/contract.ts'

/** Lines with positions, as an agent ships them. */
export interface TestStream extends StreamDescriptor {
  /** Where its next line begins. */
  next: number
}

export function testStream(host: string, changes: Partial<StreamDescriptor> = {}): TestStream {
  return {
    stream: randomBytes(8).toString('hex'),
    site: 'edge',
    tenant: 'platform',
    kind: 'log',
    host,
    path: '/var/log/app.log',
    device: '1',
    inode: '2',
    birthtime: 0,
    firstLineHash: 0,
    firstSeen: 0,
    next: 0,
    ...changes,
  }
}

export interface ShippedLine {
  readonly text: string | Buffer
  readonly eventTime: number
  readonly shipped: number
}

export function lineRecord(stream: TestStream, line: ShippedLine): RecordInput {
  const value = Buffer.from(line.text)
  const position = encodePosition({
    stream: stream.stream,
    start: stream.next,
    length: value.length + 1,
    eventDelta: line.eventTime - line.shipped,
    hash: xxh32(value, 0, value.length),
  })
  stream.next += value.length + 1
  return { timestamp: line.shipped, value, headers: [{ key: POSITION_HEADER, value: position }] }
}

/** Appends records in as few batches as they need; resolves when all are acknowledged. */
export async function append(
  wire: Wire,
  topic: string,
  partition: number,
  records: Iterable<RecordInput>,
  codec: Codec = 'none',
): Promise<void> {
  const producer = await wire.producer({}, AbortSignal.timeout(30_000))
  const builder = new BatchBuilder({ codec, maxBytes: 256 * 1024 })
  const pending: Promise<unknown>[] = []
  for (const record of records) {
    if (builder.add(record)) continue
    pending.push(producer.append(topic, partition, builder.finish()))
    builder.add(record)
    if (pending.length % 32 === 0) await producer.flush()
  }
  if (builder.count > 0) pending.push(producer.append(topic, partition, builder.finish()))
  await Promise.all(pending)
  await producer[Symbol.asyncDispose]()
}

export const describe = (wire: Wire, topic: string, ...streams: readonly TestStream[]): Promise<void> =>
  append(
    wire,
    topic,
    0,
    streams.map(({ next: _, ...descriptor }) => ({
      timestamp: Date.now(),
      value: streamDescriptor.encode(descriptor),
    })),
  )
