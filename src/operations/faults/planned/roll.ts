/** Restarts a cluster's brokers one after another while it serves, as it would be done by hand. */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import { adopt, type RunningProcess, start } from '../../../foundation/process/run.ts'
import type { Healing, NodeSetup, NodeSetups, TestedCluster, TestedNode } from '../contract.ts'
import { TEST_OPERATION_FAILED } from '../errors.ts'
import { type FaultLease, leaseFault } from '../leases/lease.ts'
import type { TopicWatch } from '../watch.ts'
import { failed } from './failed.ts'
import { nextOf, reasonsNotToStop } from './rules.ts'

export interface RollTask {
  readonly cluster: TestedCluster
  readonly setups: NodeSetups
  readonly admin: ClusterAdmin
  /** Of the test's topic: whether every broker says that it is whole. */
  readonly watch: TopicWatch
  /** Directory of the faults: a broker that is down for its restart is leased like one. */
  readonly folder: string
  readonly purpose: string
  /** Who keeps the brokers alive. Absent: nobody. */
  readonly healing: Healing | undefined
  readonly explain?: ((broker: number, since: string) => Promise<string>) | undefined
  readonly note: (what: string) => void
  readonly signal: AbortSignal
}

export interface Roll extends RollTask {
  /** What each broker has, and is given back if it does not come up; changed as they are restarted. */
  readonly has: Map<number, NodeSetup>
  readonly to: (before: NodeSetup) => NodeSetup
  /** What a broker that is up is not, though it was meant to become it; undefined: nothing. @throws what it answers, if it does */
  readonly lacks: (broker: number) => Promise<string | undefined>
  /** ms since the epoch. */
  readonly until: number
  /** Told of each broker when it is whole again. */
  readonly rolled: (broker: RolledBroker) => void
}

/** Times are ms since the epoch. */
export interface RolledBroker {
  readonly broker: number
  /** It was asked to stop. */
  readonly at: number
  /** It was registered and served, as it was meant to be. */
  readonly backAt: number
  /** Every replica was in sync again, says every broker. */
  readonly wholeAt: number
}

const LOOK_EVERY_MS = 200
const ASK_MS = 3_000
/** Whole for so long, and then for good. */
const WHOLE_MS = 1_000
/** SIGTERM; its leaders move, its logs are closed. Its agent waits as long. */
const STOP_MS = 30_000
/** So many processes of one broker within one restart: it does not come up. */
const MAX_LIVES = 3
const TAKEN_BACK_WITHIN_MS = 120_000
const LEASE_MARGIN_MS = 60_000

/**
 * Each broker is stopped in order, started with what is written for it then, and awaited until the cluster is fully redundant
 * again; only then comes the next. One that does not come up gets back what it had, and nothing else is touched.
 *
 * @throws AjnaError TEST_OPERATION_FAILED; the signal's reason
 */
export async function rollBrokers(roll: Roll): Promise<void> {
  const left = roll.cluster.nodes.map(({ id }) => id)
  for (;;) {
    const { leader } = await quietly(roll, () => untilRedundant(roll))
    const broker = nextOf(left, leader)
    if (broker === undefined) return
    left.splice(left.indexOf(broker), 1)
    await rollBroker(roll, roll.cluster.nodes.find(({ id }) => id === broker)!)
  }
}

/** Until nothing speaks against stopping a broker. */
async function untilRedundant(roll: Roll): Promise<{ readonly leader: number | null }> {
  const ids = roll.cluster.nodes.map(({ id }) => id)
  for (;;) {
    const { reasons, leader } = await look(roll, ids)
    if (reasons.length === 0 && roll.watch.wholeForMs() >= WHOLE_MS) return { leader }
    if (Date.now() > roll.until) {
      const why = reasons.length > 0 ? reasons.join('; ') : roll.watch.views()
      throw failed(`the cluster is not fully redundant, and no further broker may be stopped: ${why}`)
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: roll.signal })
  }
}

async function look(
  { admin, signal }: Pick<Roll, 'admin' | 'signal'>,
  ids: readonly number[],
): Promise<{ readonly reasons: readonly string[]; readonly leader: number | null }> {
  const call = { signal, deadlineMs: ASK_MS }
  try {
    const [{ brokers }, topics, quorum] = await Promise.all([
      admin.describeCluster(call),
      admin.describeTopics('all', call),
      admin.describeQuorum(call),
    ])
    const partitions = topics.flatMap(({ name: topic, partitions: each }) =>
      each.map(partition => ({ topic, ...partition })),
    )
    return { reasons: reasonsNotToStop({ brokers, partitions, quorum }, ids), leader: quorum.leader }
  } catch (error) {
    signal.throwIfAborted()
    return { reasons: [describeError(error)], leader: null }
  }
}

async function rollBroker(roll: Roll, node: TestedNode): Promise<void> {
  const { cluster, folder, purpose, healing, setups, has, note, until } = roll
  const before = has.get(node.id)!
  const to = roll.to(before)
  const lease = await leaseFault({
    ...{ folder, kind: 'restart', cluster: cluster.name, node: node.id, purpose },
    leaseMs: Math.max(0, until - Date.now()) + LEASE_MARGIN_MS + TAKEN_BACK_WITHIN_MS,
    back:
      healing === undefined
        ? { kind: 'run', process: node.process }
        : { kind: 'kept', by: "the agent of the broker's host" },
  })
  try {
    const at = Date.now()
    await lease.act(() => setups.prepare(node.id, to))
    try {
      const backAt = await quietly(roll, () => renew(roll, node, lease))
      await quietly(roll, () => untilRedundant(roll))
      has.set(node.id, to)
      roll.rolled({ broker: node.id, at, backAt, wholeAt: Date.now() })
      note(`broker ${node.id} is back after ${((backAt - at) / 1_000).toFixed(1)} s, and all is in sync`)
    } catch (error) {
      roll.signal.throwIfAborted()
      const reason = describeError(error)
      note(`broker ${node.id} is given back what it had: ${reason}`)
      await quietly(roll, () => takeBack(roll, node, before, lease), `${reason}; it could not be taken back`)
      throw failed(reason, 'taken-back')
    }
  } finally {
    await lease.revert('it is over')
  }
}

/** Stops it in order, has it started, and waits until it is what it was meant to become. Answers when that was. */
async function renew(roll: Roll, node: TestedNode, lease: FaultLease): Promise<number> {
  const { healing } = roll
  const life =
    healing === undefined ? await restart(node, lease) : await reload(node, lease, healing, roll.signal)
  for (;;) {
    const reason = (await life.ended(roll)) ?? (Date.now() > roll.until ? 'its time is over' : undefined)
    if (reason !== undefined) throw failed(`broker ${node.id} does not come up: ${reason}`)
    if (await isUp(roll, node.id)) {
      const told = await roll.lacks(node.id).then(
        missing => ({ missing }),
        () => undefined,
      )
      roll.signal.throwIfAborted()
      if (told?.missing !== undefined) throw failed(`broker ${node.id} is up, and ${told.missing}`)
      if (told !== undefined) return Date.now()
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: roll.signal })
  }
}

/** Of a broker that was started: why it will not come up; undefined: it may still. */
interface Life {
  ended(roll: Pick<Roll, 'explain'>): Promise<string | undefined>
}

async function restart(node: TestedNode, lease: FaultLease): Promise<Life> {
  const running = await lease.act(async () => {
    const { runDir, name } = node.process
    await (await adopt(runDir, name))?.stop({ deadlineMs: STOP_MS })
    return start(node.process)
  })
  return { ended: ({ explain }) => ownEnd(node.id, running, explain) }
}

async function ownEnd(
  broker: number,
  running: RunningProcess,
  explain: Roll['explain'],
): Promise<string | undefined> {
  const end = await Promise.race([running.exited, undefined])
  if (end === undefined) return undefined
  const said = await explain?.(broker, running.record.since)
  return `it ended with ${end.signal ?? `code ${end.code}`}${said === undefined ? '' : `: ${said}`}`
}

/** Its agent starts one that dies again: that it died several times says the same. */
async function reload(
  { id }: TestedNode,
  lease: FaultLease,
  healing: Healing,
  signal: AbortSignal,
): Promise<Life> {
  const since = new Date().toISOString()
  await lease.act(() => healing.reload(id))
  signal.throwIfAborted()
  const lives = new Set<number>()
  return {
    async ended({ explain }) {
      const pid = healing.process(id)?.pid
      if (pid !== undefined) lives.add(pid)
      if (lives.size < MAX_LIVES) return undefined
      const said = await explain?.(id, since)
      return `its agent has started it ${lives.size} times${said === undefined ? '' : `: ${said}`}`
    },
  }
}

async function isUp({ admin, watch, signal }: Roll, broker: number): Promise<boolean> {
  const call = { signal, deadlineMs: ASK_MS }
  const found = await admin.describeCluster(call).catch(() => undefined)
  signal.throwIfAborted()
  const registered = found?.brokers.find(({ id }) => id === broker)
  // Brokers before 4.0 list only those that are not fenced, and say nothing of it.
  if (registered === undefined || registered.fenced === true) return false
  // By its own word: until it answers, the others may still speak of the one before.
  return watch.answers(broker)
}

async function takeBack(roll: Roll, node: TestedNode, before: NodeSetup, lease: FaultLease): Promise<void> {
  await lease.act(() => roll.setups.prepare(node.id, before))
  const until = Date.now() + TAKEN_BACK_WITHIN_MS
  const again: Roll = { ...roll, until, lacks: async () => undefined }
  await renew(again, node, lease)
  await untilRedundant(again)
}

/** What goes wrong on the way is the operation's failure, not the test's. @throws AjnaError TEST_OPERATION_FAILED; the signal's reason */
async function quietly<T>({ signal }: Roll, work: () => Promise<T>, what?: string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    signal.throwIfAborted()
    if (what === undefined && isAjnaError(error, TEST_OPERATION_FAILED)) throw error
    throw failed(what === undefined ? describeError(error) : `${what}: ${describeError(error)}`)
  }
}
