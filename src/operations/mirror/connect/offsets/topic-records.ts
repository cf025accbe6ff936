import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { Wire } from '../../../../foundation/wire/contract.ts'
import { CONNECT_TOPIC_MISSING } from '../errors.ts'
import type { OffsetRecord } from './committed.ts'
import { logRecords } from './log-records.ts'

/**
 * All records of a topic as it stands, one partition after the other, each in order.
 *
 * @throws AjnaError CONNECT_TOPIC_MISSING, LINK_LOG_UNREADABLE
 */
export async function topicRecords(
  wire: Wire,
  topic: string,
  signal: AbortSignal,
): Promise<readonly OffsetRecord[]> {
  const [found] = await wire.metadata([topic], signal)
  if (found === undefined) throw new AjnaError(CONNECT_TOPIC_MISSING, `there is no topic ${topic}`)
  const records: OffsetRecord[] = []
  for (const { partition } of found.partitions) {
    const [start, end] = await wire.listOffsets(
      [
        { topic, partition, at: 'earliest' },
        { topic, partition, at: 'latest' },
      ],
      signal,
    )
    const range = { topic, partition, from: start!.offset, to: end!.offset }
    for await (const { key, value } of logRecords(wire, range, 'read_committed', signal))
      records.push({ key: copied(key), value: copied(value) })
  }
  return records
}

/** A record's fields are views of a broker's whole answer. */
const copied = (bytes: Buffer | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes))
