/**
 * A process that carries an outbox into a journal until it is killed: `node carrier.ts <task as JSON>`. Says `ready` on
 * standard output once it lists what waits. Ends when its parent is gone.
 */

import { openKafkaLog } from '../../src/foundation/journal/kafka-log.ts'
import { createLogger } from '../../src/foundation/log/log.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { openOutbox } from '../../src/operations/fleet/activity/outbox.ts'
import { runActivity } from '../../src/operations/fleet/activity/run.ts'

export interface CarrierTask {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly directory: string
  readonly copy: string
}

if (import.meta.main) {
  process.stdin.on('end', () => process.exit(1)).resume()
  const { bootstrap, topic, directory, copy } = JSON.parse(process.argv[2]!) as CarrierTask
  const wire = openWire({ bootstrap, clientId: 'carrier', requestTimeoutMs: 2_000, connectTimeoutMs: 1_000 })
  await runActivity({
    outbox: openOutbox({ directory, host: 'test' }),
    journal: { cluster: 'test', openLog: async () => openKafkaLog({ wire, topic }) },
    copy,
    now: Date.now,
    signal: new AbortController().signal,
    logger: createLogger('carrier', 2, 'error'),
  })
  process.stdout.write('ready\n')
}
