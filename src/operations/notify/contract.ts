import { z } from 'zod'
import type { Incident } from '../heal/contract.ts'

/**
 * Who is told of incidents by webhook, of what, and how that went. Standard Webhooks 1.0.0
 * (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
 */

/** What an incident comes to, in the order in which it may. */
export const webhookEvents = ['opened', 'proposed', 'acted', 'available', 'healed', 'failed'] as const
export type WebhookEvent = (typeof webhookEvents)[number]

/** As declared in the fleet's file. */
export interface Webhook {
  readonly name: string
  readonly url: string
  /** Holds one secret a line (`whsec_…`); all of them sign, so that one may take the place of another. */
  readonly secretFile: string
  readonly events: readonly WebhookEvent[]
  /** Null: incidents of every cluster. */
  readonly clusters: readonly string[] | null
}

/** One thing to tell, the same for every process that tells it. */
export interface Delivery {
  readonly incident: Incident
  readonly event: WebhookEvent
  /** When it came about, ms since the epoch. */
  readonly at: number
}

/** One writer's word about it is enough, whichever control process that is. */
export const DELIVERIES_TOPIC = 'ajna.notify.deliveries'

const name = z.string().min(1).max(200)
const time = z.int().nonnegative()
const told = z.object({
  /** The furthest event that was delivered, or given up. */
  event: z.enum(webhookEvents),
  at: time,
})

const webhookState = z.object({
  /** What came about earlier is not told: it was not declared yet, or has been forgotten here. */
  since: time,
  told: z.record(z.string(), told),
  /** Who is about to deliver what, by incident. */
  claims: z.record(z.string(), z.object({ event: z.enum(webhookEvents), by: name, until: time })),
  /** The receiver has said that it wants no more (410), until a test is taken. */
  disabled: z.object({ at: time, why: z.string().max(500) }).nullable(),
  delivered: z.int().nonnegative(),
  givenUp: z.int().nonnegative(),
  lastDelivered: time.nullable(),
})
export type WebhookState = Readonly<z.infer<typeof webhookState>>

export const deliveriesState = z.object({ webhooks: z.record(z.string(), webhookState) })
export type DeliveriesState = Readonly<z.infer<typeof deliveriesState>>

const about = { webhook: name, incident: name, event: z.enum(webhookEvents) }
export const deliveriesCommand = z.discriminatedUnion('kind', [
  /** From now on it is told what comes about; nothing if it is known. */
  z.object({ kind: z.literal('declare'), webhook: name, since: time }),
  /** Ahead of sending, so that of several processes one sends. */
  z.object({ kind: z.literal('claim'), ...about, by: name, at: time, until: time }),
  z.object({ kind: z.literal('end'), ...about, at: time, outcome: z.enum(['delivered', 'given-up']) }),
  z.object({ kind: z.literal('disable'), webhook: name, at: time, why: z.string().max(500) }),
  z.object({ kind: z.literal('enable'), webhook: name }),
])
export type DeliveriesCommand = z.infer<typeof deliveriesCommand>

export const webhookStanding = z.object({
  name: z.string(),
  url: z.string().describe('scheme, host and port only: a path may be a secret'),
  events: z.array(z.enum(webhookEvents)),
  clusters: z.array(z.string()).nullable().describe('null: all'),
  state: z.enum(['quiet', 'delivering', 'failing', 'disabled']),
  delivered: z.number(),
  givenUp: z.number(),
  pending: z.number().describe('events that were not delivered yet'),
  lastDelivered: z.number().nullable().describe('ms since the epoch'),
  lastError: z.object({ at: z.number(), why: z.string() }).nullable(),
  disabled: z.object({ at: z.number(), why: z.string() }).nullable(),
  journal: z
    .enum(['open', 'away'])
    .describe('away: what is delivered cannot be noted now, and may be told again after a restart'),
})
export type WebhookStanding = Readonly<z.infer<typeof webhookStanding>>

export const webhookTried = z.object({
  delivered: z.boolean(),
  id: z.string().describe('the webhook-id it was sent under'),
  answer: z.string(),
  tookMs: z.number(),
})
export type WebhookTried = Readonly<z.infer<typeof webhookTried>>
