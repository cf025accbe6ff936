import { randomUUID } from 'node:crypto'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import type { Journal, SubmitOptions } from '../../../foundation/journal/journal.ts'
import { type Logger, silentLogger } from '../../../foundation/log/log.ts'
import type { ShardsClock } from '../../../foundation/shards/contract.ts'
import { leaseEnd } from '../../../foundation/shards/decide.ts'
import type {
  ActOutcome,
  Answer,
  Domain,
  Interlock,
  InterlockCommand,
  InterlockState,
  Lease,
  LeaseRequest,
} from './contract.ts'
import { type Action, decide } from './decide.ts'
import { inTheWay } from './machine.ts'

const DEFAULT_LEASE_MS = 15_000
const DEFAULT_LOOK_MS = 500

export interface InterlockOptions {
  /** Stays the caller's. */
  readonly journal: Journal<InterlockState, InterlockCommand>
  /** This process, for people. */
  readonly holder: string
  readonly clock?: ShardsClock
  /** How often leases are looked at; none may be shorter than ten looks. Default 500 ms. */
  readonly lookMs?: number
  readonly newId?: () => string
  readonly logger?: Logger
}

interface Own {
  readonly domain: Domain
  readonly leaseMs: number
  readonly ending: AbortController
  /** Just before the last renewal that was read back was sent: what the right to act counts from. */
  granted: { readonly monotonic: number; readonly wall: number }
  asked: number
  renewing: boolean
}

/** Takes part in the interlock: leases of its own, and the expiry of those whose holders fell silent. */
export function openInterlock(options: InterlockOptions): Interlock & AsyncDisposable {
  const { journal, holder, newId = randomUUID, logger = silentLogger } = options
  const lookMs = options.lookMs ?? DEFAULT_LOOK_MS
  const clock = options.clock ?? { monotonic: () => performance.now(), wall: Date.now }
  const mine = new Map<string, Own>()
  const seen = new Map<string, { renewed: number; at: number }>()
  const probed = new Map<string, { renewed: number; at: number }>()
  const probing = new Set<string>()
  const closing = new AbortController()
  const held = () => Object.values(journal.state().leases)
  const moment = () => ({ monotonic: clock.monotonic(), wall: clock.wall() })

  function look(): void {
    const { leases } = journal.state()
    const at = clock.monotonic()
    for (const { id, renewed } of held()) if (seen.get(id)?.renewed !== renewed) seen.set(id, { renewed, at })
    for (const known of [seen, probed])
      for (const id of known.keys()) if (!Object.hasOwn(leases, id)) known.delete(id)
    for (const [id, own] of mine) if (!Object.hasOwn(leases, id) || !mayAct(own)) endOwn(id, own)
  }

  function mayAct({ granted, leaseMs }: Own): boolean {
    return (
      clock.monotonic() < leaseEnd(granted.monotonic, leaseMs) &&
      clock.wall() < leaseEnd(granted.wall, leaseMs)
    )
  }

  function endOwn(id: string, own: Own): void {
    mine.delete(id)
    own.ending.abort(new Error(`the lease on ${own.domain.cluster} has ended`))
  }

  function act(): void {
    look()
    const facts = { now: clock.monotonic(), leases: held(), mine, seen, probed }
    for (const action of decide(facts)) perform(action).catch(passOver)
  }

  async function perform(action: Action): Promise<void> {
    const { id } = action
    if (action.kind === 'renew') return renew(id)
    if (action.kind === 'expire') return void (await journal.submit(action, { signal: closing.signal }))
    if (probing.has(id)) return
    probing.add(id)
    try {
      await journal.sync(closing.signal)
      probed.set(id, { renewed: action.renewed, at: clock.monotonic() })
    } finally {
      probing.delete(id)
    }
  }

  async function renew(id: string): Promise<void> {
    const own = mine.get(id)!
    const asked = moment()
    own.asked = asked.monotonic
    own.renewing = true
    try {
      const { accepted } = await journal.submit({ kind: 'renew', id }, { signal: closing.signal })
      if (accepted) own.granted = asked
    } finally {
      own.renewing = false
    }
  }

  async function acquire(
    { domain, purpose, leaseMs = DEFAULT_LEASE_MS }: LeaseRequest,
    signal?: AbortSignal,
  ): Promise<Answer> {
    if (leaseMs < 10 * lookMs)
      throw new Error(`leases are looked at every ${lookMs} ms: ${leaseMs} ms is too short for one`)
    const granted = moment()
    const id = newId()
    const own: Own = {
      domain,
      leaseMs,
      ending: new AbortController(),
      granted,
      asked: granted.monotonic,
      renewing: false,
    }
    const options: SubmitOptions = signal === undefined ? {} : { signal }
    const outcome = await journal.submit({ kind: 'acquire', id, domain, holder, purpose, leaseMs }, options)
    if (!outcome.accepted)
      return { granted: false, reason: outcome.reason, inTheWay: inTheWay(journal.state(), domain) }
    mine.set(id, own)
    look()
    return { granted: true, lease: leaseOf(id, own, outcome.offset) }
  }

  function leaseOf(id: string, own: Own, token: number): Lease {
    return {
      id,
      domain: own.domain,
      token,
      holds: () => !own.ending.signal.aborted && mayAct(own),
      ended: own.ending.signal,
      async release({ outcome, evidence = [] }: ActOutcome, signal?: AbortSignal) {
        endOwn(id, own)
        const released: InterlockCommand = { kind: 'release', id, outcome, evidence: [...evidence] }
        return (await journal.submit(released, signal === undefined ? {} : { signal })).accepted
      },
    }
  }

  const unobserve = journal.observe(look)
  const looking = setInterval(act, lookMs)
  const stop = () => {
    clearInterval(looking)
    unobserve()
    closing.abort()
    for (const [id, own] of mine) endOwn(id, own)
  }
  journal.stopped.addEventListener('abort', stop, { once: true })
  look()

  return {
    acquire,
    held,
    history: () => journal.state().ended.toReversed(),
    async [Symbol.asyncDispose]() {
      journal.stopped.removeEventListener('abort', stop)
      stop()
    },
  }

  /** Nothing is lost by a renewal or an expiry that failed: the lease ends, or the next look decides again. */
  function passOver(error: unknown): void {
    if (!isAjnaError(error)) throw error
    if (!closing.signal.aborted) logger.warn({ err: error, holder }, 'interlock')
  }
}
