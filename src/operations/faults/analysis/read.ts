import { AjnaError, describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import type { FetchEvent, Wire } from '../../../foundation/wire/contract.ts'
import { readableRecords } from '../../../foundation/wire/records.ts'
import { TEST_LOG_UNREADABLE } from '../errors.ts'
import type { StreamResult } from '../load/generator.ts'
import { readRecord } from '../load/record.ts'
import { checkRecords, type RecordsVerdict } from './check.ts'

export interface ReadTask {
  readonly wire: Wire
  readonly topic: string
  readonly partitions: number
  readonly run: Buffer
  readonly sent: readonly StreamResult[]
  /** Called for each record that the log holds. */
  readonly saw?: (partition: number, offset: number) => void
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/**
 * Reads a test's topic from its beginning to where each partition ends now, and judges every record.
 *
 * @throws AjnaError TEST_LOG_UNREADABLE: then nothing is known, least of all that nothing was lost
 */
export async function readAndCheck(task: ReadTask): Promise<RecordsVerdict> {
  const { wire, topic, partitions, run, sent } = task
  const signal = AbortSignal.any([task.signal, AbortSignal.timeout(task.deadlineMs)])
  const check = checkRecords(sent)
  const ask = (at: 'earliest' | 'latest') =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at }))
  try {
    const from = await wire.listOffsets(ask('earliest'), signal)
    const ends = new Map(
      (await wire.listOffsets(ask('latest'), signal)).map(({ partition, offset }) => [partition, offset]),
    )
    const starts = new Map(from.map(({ partition, offset }) => [partition, offset]))
    for (const { partition, offset } of from) if (ends.get(partition) === offset) ends.delete(partition)
    await using stream = wire.fetch({ from, signal, recycle: true })
    for await (const event of stream) {
      if (ends.size === 0) break
      if (event.kind === 'caught-up' || event.kind === 'unserved' || event.kind === 'served') continue
      if (event.kind !== 'batches') throw unreadable(topic, event)
      const unread = (batch: { readonly error: unknown }): never => {
        throw batch.error
      }
      // A batch comes whole, also what lies in it before the start of the log.
      for (const record of readableRecords(event.bytes, unread, starts.get(event.partition))) {
        check.see(event.partition, record.offset, readRecord(record.value, run))
        task.saw?.(event.partition, record.offset)
      }
      if (event.nextOffset >= (ends.get(event.partition) ?? Number.POSITIVE_INFINITY))
        ends.delete(event.partition)
      if (ends.size === 0) break
    }
  } catch (cause) {
    task.signal.throwIfAborted()
    if (isAjnaError(cause, TEST_LOG_UNREADABLE)) throw cause
    throw new AjnaError(TEST_LOG_UNREADABLE, `${topic}: ${describeError(cause)}`, { cause })
  }
  return check.verdict()
}

function unreadable(topic: string, event: FetchEvent): AjnaError {
  const why = 'error' in event ? `: ${describeError(event.error)}` : ''
  const where = 'partition' in event ? `${topic}-${event.partition}` : topic
  return new AjnaError(TEST_LOG_UNREADABLE, `${where} is ${event.kind}${why}`, {
    details: { topic, kind: event.kind },
  })
}
