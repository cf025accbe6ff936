import type { Logger } from '../../../foundation/log/log.ts'
import type { Activity } from './contract.ts'
import { merged } from './decide.ts'
import type { Outbox } from './outbox.ts'
import { type Teller, unfinishedBy } from './process-entries.ts'

export interface TellingOptions<Event> {
  readonly outbox: Outbox
  readonly teller: Teller
  /** What each event comes to, going on from what an earlier life of the teller had begun to tell. */
  readonly entriesOf: (
    teller: Teller,
    unfinished: readonly Activity[],
  ) => (event: Event) => readonly Activity[]
  readonly logger: Logger
}

/**
 * Tells events through the outbox, one after another. Answers a function that resolves once what an event comes to is on
 * the disk, and rejects when that cannot be: then it was not told.
 */
export async function openTelling<Event>(
  options: TellingOptions<Event>,
): Promise<(event: Event) => Promise<void>> {
  const { outbox, teller, logger } = options
  const waiting = await outbox.look().catch(error => {
    logger.error({ err: error }, 'what had begun to be told cannot be read')
    return []
  })
  const entriesOf = options.entriesOf(teller, unfinishedBy(teller, merged([], waiting)))
  let last: Promise<unknown> = Promise.resolve()

  return event => {
    const entries = entriesOf(event)
    const told = last.then(async () => {
      for (const entry of entries) await outbox.put(entry)
    })
    last = told.catch(error => logger.error({ err: error }, 'activity cannot be recorded'))
    return told
  }
}
