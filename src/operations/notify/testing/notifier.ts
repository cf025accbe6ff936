/** A control process as far as webhooks are concerned, in a process of its own that can be killed. Options: JSON in argv. */
import { openJournal } from '../../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../../foundation/journal/kafka-log.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import type { Incident } from '../../heal/contract.ts'
import type { Webhook } from '../contract.ts'
import { deliveriesMachine } from '../machine.ts'
import { startNotifying } from '../run.ts'

export interface NotifierProcess {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly webhook: Webhook
  readonly incidents: readonly Incident[]
  readonly timeoutMs: number
}

const { bootstrap, topic, webhook, incidents, timeoutMs } = JSON.parse(process.argv[2]!) as NotifierProcess
const wire = openWire({ bootstrap, clientId: 'notifier' })
const journal = await openJournal({ log: openKafkaLog({ wire, topic }), machine: deliveriesMachine })
const holder = `notifier ${process.pid}`
// As a fleet has it that was there before what happens: declared, with nothing told yet.
await journal.submit({ kind: 'declare', webhook: webhook.name, since: 0 })
const notifier = startNotifying({
  ...{ fleet: 'test', webhooks: [webhook], incidents: () => incidents, journal: () => journal, holder },
  ...{ now: Date.now, log: silentLogger, signal: new AbortController().signal },
  times: { lookMs: 50, timeoutMs },
})
setInterval(() => process.stdout.write(`${JSON.stringify(notifier.standings()[0])}\n`), 100)
