/** Webhooks, as the control process delivers them: what was delivered is kept in a journal of its own. */
import { once } from 'node:events'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { StatusTable } from '../../foundation/http/answer.ts'
import { openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import type { Incident } from '../../operations/heal/contract.ts'
import { DELIVERIES_TOPIC } from '../../operations/notify/contract.ts'
import { WEBHOOK_SECRET_BAD, WEBHOOK_UNKNOWN } from '../../operations/notify/errors.ts'
import { deliveriesMachine } from '../../operations/notify/machine.ts'
import { type DeliveriesJournal, type Notifier, startNotifying } from '../../operations/notify/run.ts'
import type { RoleContext } from '../roles/context.ts'

export const webhookStatuses: StatusTable = { [WEBHOOK_UNKNOWN.code]: 404, [WEBHOOK_SECRET_BAD.code]: 409 }

const REOPEN_MS = 2_000

export interface NotifyOptions {
  readonly context: RoleContext
  readonly incidents: () => readonly Incident[]
  readonly wireOf: (cluster: string) => Promise<Wire>
}

export function startWebhooks({ context, incidents, wireOf }: NotifyOptions): Notifier {
  const { file, signal, log } = context
  const webhooks = file.fleet.notify?.webhooks ?? []
  let journal: DeliveriesJournal | undefined
  async function open(cluster: string): Promise<void> {
    await using opened = await openJournal({
      log: openKafkaLog({ wire: await wireOf(cluster), topic: DELIVERIES_TOPIC }),
      machine: deliveriesMachine,
      logger: log,
      signal,
    })
    journal = opened
    const until = AbortSignal.any([signal, opened.stopped])
    if (!until.aborted) await once(until, 'abort')
    journal = undefined
  }
  async function keepOpen(): Promise<void> {
    const cluster = file.fleet.topics.find(({ name }) => name === DELIVERIES_TOPIC)?.cluster
    while (cluster !== undefined && webhooks.length > 0 && !signal.aborted) {
      await open(cluster).catch(error => {
        if (!signal.aborted)
          log.warn({ reason: describeError(error), cluster }, 'deliveries cannot be read; trying on')
      })
      await delay(REOPEN_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  void keepOpen()
  return startNotifying({
    fleet: file.fleet.name,
    webhooks,
    incidents,
    journal: () => journal,
    holder: `control ${process.pid} on ${hostname()}`,
    now: Date.now,
    log,
    signal,
  })
}
