/** Looks at the replicas that an agent says are damaged: through their brokers, and on the disks of the others. */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { CorruptSegment, ProcessStatus, ReplicaVerified } from '../hosts/contract.ts'
import type { PartitionFacts } from './contract.ts'
import { type DamagedReplica, type DamageFacts, damagedIn, type OtherReplica, servedOf } from './damage.ts'
import type { HealerOptions } from './ends.ts'

const ASK_MS = 2_000
const LISTEN_MS = 500
const LOOK_MS = 2_000
/** Segments are read whole: what was well is read again seldom, and before anything is done. */
const WELL_FOR_MS = 60_000
const AGAIN_MS = 6_000
/** So many at a time: where there are more, something else is wrong than a segment. */
const MOST = 20
const READ_BYTES = 256 * 1024

type Reach = Pick<HealerOptions, 'admin' | 'agent' | 'brokers' | 'signal'>
type Told = ReadonlyMap<number, readonly CorruptSegment[]>

export interface Corruption {
  /** What was seen last. */
  seen(): readonly DamageFacts[]
}

/** @param changed told when something else is seen than before */
export function watchCorruption(
  reach: Reach & Pick<HealerOptions, 'now' | 'log'>,
  processes: () => readonly ProcessStatus[] | null,
  changed: () => void,
): Corruption {
  let seen: readonly DamageFacts[] = []
  const verify = remembered(reach)
  async function look(): Promise<void> {
    const told = toldBy(reach, processes())
    const now: DamageFacts[] = []
    for (const each of damagedIn(told).slice(0, MOST)) now.push(await lookAt(reach, each, told, verify))
    const isNew = JSON.stringify(now) !== JSON.stringify(seen)
    seen = now
    if (isNew) changed()
  }
  async function follow(): Promise<void> {
    const { signal, log } = reach
    while (!signal.aborted) {
      await look().catch(error => {
        if (!signal.aborted) log.error({ err: error }, 'damaged replicas could not be looked at')
      })
      await delay(seen.length === 0 ? LISTEN_MS : LOOK_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  void follow()
  return { seen: () => seen }
}

export function toldBy(
  { brokers }: Pick<Reach, 'brokers'>,
  processes: readonly ProcessStatus[] | null,
): Told {
  return new Map(
    brokers.flatMap(({ id, process }) => {
      const corrupt = processes?.find(({ name }) => name === process)?.corrupt ?? []
      return corrupt.length === 0 ? [] : [[id, corrupt] as const]
    }),
  )
}

export type Verify = (broker: number, damage: DamagedReplica) => Promise<ReplicaVerified>

/** Reads it on the disk now. */
export function verifyNow({ agent, brokers, signal }: Reach): Verify {
  return async (broker, { topic, partition, from, to }) => {
    const process = brokers.find(({ id }) => id === broker)?.process
    const unknown = (says: string): ReplicaVerified => ({ state: 'unknown', says, digest: null })
    if (process === undefined) return unknown('no agent reads its disk')
    return agent
      .verify(process, { topic, partition, from, to }, signal)
      .then(found => found ?? unknown('no agent reads its disk'))
      .catch(error => unknown(describeError(error).slice(0, 300)))
  }
}

function remembered(reach: Reach & { readonly now: () => number }): Verify {
  const known = new Map<string, { readonly at: number; readonly found: ReplicaVerified }>()
  const verify = verifyNow(reach)
  return async (broker, damage) => {
    const { topic, partition, from, to } = damage
    const key = [broker, topic, partition, from, to].join(' ')
    const at = reach.now()
    for (const [each, { at: then }] of known) if (at - then > WELL_FOR_MS) known.delete(each)
    const before = known.get(key)
    if (before !== undefined && (before.found.state === 'well' || at - before.at < AGAIN_MS))
      return before.found
    const found = await verify(broker, damage)
    known.set(key, { at: reach.now(), found })
    return found
  }
}

/** @param told what the agents say of all replicas: one that is damaged elsewhere is nobody to copy from */
export async function lookAt(
  { admin, signal }: Reach,
  damage: DamagedReplica,
  told: Told,
  verify: Verify,
): Promise<DamageFacts> {
  const { broker, topic, partition, from } = damage
  const call = { signal, deadlineMs: ASK_MS }
  const [state, served, minInSync] = await Promise.all([
    stateOf({ admin, signal }, damage).catch(() => undefined),
    admin.readReplica(broker, { topic, partition, offset: from, maxBytes: READ_BYTES }, call).then(
      ({ error, records }) => servedOf(error, records, damage),
      error => ({ state: 'unknown' as const, says: describeError(error).slice(0, 300) }),
    ),
    minInSyncOf({ admin, signal }, topic),
  ])
  const others: OtherReplica[] = []
  for (const id of state?.isr.filter(each => each !== broker) ?? []) {
    const own = told.get(id)?.find(each => each.topic === topic && each.partition === partition)
    others.push(
      own === undefined
        ? { broker: id, ...pick(await verify(id, damage)) }
        : { broker: id, state: 'damaged', says: `${own.what} at offset ${own.from}` },
    )
  }
  return { ...damage, served, others, minInSync }
}

const pick = ({ state, says }: ReplicaVerified) => ({ state, says })

/** Undefined: there is no such partition. @throws what the cluster answers */
export async function stateOf(
  { admin, signal }: Pick<Reach, 'admin' | 'signal'>,
  { topic, partition }: Pick<DamagedReplica, 'topic' | 'partition'>,
): Promise<PartitionFacts | undefined> {
  const [found] = await admin.describeTopics([topic], { signal, deadlineMs: ASK_MS })
  const state = found?.partitions.find(each => each.partition === partition)
  return state && { topic, ...state }
}

async function minInSyncOf(
  { admin, signal }: Pick<Reach, 'admin' | 'signal'>,
  topic: string,
): Promise<number | null> {
  const call = { signal, deadlineMs: ASK_MS }
  const [found] = await admin.describeConfigs([{ kind: 'topic', name: topic }], call).catch(() => [])
  const value = found?.entries.get('min.insync.replicas')?.value
  return value === undefined || value === null ? null : Number(value)
}
