import type { ClusterSnapshot, PartError } from '../../foundation/kafka/snapshot.ts'
import type { ActualCluster, ResolvedCluster } from './contract.ts'
import { diffAcls, diffQuotas } from './plan-access.ts'
import { diffBrokers } from './plan-brokers.ts'
import { planLinks } from './plan-links.ts'
import { diffMachines } from './plan-machines.ts'
import {
  type Difference,
  type FleetPlan,
  type Note,
  type PlanInput,
  type Reason,
  stepId,
} from './plan-model.ts'
import { diffTopics } from './plan-topics.ts'

/** Declared against actual: what has to be done, what must not be done, and what cannot be seen. Pure. */
export function planFleet(input: PlanInput): FleetPlan {
  const parts = input.fleet.clusters.map(cluster => planCluster(input, cluster))
  const gone = (input.accepted?.clusters ?? []).filter(
    ({ name }) => !input.fleet.clusters.some(cluster => cluster.name === name),
  )
  return {
    fleet: input.fleet.name,
    steps: parts.flatMap(part => part.steps),
    machines: diffMachines(input.fleet, input.accepted),
    refusals: parts.flatMap(part => part.refusals),
    notes: [
      ...parts.flatMap(part => part.notes),
      ...gone.map(
        ({ name }): Note => ({
          kind: 'cluster-no-longer-declared',
          cluster: name,
          text: `Cluster ${name} is no longer declared. Its brokers and data are left as they are.`,
        }),
      ),
    ],
    links: planLinks(input.fleet, input.accepted),
  }
}

export type ClusterPlan = Omit<FleetPlan, 'fleet' | 'machines' | 'links'>

/** One cluster's part. */
export function planCluster(input: PlanInput, cluster: ResolvedCluster): ClusterPlan {
  const actual = input.actual.get(cluster.name) ?? NOT_LOOKED_AT
  const differences = differencesOf(input, cluster, actual)
  return {
    steps: differences.flatMap(({ steps }) =>
      steps.map(step => ({ id: stepId(cluster.name, step.action), cluster: cluster.name, ...step })),
    ),
    refusals: differences.flatMap(({ refusals = [] }) =>
      refusals.map(each => ({ cluster: cluster.name, ...each })),
    ),
    notes: differences.flatMap(({ notes = [] }) => notes),
  }
}

const NOT_LOOKED_AT: ActualCluster = {
  kind: 'unreachable',
  error: { code: 'NOT_LOOKED_AT', message: 'it was not looked at' },
}

function differencesOf(input: PlanInput, cluster: ResolvedCluster, actual: ActualCluster): Difference[] {
  switch (actual.kind) {
    case 'unreachable':
      return [
        {
          steps: [],
          notes: [nothingKnown(cluster.name, `cannot be reached: ${actual.error.message}`, actual.error)],
        },
      ]
    case 'stopped':
      return [
        startAll(cluster, 'drift'),
        {
          steps: [],
          notes: [nothingKnown(cluster.name, 'does not run: what else differs shows once it does', null)],
        },
      ]
    case 'absent':
      return [startAll(cluster, 'new'), ...differencesWith(input, cluster, EMPTY)]
    case 'seen':
      return [
        diffBrokers(input, cluster, actual.snapshot),
        ...differencesWith(input, cluster, actual.snapshot),
      ]
  }
}

/** Rights that are added come before those taken away, and what deletes comes last. */
function differencesWith(
  input: PlanInput,
  cluster: ResolvedCluster,
  snapshot: ClusterSnapshot,
): Difference[] {
  const topics = diffTopics(input, cluster, snapshot)
  return [
    topics.changes,
    diffAcls(input, cluster, snapshot),
    diffQuotas(input, cluster, snapshot),
    topics.deletions,
  ]
}

const nothingKnown = (cluster: string, why: string, error: PartError | null): Note => ({
  kind: 'not-known',
  part: 'everything',
  cluster,
  error,
  text: `Cluster ${cluster} ${why}`,
})

function startAll(cluster: ResolvedCluster, reason: Reason): Difference {
  const brokers = cluster.driver === 'local' ? cluster.nodes.map(node => node.id) : []
  const text = `start brokers ${brokers.join(', ')}`
  return { steps: [{ reason, text, warning: null, action: { kind: 'start-brokers', brokers } }] }
}

/** A cluster that is made by its first start. */
const EMPTY: ClusterSnapshot = {
  at: 0,
  tookMs: 0,
  cluster: { ok: false, error: { code: 'ABSENT', message: 'the cluster does not exist yet' } },
  quorum: { ok: false, error: { code: 'ABSENT', message: 'the cluster does not exist yet' } },
  features: { ok: true, value: [] },
  topics: { ok: true, value: [] },
  eligibleLeaders: { ok: true, value: [] },
  reassignments: { ok: true, value: [] },
  configs: { ok: true, value: [] },
  offsets: { ok: true, value: [] },
  logDirs: { ok: true, value: [] },
  groups: { ok: true, value: [] },
  quotas: { ok: true, value: [] },
  acls: { ok: true, value: [] },
}
