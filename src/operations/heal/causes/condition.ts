/** What all causes that stand for a while have in common. Pure. */
import type { ConditionFacts } from '../conditions/facts.ts'
import type { StandingCause } from '../conditions/standing.ts'
import type { Diagnosis, HealFacts, Subject } from '../contract.ts'

export interface Found {
  readonly cause: StandingCause
  readonly subject: Subject
  /** ms since the epoch. */
  readonly since: number
  readonly signals: Diagnosis['signals']
  readonly evidence: NonNullable<Diagnosis['evidence']>
  /** Tells it from others of the same subject; default: when it began. */
  readonly mark?: string
}

export function diagnosisOf({ cluster }: HealFacts, found: Found): Diagnosis {
  const { cause, subject, since, signals, evidence, mark } = found
  return {
    ...{ cause, cluster, subject, signals, evidence },
    // It is about more than one broker.
    domain: { kind: 'cluster', cluster },
    beganAt: since,
    mark: `${SHORT[cause]}-${mark ?? since.toString(36)}`,
    pid: null,
    affected: { leaderless: 0, waitingForIt: 0, lastInSync: [] },
  }
}

/** Part of an incident's id. */
const SHORT: Readonly<Record<StandingCause, string>> = {
  'leaders-unbalanced': 'away',
  'quorum-at-risk': 'risk',
  'under-replicated': 'behind',
  'isr-flapping': 'flaps',
  'data-movement': 'moved',
  'unclean-leader': 'unclean',
}

/** Whether a broker has been well for so long that nothing is left of an absence. */
export function isSettled({ wellSince, patience }: ConditionFacts, broker: number, at: number): boolean {
  const since = wellSince.get(broker)
  return since !== undefined && at - since >= patience.settledMs
}

/** What fails, or has just failed, in the cluster: it explains what else is out of order there. Undefined: nothing does. */
export function troubleIn(
  { brokers, at }: HealFacts,
  conditions: ConditionFacts,
  cause: StandingCause,
): string | undefined {
  const { around } = conditions
  const other = around.incidents.find(each => each.standing !== cause)
  if (other !== undefined) return `incident ${other.id} (${other.cause}) is open`
  const unsettled = brokers.find(({ id }) => !isSettled(conditions, id, at))
  if (unsettled !== undefined) return `broker ${unsettled.id} has not settled`
  const [lease] = around.leases
  return lease === undefined ? undefined : `somebody has a lease: ${lease}`
}

/** Whether a broker's own trouble explains what is the matter with what it keeps. */
export function isExplainedBy(facts: HealFacts, conditions: ConditionFacts, broker: number): boolean {
  const { wellSince, around } = conditions
  if (around.incidents.some(each => each.standing === null && each.broker === broker)) return true
  return facts.brokers.some(({ id }) => id === broker) && !wellSince.has(broker)
}

const SHOWN = 10

/** The first of many, in one line of at most a thousand characters. */
export function listed(lines: readonly string[]): string {
  const more = lines.length - SHOWN
  return `${lines.slice(0, SHOWN).join('; ')}${more > 0 ? `; and ${more} more` : ''}`.slice(0, 1_000)
}
