import { type Interval, IntervalSet } from '../../../foundation/positions/intervals.ts'
import type { StreamResult } from '../load/generator.ts'
import type { Identified } from '../load/record.ts'

/** What became of the records of a load, by reading all of them back. */
export interface RecordsVerdict {
  readonly acknowledged: number
  /** Sent, and neither acknowledged nor refused: no loss when they are absent, no repeat when they are there. */
  readonly unknown: number
  /** Different records in the log. */
  readonly found: number
  /** Acknowledged, and not in the log. */
  readonly lost: number
  /** Copies beyond the first one. */
  readonly duplicated: number
  /** Records behind a later one of the same producer. */
  readonly reordered: number
  /** Values that are no record of this run, or were never sent, or are in another partition's log. */
  readonly foreign: number
  /** The first of each kind, named; at most {@link MAX_EXAMPLES} of a kind. */
  readonly examples: readonly string[]
}

export const MAX_EXAMPLES = 5

type Seen = 'duplicated' | 'reordered' | 'foreign'

export interface RecordsCheck {
  /** The next record of a partition's log, in its order; undefined: not one of ours. */
  see(partition: number, offset: number, record: Identified | undefined): void
  verdict(): RecordsVerdict
}

interface StreamCheck {
  readonly sent: StreamResult
  /** One more than the highest sequence seen. */
  next: number
  /** Below `next` and not seen yet. */
  readonly missing: IntervalSet
}

/** Takes memory for what is wrong, not for what is there. */
export function checkRecords(sent: readonly StreamResult[]): RecordsCheck {
  const streams = new Map<string, StreamCheck>(
    sent.map(each => [
      keyOf(each.producer, each.partition),
      { sent: each, next: 0, missing: IntervalSet.of() },
    ]),
  )
  const counts = { duplicated: 0, reordered: 0, foreign: 0 }
  const named: Record<Seen, string[]> = { duplicated: [], reordered: [], foreign: [] }

  function see(partition: number, offset: number, record: Identified | undefined): void {
    const stream = record === undefined ? undefined : streams.get(keyOf(record.producer, record.partition))
    const mine = record !== undefined && stream !== undefined && record.partition === partition
    const fault = mine ? place(stream, record.sequence) : 'foreign'
    if (fault === undefined) return
    const who = record === undefined ? '' : `: sequence ${record.sequence} of producer ${record.producer}`
    counts[fault]++
    if (named[fault].length < MAX_EXAMPLES)
      named[fault].push(`${fault}: partition ${partition}, offset ${offset}${who}`)
  }

  function verdict(): RecordsVerdict {
    let [acknowledged, unknown, found, lost] = [0, 0, 0, 0]
    const losses: string[] = []
    for (const { sent: each, next, missing } of streams.values()) {
      const absent = missing.copy()
      absent.add(next, each.sent)
      const unanswered = IntervalSet.of(...each.unknown)
      acknowledged += each.sent - unanswered.covered
      unknown += unanswered.covered
      found += each.sent - absent.covered
      for (const loss of absent.subtract(unanswered)) {
        lost += loss[1] - loss[0]
        if (losses.length < MAX_EXAMPLES) losses.push(describeLoss(each, loss))
      }
    }
    const examples = [losses, ...Object.values(named)].flat()
    return { acknowledged, unknown, found, lost, ...counts, examples }
  }
  return { see, verdict }
}

/** Takes note of the next record of a stream. Undefined: it is where it should be. */
function place(stream: StreamCheck, sequence: number): Seen | undefined {
  if (sequence >= stream.sent.sent) return 'foreign'
  if (sequence >= stream.next) {
    stream.missing.add(stream.next, sequence)
    stream.next = sequence + 1
    return undefined
  }
  return stream.missing.remove(sequence, sequence + 1) === 1 ? 'reordered' : 'duplicated'
}

const keyOf = (producer: number, partition: number): string => `${producer}/${partition}`

const describeLoss = ({ producer, partition }: StreamResult, [from, to]: Interval): string =>
  `lost: partition ${partition}: sequences ${from} to ${to - 1} of producer ${producer}`
