/**
 * Electing a replica that is not in sync. ElectLeaders takes the first live replica in order of preference, so the order is
 * changed, and then changed back; what it was is in the incident before anything is done. Each step looks where it stands, so
 * that whoever goes on after a kill does what is left of it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { ItemOutcome } from '../../../foundation/kafka/calls.ts'
import type { PartitionState } from '../../../foundation/kafka/topics.ts'
import type { Lease } from '../../fleet/interlock/contract.ts'
import type { HealerOptions } from '../ends.ts'
import { HEAL_ACT_FAILED } from '../errors.ts'
import { nameOf, type PartitionRecovery, type Recovery } from '../recovery.ts'
import { demand } from './demand.ts'

const CALL_MS = 5_000
const SEEN_WITHIN_MS = 10_000
const LOOK_MS = 50

type Reach = Pick<HealerOptions, 'admin' | 'signal'>

/**
 * Has them led by whom the recovery names; those that have a leader already are left alone. The order of preference is
 * restored in any case, as far as the cluster can be asked.
 *
 * @throws AjnaError HEAL_ACT_FAILED; what the cluster answers
 */
export async function electMostAdvanced(reach: Reach, recovery: Recovery, lease: Lease): Promise<void> {
  try {
    await elect(reach, recovery, lease)
  } catch (error) {
    // Where it stands is what the incident says of it; the failure is what is told.
    await restoreOrder(reach, recovery, lease).catch(() => undefined)
    throw error
  }
  await restoreOrder(reach, recovery, lease)
}

async function elect(reach: Reach, { partitions }: Recovery, lease: Lease): Promise<void> {
  const { admin, signal } = reach
  const call = { signal, deadlineMs: CALL_MS }
  const before = await statesOf(reach, partitions)
  const leaderless = partitions.filter(each => before.get(nameOf(each))?.leader === null)
  if (leaderless.length === 0) return
  const moving = new Set((await admin.listReassignments(call)).map(nameOf))
  for (const each of leaderless)
    if (moving.has(nameOf(each)) || !isSameSet(before.get(nameOf(each))!.replicas, each.replicas))
      throw failed(`${nameOf(each)} is being given other replicas`)

  demand(lease)
  const wanted = new Map(leaderless.map(each => [nameOf(each), electionOrder(each)]))
  const order = (each: PartitionRecovery) => ({ ...each, replicas: wanted.get(nameOf(each))! })
  allDone(await admin.reassign(leaderless.map(order), call))
  await until(reach, leaderless, (each, state) => isSameOrder(state.replicas, wanted.get(nameOf(each))!))

  demand(lease)
  allDone(await admin.electLeaders('unclean', leaderless, call))
  const after = await until(reach, leaderless, (_, { leader }) => leader !== null)
  for (const each of leaderless) {
    const { leader } = after.get(nameOf(each))!
    if (leader !== each.leader) throw failed(`${nameOf(each)} is led by ${leader}, not by ${each.leader}`)
  }
}

/** The chosen one first; behind it the others that live, by what they agree on, should it die in this very moment. */
function electionOrder({ leader, replicas, logs }: PartitionRecovery): number[] {
  const agrees = (id: number): number => logs.find(({ broker }) => broker === id)?.agreesUpTo ?? -1
  return [leader!, ...replicas.filter(id => id !== leader).sort((a, b) => agrees(b) - agrees(a))]
}

/** @throws AjnaError HEAL_ACT_FAILED; what the cluster answers */
export async function restoreOrder(reach: Reach, { partitions }: Recovery, lease: Lease): Promise<void> {
  const { admin, signal } = reach
  const now = await statesOf(reach, partitions)
  const changed = partitions.filter(each => {
    const replicas = now.get(nameOf(each))?.replicas
    // Given other replicas meanwhile, it has a new order, which is somebody else's.
    return (
      replicas !== undefined && !isSameOrder(replicas, each.replicas) && isSameSet(replicas, each.replicas)
    )
  })
  if (changed.length === 0) return
  demand(lease)
  allDone(await admin.reassign(changed, { signal, deadlineMs: CALL_MS }))
  await until(reach, changed, (each, { replicas }) => isSameOrder(replicas, each.replicas))
}

/** A topic deleted meanwhile is not among them. */
async function statesOf(
  { admin, signal }: Reach,
  partitions: readonly PartitionRecovery[],
): Promise<ReadonlyMap<string, PartitionState>> {
  const names = [...new Set(partitions.map(({ topic }) => topic))]
  const topics = await admin.describeTopics(names, { signal, deadlineMs: CALL_MS })
  return new Map(
    topics.flatMap(({ name: topic, partitions: found }) =>
      found.map(each => [nameOf({ topic, partition: each.partition }), each] as const),
    ),
  )
}

/** Brokers learn from the controller a moment later what it has done. */
async function until(
  reach: Reach,
  partitions: readonly PartitionRecovery[],
  holds: (each: PartitionRecovery, state: PartitionState) => boolean,
): Promise<ReadonlyMap<string, PartitionState>> {
  const deadline = performance.now() + SEEN_WITHIN_MS
  for (;;) {
    const now = await statesOf(reach, partitions)
    const behind = partitions.find(each => {
      const state = now.get(nameOf(each))
      return state === undefined || !holds(each, state)
    })
    if (behind === undefined) return now
    if (performance.now() > deadline) throw failed(`${nameOf(behind)} does not become as it was asked to`)
    await delay(LOOK_MS, undefined, { signal: reach.signal })
  }
}

function allDone(outcomes: readonly ItemOutcome<unknown>[]): void {
  for (const { error } of outcomes) if (error !== null) throw error
}

const isSameOrder = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join()
const isSameSet = (a: readonly number[], b: readonly number[]): boolean =>
  isSameOrder(a.toSorted(), b.toSorted())

const failed = (what: string): AjnaError => new AjnaError(HEAL_ACT_FAILED, what)
