/**
 * Takes replicas that are on a dead log dir, or damaged, out of their partitions' assignments, and puts them back at once. Each partition
 * changes twice, and its leader looks anew at whom it waits for; the replicas are new ones then, which nobody waits for
 * until they are in sync.
 */

import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Reassignment } from '../../foundation/kafka/partitions.ts'
import type { Lease } from '../fleet/interlock/contract.ts'
import { demand } from './acts/demand.ts'
import { type Incident, isOver, type PartitionFacts } from './contract.ts'
import type { HealerOptions } from './ends.ts'
import { HEAL_ACT_FAILED } from './errors.ts'
import { controllerView } from './facts.ts'
import { ACT_LEASE_MS } from './work.ts'

/** A partition is without its replica only for the time between two requests. */
const AT_ONCE = 100
const WITHIN_MS = 5_000

type Withdrawal = PartitionFacts & Required<Pick<PartitionFacts, 'offline'>>

/** Partitions whose replica on a broker is dead while others are in sync, as they are assigned. Pure. */
export function withdrawals(partitions: readonly PartitionFacts[], broker: number): readonly Withdrawal[] {
  return partitions.flatMap(each => {
    const { offline = [], isr, leader } = each
    const hasOthers = leader !== null && leader !== broker && isr.length > 0 && !isr.includes(broker)
    return offline.includes(broker) && hasOthers ? [{ ...each, offline }] : []
  })
}

/** What would be withdrawn now. @throws what the cluster answers */
export async function withdrawn(
  { admin, signal }: Pick<HealerOptions, 'admin' | 'signal'>,
  broker: number,
): Promise<readonly Withdrawal[]> {
  return withdrawals((await controllerView(admin, signal)).partitions, broker)
}

interface WithdrawOptions {
  /** Of preference, while they are fewer. */
  readonly order?: (replicas: readonly number[]) => readonly number[]
  /** What has to come about before they are assigned anew; whatever it throws, they are. */
  readonly meanwhile?: () => Promise<void>
}
const same = (replicas: readonly number[]): readonly number[] => replicas
const none = async (): Promise<void> => {}

/** @throws AjnaError HEAL_ACT_FAILED: what was withdrawn is assigned again all the same */
export async function withdraw(
  { admin, signal }: Pick<HealerOptions, 'admin' | 'signal'>,
  partitions: readonly PartitionFacts[],
  broker: number,
  lease: Pick<Lease, 'holds'>,
  { order = same, meanwhile = none }: WithdrawOptions = {},
): Promise<void> {
  const call = { signal, deadlineMs: WITHIN_MS }
  for (let from = 0; from < partitions.length; from += AT_ONCE) {
    demand(lease)
    const some = partitions.slice(from, from + AT_ONCE)
    const without = some.map(each => ({
      ...placeOf(each),
      replicas: order(each.replicas.filter(id => id !== broker)),
    }))
    const whole = some.map(each => ({ ...placeOf(each), replicas: each.replicas }))
    try {
      demandAll(await admin.reassign(without, call))
      await meanwhile()
    } finally {
      // Whatever became of that; who is as assigned already is told so. The lease does not matter: this makes whole.
      demandAll(await admin.reassign(whole, call))
    }
  }
}

const placeOf = ({ topic, partition }: PartitionFacts) => ({ topic, partition })

function demandAll(outcomes: Awaited<ReturnType<HealerOptions['admin']['reassign']>>): void {
  const failed = outcomes.find(({ error }) => error !== null)
  if (failed === undefined) return
  const { topic, partition } = failed.item
  throw new AjnaError(HEAL_ACT_FAILED, `${topic}-${partition} could not be reassigned`, {
    cause: failed.error,
  })
}

/* ---- so that a healer that is killed between the two requests leaves nobody with a replica less ---- */

const ASSIGNED = 'assigned replicas'
const LINE_CHARACTERS = 900
/** Beyond that an incident would hold more than it may. */
const LINES = 40

/** As evidence of an incident, told before it is acted on. Pure. */
export function assignmentEvidence(partitions: readonly PartitionFacts[]): Incident['evidence'] {
  const lines: string[] = []
  for (const { topic, partition, replicas } of partitions) {
    const word = `${topic}-${partition}:${replicas.join()}`
    const last = lines.at(-1)
    if (last === undefined || last.length + word.length >= LINE_CHARACTERS) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.slice(0, LINES).map(value => ({ when: 'before', label: ASSIGNED, value }))
}

/** What an incident says that was assigned, where it is not any more. Pure. */
export function missingFrom(
  { evidence }: Pick<Incident, 'evidence'>,
  partitions: readonly PartitionFacts[],
): readonly Reassignment[] {
  const now = new Map(partitions.map(each => [`${each.topic}-${each.partition}`, each]))
  const words = evidence.filter(({ label }) => label === ASSIGNED).flatMap(({ value }) => value.split(' '))
  return words.flatMap(word => {
    const [, key = '', list = ''] = /^(.*):([\d,]+)$/.exec(word) ?? []
    const replicas = list.split(',').map(Number)
    const found = now.get(key)
    // Somebody else may have moved it meanwhile: only a replica less, and nothing else, is the act cut short.
    const isLess =
      found !== undefined &&
      found.replicas.length === replicas.length - 1 &&
      found.replicas.every(id => replicas.includes(id))
    return isLess ? [{ ...placeOf(found), replicas }] : []
  })
}

/** Whoever acted has its lease no more: what it has not put back by now it never will. */
export const isToBeMadeWhole = (open: Incident, now: number): boolean =>
  !isOver(open) &&
  (open.decision.remedy === 'withdraw-replicas' || open.decision.remedy === 're-replicate') &&
  open.actedAt !== null &&
  now - open.actedAt >= ACT_LEASE_MS

/** Assigns anew what was withdrawn and never put back. Any number of healers may do it. @throws what the cluster answers */
export async function makeWhole(
  { admin, signal, log }: Pick<HealerOptions, 'admin' | 'signal' | 'log'>,
  open: Incident,
): Promise<void> {
  const { partitions } = await controllerView(admin, signal)
  const missing = missingFrom(open, partitions)
  if (missing.length === 0) return
  demandAll(await admin.reassign(missing, { signal }))
  log.info({ incident: open.id, partitions: missing.length }, 'withdrawn replicas were assigned anew')
}
