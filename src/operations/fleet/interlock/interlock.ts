import { randomUUID } from 'node:crypto'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import type { Journal } from '../../../foundation/journal/journal.ts'
import { type Logger, silentLogger } from '../../../foundation/log/log.ts'
import type { ShardsClock } from '../../../foundation/shards/contract.ts'
import { leaseEnd } from '../../../foundation/shards/decide.ts'
import {
  type ActOutcome,
  type Answer,
  type Domain,
  describeDomain,
  type HeldLease,
  type Interlock,
  type InterlockCommand,
  type InterlockState,
  type Lease,
  type LeaseRequest,
  type Obstacle,
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

/** A moment on both clocks: the monotonic one stands still while a machine is suspended, the wall clock does not. */
interface Moment {
  readonly monotonic: number
  readonly wall: number
}

interface Own {
  readonly domain: Domain
  readonly leaseMs: number
  readonly ending: AbortController
  /** Just before the last renewal that was read back was sent: what the right to act counts from. */
  granted: Moment
  /** When the last renewal was asked for, monotonic. */
  asked: number
  renewing: boolean
}

interface Sighting {
  readonly renewed: number
  readonly at: number
}

/** What this process knows: its own leases, what it saw of others'. */
interface Party {
  readonly journal: Journal<InterlockState, InterlockCommand>
  readonly holder: string
  readonly clock: ShardsClock
  readonly lookMs: number
  readonly newId: () => string
  readonly logger: Logger
  readonly mine: Map<string, Own>
  readonly seen: Map<string, Sighting>
  readonly probed: Map<string, Sighting>
  /** Leases of others that are being probed or expired. */
  readonly underWay: Set<string>
  readonly closing: AbortController
}

/** Takes part in the interlock: leases of its own, and the expiry of those whose holders fell silent. */
export function openInterlock(options: InterlockOptions): Interlock & AsyncDisposable {
  const { journal, holder, lookMs = DEFAULT_LOOK_MS, newId = randomUUID, logger = silentLogger } = options
  const clock = options.clock ?? { monotonic: () => performance.now(), wall: Date.now }
  const known = { mine: new Map(), seen: new Map(), probed: new Map(), underWay: new Set<string>() }
  const party: Party = {
    journal,
    holder,
    clock,
    lookMs,
    newId,
    logger,
    ...known,
    closing: new AbortController(),
  }
  const unobserve = journal.observe(() => look(party))
  const looking = setInterval(() => act(party), lookMs)
  const stop = () => {
    journal.stopped.removeEventListener('abort', stop)
    clearInterval(looking)
    unobserve()
    party.closing.abort()
    for (const [id, own] of party.mine) endOwn(party, id, own)
  }
  journal.stopped.addEventListener('abort', stop)
  look(party)
  return {
    acquire: (request, signal) => acquire(party, request, signal),
    obstacle: domain => obstacle(party, domain),
    held: () => held(party),
    history: () => journal.state().ended.toReversed(),
    [Symbol.asyncDispose]: async () => stop(),
  }
}

function held({ journal }: Party): readonly HeldLease[] {
  return Object.values(journal.state().leases)
}

function moment({ clock }: Party): Moment {
  return { monotonic: clock.monotonic(), wall: clock.wall() }
}

function mayAct(party: Party, { granted, leaseMs }: Own): boolean {
  const now = moment(party)
  return now.monotonic < leaseEnd(granted.monotonic, leaseMs) && now.wall < leaseEnd(granted.wall, leaseMs)
}

/** Takes in what the journal says now. Seeing a renewal late only lengthens the time its holder is left alone. */
function look(party: Party): void {
  const { journal, clock, mine, seen, probed } = party
  const { leases } = journal.state()
  const at = clock.monotonic()
  for (const { id, renewed } of held(party))
    if (seen.get(id)?.renewed !== renewed) seen.set(id, { renewed, at })
  for (const sightings of [seen, probed])
    for (const id of sightings.keys()) if (!Object.hasOwn(leases, id)) sightings.delete(id)
  for (const [id, own] of mine) if (!Object.hasOwn(leases, id) || !mayAct(party, own)) endOwn(party, id, own)
}

function endOwn({ mine }: Party, id: string, own: Own): void {
  mine.delete(id)
  own.ending.abort(new Error(`the lease on ${describeDomain(own.domain)} has ended`))
}

function act(party: Party): void {
  look(party)
  const { clock, mine, seen, probed, closing, logger, holder } = party
  for (const action of decide({ now: clock.monotonic(), leases: held(party), mine, seen, probed }))
    perform(party, action).catch((error: unknown) => {
      // Nothing is lost by a renewal or an expiry that failed: the lease ends, or the next look decides again.
      if (!isAjnaError(error)) throw error
      if (!closing.signal.aborted) logger.warn({ err: error, holder }, 'interlock')
    })
}

async function perform(party: Party, action: Action): Promise<void> {
  const { journal, clock, probed, underWay, closing } = party
  const { signal } = closing
  const { id } = action
  if (action.kind === 'renew') return renew(party, id)
  if (underWay.has(id)) return
  underWay.add(id)
  try {
    if (action.kind === 'expire') await journal.submit(action, { signal })
    else {
      await journal.sync(signal)
      probed.set(id, { renewed: action.renewed, at: clock.monotonic() })
    }
  } finally {
    underWay.delete(id)
  }
}

async function renew(party: Party, id: string): Promise<void> {
  const own = party.mine.get(id)!
  const asked = moment(party)
  own.asked = asked.monotonic
  own.renewing = true
  try {
    const { accepted } = await party.journal.submit({ kind: 'renew', id }, { signal: party.closing.signal })
    if (accepted) own.granted = asked
  } finally {
    own.renewing = false
  }
}

async function acquire(party: Party, request: LeaseRequest, signal?: AbortSignal): Promise<Answer> {
  const { journal, holder, lookMs, mine } = party
  const { domain, purpose, leaseMs = DEFAULT_LEASE_MS } = request
  if (leaseMs < 10 * lookMs)
    throw new Error(`leases are looked at every ${lookMs} ms: ${leaseMs} ms is too short for one`)
  const granted = moment(party)
  const id = party.newId()
  const command = { kind: 'acquire', id, domain, holder, purpose, leaseMs } as const
  const outcome = await journal.submit(command, signal === undefined ? {} : { signal })
  if (!outcome.accepted) return { granted: false, reason: outcome.reason, obstacle: obstacle(party, domain) }
  const ending = new AbortController()
  const own: Own = { domain, leaseMs, ending, granted, asked: granted.monotonic, renewing: false }
  mine.set(id, own)
  look(party)
  return { granted: true, lease: leaseOf(party, id, own, outcome.offset) }
}

function obstacle({ journal, clock, seen }: Party, domain: Domain): Obstacle | undefined {
  const lease = inTheWay(journal.state(), domain)
  if (lease === undefined) return undefined
  const silentMs = clock.monotonic() - (seen.get(lease.id)?.at ?? clock.monotonic())
  return { lease, endsAt: clock.wall() + Math.max(0, lease.leaseMs - silentMs) }
}

function leaseOf(party: Party, id: string, own: Own, token: number): Lease {
  return {
    id,
    domain: own.domain,
    fence: { keeper: party.journal.identity, token },
    holds: () => !own.ending.signal.aborted && mayAct(party, own),
    ended: own.ending.signal,
    async release({ outcome, evidence = [] }: ActOutcome, signal?: AbortSignal) {
      endOwn(party, id, own)
      const command: InterlockCommand = { kind: 'release', id, outcome, evidence: [...evidence] }
      return (await party.journal.submit(command, signal === undefined ? {} : { signal })).accepted
    },
  }
}
