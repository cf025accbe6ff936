import type { Applied, Machine } from '../../foundation/journal/contract.ts'
import {
  type DeliveriesCommand,
  type DeliveriesState,
  deliveriesCommand,
  deliveriesState,
  type WebhookState,
} from './contract.ts'
import { isBefore } from './events.ts'

const MAX_TOLD = 2_000

/**
 * Each event of an incident is ended once for each webhook, in order; who is about to deliver it has claimed it for a while.
 * Claims are compared by their writers' clocks: where these differ, two may send the same, under the same id.
 */
export const deliveriesMachine: Machine<DeliveriesState, DeliveriesCommand> = {
  version: 1,
  initial: { webhooks: {} },
  command: deliveriesCommand,
  state: deliveriesState,
  apply(state, command) {
    const { webhook } = command
    const known = Object.hasOwn(state.webhooks, webhook) ? state.webhooks[webhook] : undefined
    if (command.kind === 'declare')
      return known === undefined ? changed(state, webhook, declared(command.since)) : refused('it is known')
    if (known === undefined) return refused(`there is no webhook ${webhook}`)
    switch (command.kind) {
      case 'claim':
        return claim(state, known, command)
      case 'end':
        return end(state, known, command)
      case 'disable': {
        const { at, why } = command
        return known.disabled === null
          ? changed(state, webhook, { ...known, disabled: { at, why } })
          : refused('it is disabled already')
      }
      case 'enable':
        return known.disabled === null
          ? refused('it is not disabled')
          : changed(state, webhook, { ...known, disabled: null })
      default:
        return command satisfies never
    }
  },
}

const declared = (since: number): WebhookState => ({
  since,
  told: {},
  claims: {},
  disabled: null,
  delivered: 0,
  givenUp: 0,
  lastDelivered: null,
})

function claim(
  state: DeliveriesState,
  known: WebhookState,
  { webhook, incident, event, by, at, until }: Extract<DeliveriesCommand, { kind: 'claim' }>,
): Applied<DeliveriesState> {
  const told = known.told[incident]
  if (told !== undefined && !isBefore(told.event, event)) return refused('it was told')
  const held = known.claims[incident]
  if (held !== undefined && held.by !== by && at < held.until) return refused(`${held.by} is at it`)
  return changed(state, webhook, {
    ...known,
    claims: { ...known.claims, [incident]: { event, by, until } },
  })
}

function end(
  state: DeliveriesState,
  known: WebhookState,
  { webhook, incident, event, at, outcome }: Extract<DeliveriesCommand, { kind: 'end' }>,
): Applied<DeliveriesState> {
  const before = known.told[incident]
  if (before !== undefined && !isBefore(before.event, event)) return refused('it was told')
  const { [incident]: _claim, ...claims } = known.claims
  const { [incident]: _told, ...others } = known.told
  const delivered = outcome === 'delivered'
  return changed(
    state,
    webhook,
    bounded({
      ...known,
      claims,
      told: { ...others, [incident]: { event, at } },
      delivered: known.delivered + (delivered ? 1 : 0),
      givenUp: known.givenUp + (delivered ? 0 : 1),
      lastDelivered: delivered ? at : known.lastDelivered,
    }),
  )
}

/** What is forgotten is not told again: nothing that came about before is. */
function bounded(webhook: WebhookState): WebhookState {
  const all = Object.entries(webhook.told)
  if (all.length <= MAX_TOLD) return webhook
  const [oldest, ...kept] = all
  return { ...webhook, told: Object.fromEntries(kept), since: Math.max(webhook.since, oldest![1].at) }
}

const changed = (
  { webhooks }: DeliveriesState,
  name: string,
  webhook: WebhookState,
): Applied<DeliveriesState> => ({ accepted: true, state: { webhooks: { ...webhooks, [name]: webhook } } })

const refused = (reason: string): Applied<DeliveriesState> => ({ accepted: false, reason })
