import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { reasonOfDeath } from '../../operations/fleet/brokers/diagnose.ts'
import { brokerPrincipal, type PlacedNode } from '../../operations/fleet/contract.ts'
import type { AgentEvent, AgentStatus } from '../../operations/hosts/contract.ts'
import { askAgent } from '../control/agents.ts'
import { CLUSTER_NOT_UP } from '../fleet.ts'
import type { FleetFile } from '../fleet-file.ts'

const ASK_EVERY_MS = 500
/** A broker that has died so often since it was to be started has a reason that another start does not mend. */
const HOPELESS_ENDS = 3

export interface BrokerWatch {
  readonly file: FleetFile
  readonly token: string
  /** What happened before is of an earlier life; ms since the epoch. */
  readonly since: number
  readonly note: (text: string) => void
}

/**
 * While brokers start: says of each that ends why it did, in its own words, as their agent has found out.
 *
 * @throws AjnaError CLUSTER_NOT_UP when one has died again and again, with its reason and what to do about that; rejects with
 * the signal's reason when that aborts
 */
export async function watchStartingBrokers(watch: BrokerWatch, signal: AbortSignal): Promise<never> {
  const nodes = new Map(
    watch.file.placed.flatMap(({ name, nodes }) => nodes.map(node => [brokerPrincipal(name, node.id), node])),
  )
  const agent = { port: watch.file.ports.agent, token: watch.token }
  const ends = new Map<string, number>()
  let seenAt = watch.since
  for (;;) {
    await delay(ASK_EVERY_MS, undefined, { signal })
    const status = await askAgent(agent, signal).catch(() => undefined)
    if (status === undefined) continue
    for (const end of endsSince(status, seenAt)) {
      seenAt = Math.max(seenAt, end.at)
      const node = nodes.get(end.subject)
      if (node === undefined) continue
      ends.set(end.subject, (ends.get(end.subject) ?? 0) + 1)
      const { said, remedy } = await whyItEnded(node, end)
      if (ends.get(end.subject)! >= HOPELESS_ENDS)
        throw new AjnaError(CLUSTER_NOT_UP, `${end.subject} ended ${HOPELESS_ENDS} times: ${said}`, {
          ...(remedy === undefined ? {} : { remedy }),
        })
      watch.note(`${end.subject} ended: ${said}; it is started again`)
    }
  }
}

const endsSince = ({ events }: AgentStatus, at: number): AgentEvent[] =>
  events.filter(
    event =>
      event.at > at &&
      event.kind === 'process' &&
      event.details['kind'] === 'exited' &&
      event.details['expected'] !== true,
  )

async function whyItEnded(
  node: PlacedNode,
  { details, at }: AgentEvent,
): Promise<{ readonly said: string; readonly remedy: string | undefined }> {
  const { signal, ranMs } = details as { readonly signal?: string | null; readonly ranMs?: number }
  // Killed, it has no reason of its own.
  if (typeof signal === 'string') return { said: `by ${signal}`, remedy: undefined }
  return reasonOfDeath(node, new Date(at - (ranMs ?? 0)).toISOString())
}
