import type { Machine } from '../../../foundation/journal/contract.ts'
import type { HeldLease, InterlockCommand, InterlockState } from '../../fleet/interlock/contract.ts'
import type {
  BrokerFacts,
  Decision,
  Diagnosis,
  HealFacts,
  HealPolicy,
  IncidentsCommand,
  IncidentsState,
} from '../contract.ts'
import type { HealMemory } from '../decide.ts'
import type { secondRack } from '../in-the-way.ts'

/**
 * What is under test: the rules that a fleet runs, exactly as they are. Tests exchange one of them for a broken one, to see
 * that the simulation finds out.
 */
export interface Rules {
  readonly isSuspect: (
    broker: Pick<BrokerFacts, 'testimony' | 'probe' | 'registration'>,
    at: number,
  ) => boolean
  readonly diagnose: (facts: HealFacts) => readonly Diagnosis[]
  readonly decide: (d: Diagnosis, facts: HealFacts, policy: HealPolicy, memory: HealMemory) => Decision
  readonly incidents: Machine<IncidentsState, IncidentsCommand>
  readonly interlock: Machine<InterlockState, InterlockCommand>
  /** Why an act waits for one in another rack, looked at once more under the lease. */
  readonly secondRack: typeof secondRack
  /** The interlock's: when its leases are renewed, and others' expired. */
  readonly keep: (facts: LeaseFacts) => readonly LeaseAction[]
  /** The agent's: whether an order with this token is obeyed, after the highest that was. */
  readonly obeys: (highest: number, token: number) => boolean
}

/** As in fleet/interlock/decide.ts. */
export interface LeaseFacts {
  readonly now: number
  readonly leases: readonly HeldLease[]
  readonly mine: ReadonlyMap<string, { readonly asked: number; readonly renewing: boolean }>
  readonly seen: ReadonlyMap<string, { readonly renewed: number; readonly at: number }>
  readonly probed: ReadonlyMap<string, { readonly renewed: number; readonly at: number }>
}

export type LeaseAction =
  | { readonly kind: 'renew'; readonly id: string }
  | { readonly kind: 'probe'; readonly id: string; readonly renewed: number }
  | { readonly kind: 'expire'; readonly id: string; readonly renewed: number }

export interface SimulationOptions {
  readonly rules: Rules
  /** Numbers in [0, 1) that a seed makes repeatable. */
  readonly randomOf: (seed: number) => () => number
  readonly seed: number
  readonly clusters: number
  /** Of all clusters together. */
  readonly brokers: number
  readonly partitions: number
  readonly failures: number
  readonly days: number
  /** Control processes that heal side by side; none: what Kafka and the agents do alone. */
  readonly healers: number
  /** Measures a round's decisions on a clock of this world, ms; undefined: they are not measured. */
  readonly clock?: () => number
}

/** A promise that was not kept. */
export interface Violation {
  readonly promise: string
  readonly what: string
  /** Simulated ms. */
  readonly at: number
  readonly cluster: string
  /** What had gone on in the cluster, oldest first. */
  readonly history: readonly string[]
}

export const failureKinds = [
  'kill',
  'freeze',
  'flapping',
  'rack',
  'slow-host',
  'lagging',
  'agent-gone',
  'agent-lies-dead',
  'agent-lies-frozen',
  'unregistered',
  'migration',
  'healer-dies',
  'healer-freezes',
  'pause',
] as const
export type FailureKind = (typeof failureKinds)[number]

/** One thing that goes wrong: where, when, for how long. */
export interface Failure {
  readonly kind: FailureKind
  readonly at: number
  /** Index; what befalls the healers or all clusters is told of cluster 0. */
  readonly cluster: number
  /** Index in the cluster. */
  readonly broker: number
  readonly lastsMs: number
  /** In [0, 1): what else is open about it. */
  readonly dice: number
}

export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

export interface SimulationReport {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly failures: Readonly<Record<string, number>>
  readonly events: number
  readonly acts: Readonly<Record<string, number>>
  /** Decisions not to act that became an incident, by reason. */
  readonly refusals: Readonly<Record<string, number>>
  readonly incidents: number
  readonly states: Readonly<Record<string, number>>
  /** Unregistrations that hit a successor of the dead process; each was restarted then. */
  readonly lateUnregistrations: number
  readonly staleOrdersRefused: number
  readonly leases: Readonly<Record<string, number>>
  /** From the failure until writes flow to every partition of the broker again, ms, by kind of failure. */
  readonly availableMs: Readonly<Record<string, Spread>>
  /** What failed and did not flow again before the end. */
  readonly neverAvailable: number
  readonly round: { readonly rounds: number; readonly diagnoses: number } & Omit<Spread, 'count'>
}
