import { setTimeout as pause } from 'node:timers/promises'
import { AjnaError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { CallOptions, ItemOutcome } from '../../foundation/kafka/calls.ts'
import { refusalOf } from '../../foundation/kafka/errors.ts'
import { type AclBinding, aclKey, type QuotaValues } from '../../foundation/kafka/security.ts'
import type { ActualCluster, ClusterDriver, ResolvedCluster } from './contract.ts'
import { FLEET_NOT_VISIBLE, FLEET_STEP_IMPOSSIBLE } from './errors.ts'
import { observeCluster } from './observe.ts'
import type { Action } from './plan-model.ts'

/** Carries out a plan's actions at one cluster. */
export interface ClusterExecutor {
  /**
   * Carries out actions of one kind and waits until the cluster shows them; what is done already stays done.
   *
   * @returns for each action null, or why it failed
   * @throws only the signal's reason
   */
  execute(actions: readonly Action[], signal: AbortSignal): Promise<readonly (AjnaError | null)[]>
  observe(signal: AbortSignal): Promise<ActualCluster>
}

/** How long a cluster may take to show what it has accepted, ms. */
const VISIBLE_WITHIN_MS = 15_000
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500

/** @param admin stays open; the caller closes it */
export function clusterExecutor(
  cluster: ResolvedCluster,
  admin: ClusterAdmin,
  driver: ClusterDriver,
): ClusterExecutor {
  return {
    observe: signal => observeCluster(cluster, admin, driver, signal),
    async execute(actions, signal) {
      const errors = await carryOut(cluster, admin, driver, actions, signal)
      const waiting = actions.filter((_, index) => errors[index] === null)
      const unseen = await awaitVisible(admin, waiting, signal)
      return actions.map((action, index) => errors[index] ?? unseen.get(action) ?? null)
    },
  }
}

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>

const only = <Kind extends Action['kind']>(actions: readonly Action[], kind: Kind): Of<Kind>[] =>
  actions.filter((action): action is Of<Kind> => action.kind === kind)

async function carryOut(
  cluster: ResolvedCluster,
  admin: ClusterAdmin,
  driver: ClusterDriver,
  actions: readonly Action[],
  signal: AbortSignal,
): Promise<(AjnaError | null)[]> {
  const kind = actions[0]?.kind
  const call: CallOptions = { signal }
  switch (kind) {
    case undefined:
      return []
    case 'start-brokers':
      return [await start(cluster, driver, signal)]
    case 'create-topic': {
      const topics = only(actions, kind).map(
        ({ topic: { name, partitions, replicationFactor, config } }) => ({
          name,
          layout: { partitions, replicationFactor },
          config,
        }),
      )
      return forgiving(await admin.createTopics(topics, call), 'TOPIC_ALREADY_EXISTS')
    }
    case 'add-partitions': {
      const more = only(actions, kind).map(({ topic, to }) => ({ name: topic, total: to }))
      return forgiving(await admin.createPartitions(more, call), 'INVALID_PARTITIONS')
    }
    case 'set-topic-config': {
      const changes = only(actions, kind).map(({ topic, set }) => ({
        resource: { kind: 'topic', name: topic } as const,
        set,
      }))
      return forgiving(await admin.alterConfigs(changes, call))
    }
    case 'create-acls':
      return perAction(only(actions, kind), bindings => admin.createAcls(bindings, call))
    case 'delete-acls':
      return perAction(only(actions, kind), bindings => admin.deleteAcls(bindings, call))
    case 'set-quota': {
      const changes = only(actions, kind).map(({ principal, set }) => ({ entity: { user: principal }, set }))
      return forgiving(await admin.alterQuotas(changes, call))
    }
    case 'delete-topic': {
      const doomed = only(actions, kind).map(({ topic, id }) => ({ name: topic, id }))
      return forgiving(await admin.deleteTopics(doomed, call), 'UNKNOWN_TOPIC_ID')
    }
  }
}

async function start(
  cluster: ResolvedCluster,
  driver: ClusterDriver,
  signal: AbortSignal,
): Promise<AjnaError | null> {
  if (cluster.driver !== 'local')
    return new AjnaError(FLEET_STEP_IMPOSSIBLE, `cluster ${cluster.name} is run by others`)
  try {
    await driver.start(cluster, signal)
    return null
  } catch (error) {
    signal.throwIfAborted()
    if (isAjnaError(error)) return error
    throw error
  }
}

/** Errors in the items' order; `done` is what Kafka answers to a repeat, and what is visible then decides. */
const forgiving = (outcomes: readonly ItemOutcome<unknown>[], done?: string): (AjnaError | null)[] =>
  outcomes.map(({ error }) => (done !== undefined && refusalOf(error) === done ? null : error))

/** All bindings in one request; an action fails with the first of its bindings that does. */
async function perAction(
  actions: readonly { readonly bindings: readonly AclBinding[] }[],
  change: (bindings: readonly AclBinding[]) => Promise<readonly ItemOutcome<AclBinding>[]>,
): Promise<(AjnaError | null)[]> {
  const outcomes = await change(actions.flatMap(({ bindings }) => bindings))
  const errors = new Map(outcomes.map(({ item, error }) => [item, error]))
  return actions.map(
    ({ bindings }) =>
      bindings.map(binding => errors.get(binding) ?? null).find(error => error !== null) ?? null,
  )
}

/** Looks until every action's effect is there; answers the errors of those whose is not in time. */
async function awaitVisible(
  admin: ClusterAdmin,
  actions: readonly Action[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Action, AjnaError>> {
  const until = Date.now() + VISIBLE_WITHIN_MS
  let waiting = actions
  let failure: unknown
  for (let wait = FIRST_PAUSE_MS; waiting.length > 0; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    try {
      const visible = await visibility(admin, waiting, signal)
      waiting = waiting.filter(action => !visible(action))
      failure = undefined
    } catch (error) {
      signal.throwIfAborted()
      failure = error
    }
    if (waiting.length === 0 || Date.now() >= until) break
    await pause(wait, undefined, { signal })
  }
  const message = `accepted, and not visible after ${VISIBLE_WITHIN_MS / 1000} s`
  return new Map(
    waiting.map(action => [action, new AjnaError(FLEET_NOT_VISIBLE, message, { cause: failure })]),
  )
}

/** Whether the cluster shows an action's effect, by one look at what they all are about. */
async function visibility(
  admin: ClusterAdmin,
  actions: readonly Action[],
  signal: AbortSignal,
): Promise<(action: Action) => boolean> {
  const call: CallOptions = { signal }
  switch (actions[0]!.kind) {
    case 'start-brokers': {
      const up = new Set((await admin.brokers(call)).map(({ id }) => id))
      return action => action.kind === 'start-brokers' && action.brokers.every(id => up.has(id))
    }
    case 'create-topic':
    case 'add-partitions':
    case 'delete-topic':
      return topicsVisible(admin, call)
    case 'set-topic-config':
      return configsVisible(admin, only(actions, 'set-topic-config'), call)
    case 'create-acls':
    case 'delete-acls': {
      const there = new Set((await admin.describeAcls(call)).map(aclKey))
      return action =>
        (action.kind === 'create-acls' && action.bindings.every(acl => there.has(aclKey(acl)))) ||
        (action.kind === 'delete-acls' && !action.bindings.some(acl => there.has(aclKey(acl))))
    }
    case 'set-quota': {
      const quotas = await admin.describeQuotas(call)
      const there = new Map(
        quotas
          .filter(({ entity }) => entity.clientId === undefined)
          .map(({ entity, values }) => [entity.user, values]),
      )
      return action =>
        action.kind === 'set-quota' &&
        Object.entries(action.set).every(
          ([name, value]) => (there.get(action.principal)?.[name as keyof QuotaValues] ?? null) === value,
        )
    }
  }
}

/** A topic is there once every partition has a leader. */
async function topicsVisible(admin: ClusterAdmin, call: CallOptions): Promise<(action: Action) => boolean> {
  const there = new Map((await admin.describeTopics('all', call)).map(topic => [topic.name, topic]))
  const led = (name: string, partitions: number): boolean => {
    const topic = there.get(name)
    return topic?.partitions.length === partitions && topic.partitions.every(({ leader }) => leader !== null)
  }
  return action => {
    switch (action.kind) {
      case 'create-topic':
        return led(action.topic.name, action.topic.partitions)
      case 'add-partitions':
        return led(action.topic, action.to)
      case 'delete-topic':
        return there.get(action.topic)?.id !== action.id
      default:
        return false
    }
  }
}

async function configsVisible(
  admin: ClusterAdmin,
  actions: readonly Of<'set-topic-config'>[],
  call: CallOptions,
): Promise<(action: Action) => boolean> {
  const resources = actions.map(({ topic }) => ({ kind: 'topic', name: topic }) as const)
  const described = await admin.describeConfigs(resources, call)
  const there = new Map(described.map(({ resource, entries }) => [resource.name, entries]))
  return action =>
    action.kind === 'set-topic-config' &&
    Object.entries(action.set).every(([name, value]) => {
      const entry = there.get(action.topic)?.get(name)
      return value === null ? entry !== undefined && entry.source !== 'own' : entry?.value === value
    })
}
