/** One attempt to deliver: a POST that is signed, waits for so long and follows no redirect. */
import { describeError } from '../../foundation/errors/errors.ts'
import { type Incident, subjectText } from '../heal/contract.ts'
import type { Delivery, Webhook } from './contract.ts'
import { readSecrets, signed } from './sign.ts'

export type Sent =
  | { readonly kind: 'delivered'; readonly answer: string }
  /** The receiver wants no more. */
  | { readonly kind: 'gone'; readonly answer: string }
  /** `retryAfterMs`: what the receiver asks for; null: nothing. */
  | { readonly kind: 'failed'; readonly answer: string; readonly retryAfterMs: number | null }

export interface Message {
  /** Without a full stop: it is signed together with what follows one. */
  readonly id: string
  readonly payload: string
}

const MAX_REASONS = 5

/** The same at every attempt, by every process. */
export function messageOf({ incident, event, at }: Delivery): Message {
  return {
    id: `msg_${incident.id}_${event}`,
    payload: JSON.stringify({
      type: `incident.${event}`,
      timestamp: new Date(at).toISOString(),
      data: dataOf(incident),
    }),
  }
}

export function testMessage(id: string, fleet: string, at: number): Message {
  const data = { fleet, text: 'a test of this webhook: nothing has happened' }
  return {
    id: `msg_test_${id}`,
    payload: JSON.stringify({ type: 'incident.test', timestamp: new Date(at).toISOString(), data }),
  }
}

const isoOf = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

function dataOf(incident: Incident) {
  const { id, revision, cluster, subject, cause, state, signals, decision, timeline } = incident
  const { kind, remedy, reasons } = decision
  return {
    ...{ id, revision, cluster, cause, state, subject },
    text: `${cause}: ${subjectText(subject)} of ${cluster}; ${timeline.at(-1)?.text ?? ''}`,
    beganAt: isoOf(incident.beganAt),
    detectedAt: isoOf(incident.detectedAt),
    actedAt: isoOf(incident.actedAt),
    availableAt: isoOf(incident.availableAt),
    healedAt: isoOf(incident.healedAt),
    signals,
    decision: { kind, remedy, reasons: reasons.slice(0, MAX_REASONS) },
  }
}

export interface SendOptions {
  readonly now: () => number
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** @throws AjnaError WEBHOOK_SECRET_BAD; the caller's abort reason */
export async function send(
  { url, secretFile }: Pick<Webhook, 'url' | 'secretFile'>,
  { id, payload }: Message,
  { now, timeoutMs, signal }: SendOptions,
): Promise<Sent> {
  const secrets = await readSecrets(secretFile)
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'ajna-webhooks/1',
    ...signed(secrets, id, now(), payload),
  }
  try {
    const until = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const response = await fetch(url, {
      ...{ method: 'POST', headers, body: payload },
      redirect: 'manual',
      signal: until,
    })
    // What a receiver says is of no use here, and could be endless.
    await response.body?.cancel()
    return judged(response)
  } catch (error) {
    signal.throwIfAborted()
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    const answer = isLate ? `no answer within ${timeoutMs} ms` : withoutUrl(describeError(error), url)
    return { kind: 'failed', answer, retryAfterMs: null }
  }
}

function judged(response: Response): Sent {
  const { status } = response
  const answer = `answered ${status}`
  if (status >= 200 && status < 300) return { kind: 'delivered', answer }
  if (status === 410) return { kind: 'gone', answer }
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return {
    kind: 'failed',
    answer,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null,
  }
}

/** Its path may be a secret. */
const withoutUrl = (text: string, url: string): string => text.replaceAll(url, new URL(url).origin)
