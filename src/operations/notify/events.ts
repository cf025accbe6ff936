/** What there is to tell of an incident. Pure. */
import { type Incident, isOver } from '../heal/contract.ts'
import type { Delivery, Webhook, WebhookEvent, WebhookState } from './contract.ts'

const ranks: Readonly<Record<WebhookEvent, number>> = {
  opened: 0,
  proposed: 1,
  acted: 2,
  available: 3,
  healed: 4,
  failed: 4,
}

export const isBefore = (a: WebhookEvent, b: WebhookEvent): boolean => ranks[a] < ranks[b]

/**
 * What an incident has come to, in order. Each telling of it holds all of it, so that nothing is missed by who was away when
 * it was told.
 */
export function eventsOf(incident: Incident): Delivery[] {
  const { detectedAt, proposal, actedAt, availableAt, healedAt, timeline, state } = incident
  const ended = isOver(incident) ? (timeline.at(-1)?.at ?? detectedAt) : null
  const found: readonly (readonly [WebhookEvent, number | null])[] = [
    ['opened', detectedAt],
    ['proposed', proposal?.at ?? null],
    ['acted', actedAt],
    ['available', availableAt],
    ['healed', state === 'healed' ? (healedAt ?? ended) : null],
    ['failed', state === 'failed' ? ended : null],
  ]
  return found.flatMap(([event, at]) => (at === null ? [] : [{ incident, event, at }]))
}

/** What is to be delivered next: of each incident the first event that was not told, the oldest first. */
export function dueOf(
  { events, clusters }: Webhook,
  { since, told, disabled }: Pick<WebhookState, 'since' | 'told' | 'disabled'>,
  incidents: readonly Incident[],
): Delivery[] {
  if (disabled !== null) return []
  return incidents
    .filter(({ cluster }) => clusters?.includes(cluster) ?? true)
    .flatMap(incident => {
      const last = told[incident.id]
      const next = eventsOf(incident).find(
        ({ event, at }) =>
          events.includes(event) && at > since && (last === undefined || isBefore(last.event, event)),
      )
      return next === undefined ? [] : [next]
    })
    .sort((a, b) => a.at - b.at)
}

/** Everything that is yet to be delivered. */
export function pendingOf(
  webhook: Webhook,
  state: Pick<WebhookState, 'since' | 'told' | 'disabled'>,
  incidents: readonly Incident[],
): number {
  return dueOf(webhook, { ...state, disabled: null }, incidents).reduce(
    (sum, { incident, event }) =>
      sum +
      eventsOf(incident).filter(each => webhook.events.includes(each.event) && !isBefore(each.event, event))
        .length,
    0,
  )
}
