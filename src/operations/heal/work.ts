/** What is shared by all who work on one incident. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Domain, Lease } from '../fleet/interlock/contract.ts'
import type { Chronicle, Firm } from './chronicle.ts'
import type { Decision, Diagnosis, HealFacts, Incident, Subject } from './contract.ts'
import { wanted } from './decide.ts'
import { cares } from './diagnose.ts'
import type { HealerOptions } from './ends.ts'
import { heldText, secondRack } from './in-the-way.ts'

/** The healer, and what it sees just now. */
export interface Work extends HealerOptions {
  readonly answers: (broker: number) => boolean
  /** A disk: it is well, and its broker has it. Anything else: true. */
  readonly isWell: (subject: Subject) => boolean
  /** When one of the sides last said something new, ms since the epoch. */
  readonly stirredAt: () => number
  /** Whether a diagnosis is what would be made now too. */
  readonly stillSo: (diagnosis: Diagnosis) => Promise<boolean>
  /** Whether a process that was found frozen runs again. */
  readonly hasWoken: (diagnosis: Diagnosis) => Promise<boolean>
  /** What would be found and decided now of an incident's failure; undefined: it is not so any more. */
  readonly again: (
    incident: Incident,
  ) => Promise<{ readonly diagnosis: Diagnosis; readonly decision: Decision } | undefined>
  /** What may be done about it, by policy, limits and pause too. */
  readonly decide: (found: Extract<Again, { kind: 'so' }>) => Decision
  /** Of what stands for a while: whether it still does, as far as was seen last. */
  readonly stands: (incident: Incident) => boolean
  /** What would be diagnosed now of an incident's failure, for a person, or for whoever acts on what one has said. */
  readonly lookAgain: (of: Pick<Incident, 'id' | 'cause' | 'subject' | 'beganAt'>) => Promise<Again>
}

export type Again =
  | { readonly kind: 'so'; readonly diagnosis: Diagnosis; readonly facts: HealFacts }
  /** It is not so any more. */
  | { readonly kind: 'gone' }
  /** That cannot be told just now. */
  | { readonly kind: 'unclear'; readonly why: string }

/** How long its holder may be silent before another healer may act in its stead. */
export const ACT_LEASE_MS = 6_000
/** Shorter than who is silent is left alone: one that waits for a lease is not overtaken for it. */
const LEASE_WITHIN_MS = 6_000
const LEASE_AGAIN_MS = 200

/**
 * The lease, or why there is none: somebody else acts on the cluster, or what was to be healed is no longer so.
 *
 * @param refused tells whose lease stands in the way; false: another healer has told of the incident meanwhile
 */
export async function leaseFor(
  { interlock, signal }: HealerOptions,
  chronicle: Chronicle,
  domain: Domain,
  stillWanted: () => Promise<boolean>,
  refused: (why: string) => Promise<boolean>,
): Promise<Lease | string> {
  const { cause, decision } = chronicle.now()
  const until = performance.now() + LEASE_WITHIN_MS
  const purpose = `healing ${cause}: ${decision.remedy}`
  for (;;) {
    const keys = interlock()
    if (keys === undefined) return 'no lease: where leases are kept cannot be reached'
    const answer = await keys.acquire({ domain, purpose, leaseMs: ACT_LEASE_MS }, signal)
    if (answer.granted) return answer.lease
    const { obstacle, reason } = answer
    if (!(await refused(obstacle === undefined ? reason : heldText(obstacle.lease, domain))))
      return 'another healer has it'
    do {
      if (performance.now() > until) return NOT_IN_TIME
      await delay(LEASE_AGAIN_MS, undefined, { signal })
    } while (keys.obstacle(domain) !== undefined)
    if (!(await stillWanted())) return 'no lease in time: it is not so any more'
  }
}

const NOT_IN_TIME = `no lease in ${LEASE_WITHIN_MS / 1_000} s: it is decided on again once the lease is given up`

export const HELD_UP = 'nothing is done for now: '

/** Who else is at work on the cluster, so that this has to wait; undefined: nobody. */
export function inTheWay(
  { cluster, brokers, book, interlock, now }: HealerOptions,
  { cause, subject }: Pick<Incident, 'cause' | 'subject'>,
): string | undefined {
  const wanted = domainOf({ cluster, brokers }, subject)
  const held = interlock()?.obstacle(wanted)
  if (held !== undefined) return heldText(held.lease, wanted)
  return secondRack({ cluster, cause, subject }, brokers, book.list(), now())
}

/** What nobody else may act on while the subject is healed. */
export function domainOf(
  { cluster, brokers }: Pick<HealerOptions, 'cluster' | 'brokers'>,
  subject: Subject,
): Domain {
  if (!('broker' in subject)) return { kind: 'cluster', cluster }
  const { broker } = subject
  return { kind: 'broker', cluster, rack: brokers.find(({ id }) => id === broker)?.rack ?? null, broker }
}

/** What would be proposed now, policy and limits apart: a person decides. Undefined: there is nothing to do. */
export function proposedNow({ diagnosis, facts }: Extract<Again, { kind: 'so' }>): Firm | undefined {
  const plan = cares[diagnosis.cause].plan(diagnosis, facts)
  switch (plan.kind) {
    case 'nothing':
      return undefined
    case 'none':
      return { kind: 'refuse', reasons: [plan.why], refused: plan.refused }
    case 'remedy':
      return { kind: 'propose', ...wanted(plan) }
    default:
      return plan satisfies never
  }
}

/** Whether it still stands as it was told last. */
export const isCurrent = ({ book }: HealerOptions, { id, revision }: Incident): boolean =>
  book.list().some(each => each.id === id && each.revision === revision)
