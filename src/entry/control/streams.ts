import { isAjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN } from '../../foundation/positions/errors.ts'
import { type StreamDescriptor, streamDescriptor } from '../../foundation/positions/streams.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { follow } from '../../foundation/wire/follow.ts'
import { readableRecords, type UnreadableBatch } from '../../foundation/wire/records.ts'

/** Host and path of each stream, by its id, as the streams' topics describe them. */
export function followStreams(
  wire: Wire,
  signal: AbortSignal,
  log: Logger,
): ReadonlyMap<string, { readonly host: string; readonly path: string }> {
  const streams = new Map<string, { readonly host: string; readonly path: string }>()
  void (async () => {
    const topics = (name: string): boolean => name.startsWith('ajna.streams.')
    for await (const event of follow(wire, { topics, from: () => 'earliest', signal, log })) {
      if (event.kind !== 'batches') continue
      const { topic, partition } = event
      const passOver = ({ from, to, error }: UnreadableBatch): void =>
        log.error({ topic, partition, from, to, err: error }, 'descriptions cannot be read; passed over')
      for (const { value } of readableRecords(event.bytes, passOver)) {
        const described = value === null ? undefined : descriptorIn(value)
        if (described !== undefined)
          streams.set(described.stream, { host: described.host, path: described.path })
      }
    }
  })().catch(error => log.error({ err: error }, 'stream descriptions cannot be followed'))
  return streams
}

/** undefined: another record than a description (an agent's barrier has none at all), or one of a later version. */
function descriptorIn(value: Buffer): StreamDescriptor | undefined {
  try {
    return streamDescriptor.decode(value)
  } catch (error) {
    if (isAjnaError(error, AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN)) return undefined
    throw error
  }
}
