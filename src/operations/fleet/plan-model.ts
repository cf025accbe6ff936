import type { AclBinding, QuotaValues } from '../../foundation/kafka/security.ts'
import type { PartError, SnapshotPart } from '../../foundation/kafka/snapshot.ts'
import type { ActualCluster, ResolvedFleet, ResolvedTopic } from './contract.ts'
import type { LinkChange } from './plan-links.ts'

/** Declared against actual: what has to be done, what must not be done, and what cannot be seen. Pure. */
export interface FleetPlan {
  readonly fleet: string
  /** In order within each cluster; clusters do not wait for each other. */
  readonly steps: readonly Step[]
  /** Of the processes that machines run; followed live once the declaration is accepted. */
  readonly machines: readonly MachineChange[]
  readonly refusals: readonly Refusal[]
  readonly notes: readonly Note[]
  /** What changes of links; they are told by their journal, whatever becomes of the clusters' steps. */
  readonly links: readonly LinkChange[]
}

/**
 * Why a step is there. `new`: not there yet; `changed`: the declaration has changed since it was last accepted; `drift`:
 * the declaration has not, the cluster has; `differs`: nothing was accepted before, so nobody can say which.
 */
export type Reason = 'new' | 'changed' | 'drift' | 'differs'

export type Action =
  | { readonly kind: 'start-brokers'; readonly brokers: readonly number[] }
  | { readonly kind: 'create-topic'; readonly topic: ResolvedTopic }
  | { readonly kind: 'add-partitions'; readonly topic: string; readonly from: number; readonly to: number }
  | {
      readonly kind: 'set-topic-config'
      readonly topic: string
      readonly set: Readonly<Record<string, string | null>>
    }
  | { readonly kind: 'create-acls'; readonly principal: string; readonly bindings: readonly AclBinding[] }
  | { readonly kind: 'delete-acls'; readonly principal: string; readonly bindings: readonly AclBinding[] }
  | {
      readonly kind: 'set-quota'
      readonly principal: string
      readonly set: { readonly [Name in keyof QuotaValues]?: number | null }
    }
  | { readonly kind: 'delete-topic'; readonly topic: string; readonly id: string }

export interface Step {
  /** The same for the same step of a later plan. */
  readonly id: string
  readonly cluster: string
  readonly reason: Reason
  /** What will be done, in words. */
  readonly text: string
  /** What is gone or different afterwards and cannot be undone; null: nothing. */
  readonly warning: string | null
  readonly action: Action
}

export interface MachineChange {
  readonly kind: 'mirror-workers'
  readonly from: number
  readonly to: number
  readonly text: string
}

/** A difference that is left alone because closing it would be unsafe. */
export interface Refusal {
  readonly cluster: string
  /** `topic logs.edge` */
  readonly subject: string
  /** What was asked for. */
  readonly wanted: string
  readonly because: string
}

export type Note = { readonly cluster: string; readonly text: string } & (
  | {
      readonly kind: 'not-known'
      readonly part: SnapshotPart | 'everything'
      readonly error: PartError | null
    }
  | { readonly kind: 'undeclared-topic'; readonly topic: string }
  | { readonly kind: 'undeclared-principal'; readonly principal: string }
  /** Rules that a link put there for the time its sides are switched, or keeps in step with its source. */
  | { readonly kind: 'held-rules' }
  /** Rules that would be taken away, were it known that no link holds them. */
  | { readonly kind: 'held-rules-unknown' }
  | { readonly kind: 'no-authorizer' }
  | { readonly kind: 'cluster-no-longer-declared' }
)

/** What one cluster's part of a plan is made of; the order of steps is the order of the lists. */
export interface Difference {
  readonly steps: readonly Omit<Step, 'id' | 'cluster'>[]
  readonly refusals?: readonly Omit<Refusal, 'cluster'>[]
  readonly notes?: readonly Note[]
}

export interface PlanInput {
  readonly fleet: ResolvedFleet
  /** The declaration accepted last; null: none. Tells drift from change, and what was ours from what never was. */
  readonly accepted: ResolvedFleet | null
  readonly actual: ReadonlyMap<string, ActualCluster>
  /** Whether topics that are no longer declared may be deleted. */
  readonly allowDelete: boolean
  /**
   * Access rules, by cluster, that another part of the platform answers for: links put them there and take them away again.
   * They are neither drift nor surplus, whoever they are about.
   */
  readonly heldRules?: HeldRules
}

/** `unknown`: links may hold rules, and it cannot be told which. Then none is taken away. */
export type HeldRules = ReadonlyMap<string, readonly AclBinding[]> | 'unknown'

export function stepId(cluster: string, action: Action): string {
  switch (action.kind) {
    case 'start-brokers':
      return `${cluster}/${action.kind}`
    case 'create-topic':
      return `${cluster}/${action.kind}/${action.topic.name}`
    case 'add-partitions':
    case 'set-topic-config':
    case 'delete-topic':
      return `${cluster}/${action.kind}/${action.topic}`
    case 'create-acls':
    case 'delete-acls':
    case 'set-quota':
      return `${cluster}/${action.kind}/${action.principal}`
  }
}

/** The part of a plan that says a part of the cluster could not be seen. */
export const partNotKnown = (cluster: string, part: SnapshotPart, error: PartError): Difference => ({
  steps: [],
  notes: [
    {
      kind: 'not-known',
      cluster,
      part,
      error,
      text: `Cluster ${cluster}: ${part} could not be seen (${error.message})`,
    },
  ],
})

/** 3: something was refused; 4: something could not be seen, so there may be more to do; 0: this is all. */
export function exitCodeOf(plan: FleetPlan): 0 | 3 | 4 {
  if (plan.refusals.length > 0) return 3
  return plan.notes.some(note => note.kind === 'not-known') ? 4 : 0
}
