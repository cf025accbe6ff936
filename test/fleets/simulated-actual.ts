import { AjnaError } from '../../src/foundation/errors/errors.ts'
import { KAFKA_UNREACHABLE } from '../../src/foundation/kafka/errors.ts'
import { aclKey } from '../../src/foundation/kafka/security.ts'
import type { ClusterSnapshot, Part } from '../../src/foundation/kafka/snapshot.ts'
import type { ActualCluster, ResolvedCluster } from '../../src/operations/fleet/contract.ts'
import type { ClusterExecutor } from '../../src/operations/fleet/execute.ts'
import type { Action } from '../../src/operations/fleet/plan-model.ts'

/** A cluster that exists as a value only, to plan against and to apply plans to in unit tests. */

const ok = <Value>(value: Value): Part<Value> => ({ ok: true, value })

export function emptySnapshot(cluster: ResolvedCluster): ClusterSnapshot {
  const nodes = cluster.driver === 'local' ? cluster.nodes : [1, 2, 3].map(id => ({ id, rack: null }))
  const skipped = { ok: false, error: { code: 'SNAPSHOT_PART_SKIPPED', message: 'not asked for' } } as const
  return {
    at: 0,
    tookMs: 0,
    cluster: ok({
      id: cluster.name,
      brokers: nodes.map(({ id, rack }) => ({ id, rack, host: 'h', port: id, fenced: false })),
    }),
    quorum: skipped,
    features: skipped,
    topics: ok([]),
    eligibleLeaders: skipped,
    reassignments: ok([]),
    configs: ok([]),
    offsets: ok([]),
    logDirs: skipped,
    groups: skipped,
    quotas: ok([]),
    acls: ok([]),
  }
}

const known = <Value>(part: Part<Value>): Value => {
  if (part.ok) return part.value
  throw new Error(part.error.message)
}

/** The snapshot after an action. */
export function act(snapshot: ClusterSnapshot, action: Action): ClusterSnapshot {
  const topics = known(snapshot.topics)
  const configs = known(snapshot.configs)
  const acls = known(snapshot.acls) ?? []
  const quotas = known(snapshot.quotas)
  const partitionsOf = (from: number, to: number, replicas: number) =>
    Array.from({ length: to - from }, (_, index) => ({
      partition: from + index,
      leader: 1,
      leaderEpoch: 0,
      replicas: Array.from({ length: replicas }, (_each, replica) => replica + 1),
      isr: [1],
      offline: [],
    }))
  switch (action.kind) {
    case 'start-brokers':
      return snapshot
    case 'create-topic': {
      const { name, partitions, replicationFactor, config } = action.topic
      const topic = {
        name,
        id: `id-${name}`,
        internal: false,
        partitions: partitionsOf(0, partitions, replicationFactor),
      }
      return {
        ...snapshot,
        topics: ok([...topics, topic]),
        configs: ok([...configs, { topic: name, own: config, minInsyncReplicas: null }]),
      }
    }
    case 'add-partitions': {
      const grown = topics.map(topic =>
        topic.name === action.topic
          ? {
              ...topic,
              partitions: [
                ...topic.partitions,
                ...partitionsOf(action.from, action.to, topic.partitions[0]!.replicas.length),
              ],
            }
          : topic,
      )
      return { ...snapshot, topics: ok(grown) }
    }
    case 'set-topic-config': {
      const changed = configs.map(each =>
        each.topic === action.topic
          ? {
              ...each,
              own: Object.fromEntries(
                Object.entries({ ...each.own, ...action.set }).filter(
                  (entry): entry is [string, string] => entry[1] !== null,
                ),
              ),
            }
          : each,
      )
      return { ...snapshot, configs: ok(changed) }
    }
    case 'delete-topic':
      return { ...snapshot, topics: ok(topics.filter(({ name }) => name !== action.topic)) }
    case 'create-acls':
      return { ...snapshot, acls: ok([...acls, ...action.bindings]) }
    case 'delete-acls': {
      const gone = new Set(action.bindings.map(aclKey))
      return { ...snapshot, acls: ok(acls.filter(acl => !gone.has(aclKey(acl)))) }
    }
    case 'set-quota': {
      const before = quotas.find(({ entity }) => entity.user === action.principal)?.values ?? {}
      const values = Object.fromEntries(
        Object.entries({ ...before, ...action.set }).filter(([, value]) => value !== null),
      )
      const others = quotas.filter(({ entity }) => entity.user !== action.principal)
      return { ...snapshot, quotas: ok([...others, { entity: { user: action.principal }, values }]) }
    }
  }
}

export interface Simulated extends ClusterExecutor {
  actual: ActualCluster
  /** Actions that fail, by the simulated cluster's whim. */
  fails: (action: Action) => boolean
}

/** An executor over a snapshot; `start-brokers` turns an absent or stopped cluster into one that is seen. */
export function simulate(cluster: ResolvedCluster, actual: ActualCluster): Simulated {
  const simulated: Simulated = {
    actual,
    fails: () => false,
    async execute(actions) {
      return actions.map(action => {
        if (simulated.fails(action))
          return new AjnaError(KAFKA_UNREACHABLE, `${action.kind} did not go through`)
        const before = simulated.actual.kind === 'seen' ? simulated.actual.snapshot : emptySnapshot(cluster)
        simulated.actual = { kind: 'seen', snapshot: act(before, action) }
        return null
      })
    },
    observe: async () => simulated.actual,
  }
  return simulated
}
