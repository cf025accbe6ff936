import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ProcessExit, RunningProcess } from '../../../foundation/process/run.ts'

/** LogManager leaves it in each data directory once all logs there are flushed and closed (CleanShutdownFileHandler). */
const closedMark = '.kafka_cleanshutdown'
const lookEveryMs = 100

export interface BrokerStopTimes {
  /** For closing its logs; a busy disk takes its time. */
  readonly deadlineMs: number
  /** Afterwards. */
  readonly graceMs: number
}

const defaultTimes: BrokerStopTimes = { deadlineMs: 30_000, graceMs: 1_000 }

/**
 * Ends a broker, its logs closed. Of a cluster that is stopped as a whole the last controller would wait five seconds for
 * the others to elect one (KafkaRaftClient's graceful shutdown): once the logs are closed nothing is left that needs it, so
 * it is killed then. A metadata log is synced with every append; a start after that reads it as it is.
 *
 * @param dataDirs of the node; empty: it is only given the time
 * @throws AjnaError PROCESS_STUCK
 */
export async function stopBroker(
  broker: RunningProcess,
  dataDirs: readonly string[],
  times: BrokerStopTimes = defaultTimes,
): Promise<ProcessExit> {
  const askedAt = Date.now()
  await broker.kill('SIGTERM')
  const over = new AbortController()
  try {
    await Promise.race([
      broker.exited,
      logsClosed(dataDirs, askedAt, over.signal),
      delay(times.deadlineMs, undefined, { signal: over.signal }),
    ])
  } finally {
    over.abort()
  }
  return broker.stop({ deadlineMs: times.graceMs })
}

/** Never settles when there are no directories to look at. */
async function logsClosed(dataDirs: readonly string[], since: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const marks = await Promise.all(dataDirs.map(dir => stat(join(dir, closedMark)).catch(() => undefined)))
    // The mark of the stop before this one stands until the logs are loaded.
    if (marks.length > 0 && marks.every(mark => mark !== undefined && mark.mtimeMs >= since)) return
    await delay(lookEveryMs, undefined, { signal }).catch(() => undefined)
  }
}
