/**
 * Delivers what there is to tell, beside everything else: nobody waits for it. It knows from the journal what was told, by
 * whichever control process; where the journal is away it goes on by what it has seen itself.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { Outcome } from '../../foundation/journal/contract.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Incident } from '../heal/contract.ts'
import type {
  DeliveriesCommand,
  DeliveriesState,
  Delivery,
  Webhook,
  WebhookStanding,
  WebhookState,
  WebhookTried,
} from './contract.ts'
import { WEBHOOK_UNKNOWN } from './errors.ts'
import { dueOf, isBefore, pendingOf } from './events.ts'
import { messageOf, type Sent, send, testMessage } from './send.ts'

/** As far as it is needed of a journal. */
export interface DeliveriesJournal {
  state(): DeliveriesState
  submit(
    command: DeliveriesCommand,
    options: { readonly signal: AbortSignal },
  ): Promise<Outcome<DeliveriesState>>
}

export interface NotifierOptions {
  readonly fleet: string
  readonly webhooks: readonly Webhook[]
  /** As they are now, of all clusters. */
  readonly incidents: () => readonly Incident[]
  /** Undefined: it cannot be reached just now. */
  readonly journal: () => DeliveriesJournal | undefined
  /** This process, for people; no other has the same. */
  readonly holder: string
  readonly now: () => number
  readonly log: Logger
  readonly signal: AbortSignal
  readonly times?: Partial<NotifierTimes>
}

export interface NotifierTimes {
  readonly lookMs: number
  /** Of one attempt. */
  readonly timeoutMs: number
  /** After the first, the second, … failed attempt; the last one counts for all that follow. */
  readonly retryMs: readonly number[]
  /** What came about so long ago is given up. */
  readonly giveUpMs: number
  /** For so long the journal is waited for before anything is sent without it. */
  readonly journalMs: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const TIMES: NotifierTimes = {
  lookMs: 500,
  timeoutMs: 15 * SECOND,
  retryMs: [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR],
  giveUpMs: 24 * HOUR,
  journalMs: 30 * SECOND,
}
/** Of a webhook. */
const AT_ONCE = 4
const MOST_RETRY_AFTER_MS = HOUR

export interface Notifier {
  standings(): readonly WebhookStanding[]
  /** Sends an event of its own; one that is taken enables what was disabled. @throws AjnaError WEBHOOK_UNKNOWN, WEBHOOK_SECRET_BAD */
  test(name: string, signal: AbortSignal): Promise<WebhookTried>
  readonly done: Promise<void>
}

/** What this process knows of one webhook besides the journal. */
interface Line {
  readonly webhook: Webhook
  /** What it has told itself: as good as the journal's word, and there when that is away. */
  readonly told: Map<string, WebhookState['told'][string]>
  readonly underWay: Set<string>
  readonly waiting: Map<string, { readonly attempts: number; readonly until: number }>
  disabled: WebhookState['disabled']
  lastError: WebhookStanding['lastError']
}

export function startNotifying(options: NotifierOptions): Notifier {
  const { webhooks, incidents, journal, holder, now, log, signal, fleet } = options
  const times = { ...TIMES, ...options.times }
  const startedAt = now()
  const lines = webhooks.map(
    (webhook): Line => ({
      webhook,
      told: new Map(),
      underWay: new Set(),
      waiting: new Map(),
      disabled: null,
      lastError: null,
    }),
  )

  /** The journal's word and this process's own together; undefined: better to wait for the journal. */
  function known({ webhook, told, disabled }: Line): WebhookState | undefined {
    const state = journal()?.state().webhooks[webhook.name]
    if (state === undefined && now() - startedAt < times.journalMs) return undefined
    const kept = state ?? { ...NOTHING, since: startedAt }
    const all = { ...kept.told }
    for (const [id, own] of told)
      if (all[id] === undefined || isBefore(all[id].event, own.event)) all[id] = own
    return { ...kept, told: all, disabled: kept.disabled ?? (state === undefined ? disabled : null) }
  }

  /** False: it is refused. True also when nobody can be asked: then it is not known, and done rather twice than never. */
  async function noted(command: DeliveriesCommand): Promise<boolean> {
    const open = journal()
    if (open === undefined) return true
    try {
      const until = AbortSignal.any([signal, AbortSignal.timeout(times.journalMs)])
      return (await open.submit(command, { signal: until })).accepted
    } catch (error) {
      if (!signal.aborted) log.warn({ reason: describeError(error) }, 'a delivery cannot be noted')
      return true
    }
  }

  function look(): void {
    for (const line of lines) {
      const { webhook, underWay, waiting } = line
      const open = journal()
      if (open !== undefined && open.state().webhooks[webhook.name] === undefined && !underWay.has('')) {
        underWay.add('')
        void noted({ kind: 'declare', webhook: webhook.name, since: startedAt }).finally(() =>
          underWay.delete(''),
        )
      }
      settle(line)
      const state = known(line)
      if (state === undefined) continue
      for (const due of dueOf(webhook, state, incidents())) {
        const { id } = due.incident
        if (underWay.size >= AT_ONCE) break
        if (underWay.has(id) || (waiting.get(id)?.until ?? 0) > now()) continue
        underWay.add(id)
        deliver(line, due)
          .catch(error => {
            if (!signal.aborted) failed(line, due, describeError(error), null)
          })
          .finally(() => underWay.delete(id))
      }
    }
  }

  /** What could not be noted when it was told is noted when the journal is back. */
  function settle({ webhook, told, underWay }: Line): void {
    const state = journal()?.state().webhooks[webhook.name]
    if (state === undefined) return
    for (const [id, { event, at }] of told) {
      const kept = state.told[id]
      if (kept !== undefined && !isBefore(kept.event, event)) told.delete(id)
      else if (!underWay.has(id)) {
        underWay.add(id)
        const end = { kind: 'end', webhook: webhook.name, incident: id, event, at } as const
        void noted({ ...end, outcome: 'delivered' }).finally(() => underWay.delete(id))
      }
    }
  }

  async function deliver(line: Line, due: Delivery): Promise<void> {
    const { webhook } = line
    const about = { webhook: webhook.name, incident: due.incident.id, event: due.event }
    const at = now()
    if (!(await noted({ kind: 'claim', ...about, by: holder, at, until: at + 2 * times.timeoutMs }))) {
      // Another process is at it, or has done it: the journal will say so.
      line.waiting.set(about.incident, { attempts: 0, until: now() + 2 * times.lookMs })
      return
    }
    if (now() - due.at >= times.giveUpMs) return end(line, due, 'given-up')
    const sent = await send(webhook, messageOf(due), { now, timeoutMs: times.timeoutMs, signal })
    if (sent.kind === 'delivered') return end(line, due, 'delivered')
    if (sent.kind === 'gone') return disable(line, sent)
    failed(line, due, sent.answer, sent.retryAfterMs)
  }

  async function end(
    line: Line,
    { incident, event }: Delivery,
    outcome: 'delivered' | 'given-up',
  ): Promise<void> {
    const { webhook, told, waiting } = line
    const at = now()
    told.set(incident.id, { event, at })
    waiting.delete(incident.id)
    if (outcome === 'delivered') line.lastError = null
    else log.error({ webhook: webhook.name, incident: incident.id, event }, 'a webhook is given up')
    await noted({ kind: 'end', webhook: webhook.name, incident: incident.id, event, at, outcome })
  }

  async function disable(line: Line, { answer }: Sent): Promise<void> {
    const at = now()
    line.disabled = { at, why: answer }
    line.lastError = { at, why: answer }
    log.error(
      { webhook: line.webhook.name, answer },
      'a webhook wants no more: it is disabled until a test is taken',
    )
    await noted({ kind: 'disable', webhook: line.webhook.name, at, why: answer })
  }

  function failed(line: Line, { incident, event }: Delivery, why: string, retryAfterMs: number | null): void {
    const { webhook, waiting } = line
    const attempts = (waiting.get(incident.id)?.attempts ?? 0) + 1
    const regular = times.retryMs[Math.min(attempts, times.retryMs.length) - 1] ?? 0
    const asked = Math.min(retryAfterMs ?? 0, MOST_RETRY_AFTER_MS)
    // Not all at once, where many failed together.
    const pause = Math.max(asked, regular * (0.9 + Math.random() / 5))
    waiting.set(incident.id, { attempts, until: now() + pause })
    line.lastError = { at: now(), why }
    log.warn(
      { webhook: webhook.name, incident: incident.id, event, attempts, why },
      'a webhook is not delivered yet',
    )
  }

  function standingOf(line: Line): WebhookStanding {
    const { webhook, lastError } = line
    const { name, url, events, clusters } = webhook
    const state = known(line) ?? { ...NOTHING, since: startedAt }
    const pending = pendingOf(webhook, state, incidents())
    const standing = (): WebhookStanding['state'] => {
      if (state.disabled !== null) return 'disabled'
      if (lastError !== null) return 'failing'
      return pending > 0 ? 'delivering' : 'quiet'
    }
    const { delivered, givenUp, lastDelivered, disabled } = state
    return {
      ...{
        name,
        url: new URL(url).origin,
        events: [...events],
        clusters: clusters === null ? null : [...clusters],
      },
      ...{ state: standing(), delivered, givenUp, pending, lastDelivered, lastError, disabled },
      journal: journal() === undefined ? 'away' : 'open',
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      look()
      await delay(times.lookMs, undefined, { signal }).catch(() => undefined)
    }
  }

  return {
    standings: () => lines.map(standingOf),
    async test(name, until) {
      const line = lines.find(({ webhook }) => webhook.name === name)
      if (line === undefined)
        throw new AjnaError(WEBHOOK_UNKNOWN, `there is no webhook ${JSON.stringify(name)}`)
      const message = testMessage(randomUUID(), fleet, now())
      const began = performance.now()
      const both = AbortSignal.any([signal, until])
      const sent = await send(line.webhook, message, { now, timeoutMs: times.timeoutMs, signal: both })
      const delivered = sent.kind === 'delivered'
      if (delivered) {
        line.lastError = null
        line.disabled = null
        await noted({ kind: 'enable', webhook: name })
      }
      return { delivered, id: message.id, answer: sent.answer, tookMs: Math.round(performance.now() - began) }
    },
    done: run(),
  }
}

const NOTHING: Omit<WebhookState, 'since'> = {
  told: {},
  claims: {},
  disabled: null,
  delivered: 0,
  givenUp: 0,
  lastDelivered: null,
}
