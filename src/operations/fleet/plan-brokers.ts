import type { ClusterSnapshot } from '../../foundation/kafka/snapshot.ts'
import type { ResolvedCluster } from './contract.ts'
import { type Difference, type PlanInput, partNotKnown, type Refusal } from './plan-model.ts'

/** Brokers declared and not there are started; brokers there and not declared, or elsewhere, are people's business. */
export function diffBrokers(
  input: PlanInput,
  cluster: ResolvedCluster,
  snapshot: ClusterSnapshot,
): Difference {
  if (!snapshot.cluster.ok) return partNotKnown(cluster.name, 'cluster', snapshot.cluster.error)
  if (cluster.driver === 'existing') return { steps: [] }
  const registered = new Map(snapshot.cluster.value.brokers.map(broker => [broker.id, broker]))
  const down = cluster.nodes.filter(({ id }) => registered.get(id)?.fenced !== false).map(({ id }) => id)
  const before = input.accepted?.clusters.find(({ name }) => name === cluster.name)
  const known = before?.driver === 'local' ? before.nodes.map(({ id }) => id) : []
  const reason = down.every(id => known.includes(id)) ? ('drift' as const) : ('new' as const)
  const text = `start ${down.length === 1 ? 'broker' : 'brokers'} ${down.join(', ')}`
  return {
    steps:
      down.length === 0
        ? []
        : [{ reason, text, warning: null, action: { kind: 'start-brokers', brokers: down } }],
    refusals: [...registered.values()].flatMap(({ id, rack }): Omit<Refusal, 'cluster'>[] => {
      const node = cluster.nodes.find(each => each.id === id)
      const subject = `broker ${id}`
      if (node === undefined) {
        return [
          {
            subject,
            wanted: 'to be gone: it is not declared',
            because:
              'its replicas would have to be moved first; a cluster is not shrunk by leaving a broker out',
          },
        ]
      }
      if (node.rack === rack) return []
      return [
        {
          subject,
          wanted: `rack ${node.rack ?? 'none'} instead of ${rack ?? 'none'}`,
          because: 'replicas were placed by the rack it has; it changes with a restart and a reassignment',
        },
      ]
    }),
  }
}
