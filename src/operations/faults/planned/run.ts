/** A scenario's planned operations, one after another. How each ended is a value: one that fails stops those after it. */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import type { ConfigEntry } from '../../../foundation/kafka/configs.ts'
import type { NodeSetup, NodeSetups, OperationKind } from '../contract.ts'
import type { RunFollower } from '../follow.ts'
import type { Scenario } from '../scenario.ts'
import { failed, type OperationState, stateOf } from './failed.ts'
import { type RolledBroker, type RollTask, rollBrokers } from './roll.ts'
import { beyond } from './rules.ts'
import { inTurn, operationText, type PlannedOperation } from './schema.ts'

export interface OperateTask extends Omit<RollTask, 'purpose' | 'setups'> {
  readonly scenario: Scenario
  /** Absent: nobody here can change what the brokers are run with. */
  readonly setups?: NodeSetups | undefined
  readonly follower?: RunFollower | undefined
}

/** One operation, and how it ended. Times are ms since the epoch. */
export interface OperationRecord {
  readonly operation: OperationKind
  /** For people: `upgrade to 4.3.1`. */
  readonly what: string
  readonly state: OperationState
  /** Why it is not done; null: it is. */
  readonly reason: string | null
  readonly at: number
  readonly endedAt: number
  /** In the order in which they were restarted. */
  readonly brokers: readonly RolledBroker[]
  /** The level at which `metadata.version` is finalized, before and after; null: the cluster did not say. */
  readonly metadataVersion: { readonly before: number | null; readonly after: number | null }
}

const ASK_MS = 5_000
const SHOWS_WITHIN_MS = 30_000
const LOOK_EVERY_MS = 200
const METADATA_VERSION = 'metadata.version'

/** @throws the signal's reason */
export async function operate(task: OperateTask, startAt: number): Promise<readonly OperationRecord[]> {
  const { scenario, cluster, signal } = task
  const { version, config: settings } = scenario.cluster
  const has = new Map<number, NodeSetup>(cluster.nodes.map(({ id }) => [id, { version, settings }]))
  const records: OperationRecord[] = []
  let asMeant = true
  for (const each of inTurn(scenario.operations)) {
    await delay(Math.max(0, startAt + each.at - Date.now()), undefined, { signal })
    const record: OperationRecord = asMeant ? await one(task, each, has) : skipped(each)
    records.push(record)
    asMeant &&= record.state === each.ends
  }
  return records
}

const refused = (reason: string) => failed(reason, 'refused')

const skipped = (operation: PlannedOperation): OperationRecord => ({
  operation: operation.operation,
  what: operationText(operation),
  state: 'skipped',
  reason: 'the one before it did not end as it was to',
  at: Date.now(),
  endedAt: Date.now(),
  brokers: [],
  metadataVersion: { before: null, after: null },
})

async function one(
  task: OperateTask,
  planned: PlannedOperation,
  has: Map<number, NodeSetup>,
): Promise<OperationRecord> {
  const { note, follower, admin, signal } = task
  const what = operationText(planned)
  const before = await finalizedLevels(admin, signal)
  const at = Date.now()
  note(what)
  follower?.mark('planned', at, what)
  const brokers: RolledBroker[] = []
  const failure = await (planned.operation === 'configure'
    ? configure(task, planned)
    : roll(task, planned, has, before, brokers)
  ).then(
    () => undefined,
    (error: unknown) => {
      signal.throwIfAborted()
      return error
    },
  )
  const endedAt = Date.now()
  const after = await finalizedLevels(admin, signal)
  const state = stateOf(failure)
  const reason = failure === undefined ? null : describeError(failure)
  note(reason === null ? `${what}: done` : `${what}: ${state}: ${reason}`)
  follower?.mark('over', endedAt, `${what}: ${state}`)
  return {
    ...{ operation: planned.operation, what, state, reason, at, endedAt, brokers },
    metadataVersion: {
      before: before?.get(METADATA_VERSION) ?? null,
      after: after?.get(METADATA_VERSION) ?? null,
    },
  }
}

/** @throws AjnaError TEST_OPERATION_FAILED */
async function roll(
  task: OperateTask,
  { operation: kind, to, finalize, set, within }: PlannedOperation,
  has: Map<number, NodeSetup>,
  finalized: ReadonlyMap<string, number> | undefined,
  brokers: RolledBroker[],
): Promise<void> {
  const { setups, cluster, scenario, admin, signal } = task
  if (setups === undefined)
    throw refused(`nobody can change what the brokers of ${cluster.name} are run with`)
  const levels = to === undefined ? undefined : await setups.features(to)
  if (kind === 'downgrade' && levels !== undefined) {
    if (finalized === undefined) throw refused('the cluster does not say which features are finalized')
    const reasons = beyond(finalized, levels)
    if (reasons.length > 0) throw refused(`${to} cannot run this cluster: ${reasons.join('; ')}`)
  }
  const until = Date.now() + within
  await rollBrokers({
    ...task,
    ...{ setups, has, until, purpose: `scenario ${scenario.name}` },
    to: before => ({ version: to ?? before.version, settings: { ...before.settings, ...set } }),
    lacks: broker => lacking(admin, broker, levels, set ?? {}, signal),
    rolled: broker => brokers.push(broker),
  })
  if (finalize === true && levels !== undefined) await raise(task, levels)
}

/** What a broker lacks of what it was started with, by its own word. */
async function lacking(
  admin: ClusterAdmin,
  broker: number,
  levels: ReadonlyMap<string, number> | undefined,
  set: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const call = { signal, deadlineMs: ASK_MS, broker }
  if (levels !== undefined) {
    const wanted = levels.get(METADATA_VERSION)
    const features = await admin.describeFeatures(call)
    const known = features.find(({ name }) => name === METADATA_VERSION)?.supported?.max
    if (known !== wanted)
      return `it knows ${METADATA_VERSION} up to ${known}, where that release knows ${wanted}`
  }
  return missing(await settingsOf(admin, broker, signal), set)
}

const settingsOf = async (
  admin: ClusterAdmin,
  broker: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ConfigEntry>> => {
  const resource = { kind: 'broker', name: String(broker) } as const
  const [found] = await admin.describeConfigs([resource], { signal, deadlineMs: ASK_MS })
  if (found!.error !== null) throw found!.error
  return found!.entries
}

/** Which settings are not as they should be; a broker tells nothing of those that it does not know, and no passwords. */
function missing(
  entries: ReadonlyMap<string, ConfigEntry>,
  set: Readonly<Record<string, string>>,
): string | undefined {
  for (const [name, value] of Object.entries(set)) {
    const entry = entries.get(name)
    if (entry === undefined) return `it knows no setting ${name}`
    if (entry.value !== null && entry.value !== value) return `its ${name} is ${entry.value}, not ${value}`
  }
  return undefined
}

/** Raises all features to a release's, and waits until they are in force. */
async function raise(
  { admin, note, signal }: OperateTask,
  levels: ReadonlyMap<string, number>,
): Promise<void> {
  await admin.upgradeFeatures(levels, { signal })
  const until = Date.now() + SHOWS_WITHIN_MS
  for (;;) {
    const finalized = await finalizedLevels(admin, signal)
    const low = [...levels].filter(([name, level]) => (finalized?.get(name) ?? 0) < level)
    if (low.length === 0) break
    if (Date.now() > until)
      throw failed(
        `features are not in force after ${SHOWS_WITHIN_MS / 1_000} s: ${low.map(([name]) => name).join(', ')}`,
      )
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
  note(`features are finalized: ${[...levels].map(([name, level]) => `${name} ${level}`).join(', ')}`)
}

/** Of the whole cluster, in force at once (KIP-226). What Kafka takes at its next start only, it refuses. */
async function configure(task: OperateTask, { set = {} }: PlannedOperation): Promise<void> {
  const { admin, cluster, signal } = task
  const [outcome] = await admin.alterConfigs([{ resource: { kind: 'broker', name: '' }, set }], { signal })
  if (outcome!.error !== null) throw refused(describeError(outcome!.error))
  const until = Date.now() + SHOWS_WITHIN_MS
  for (const { id } of cluster.nodes) {
    for (;;) {
      const entries = await settingsOf(admin, id, signal).catch(() => undefined)
      signal.throwIfAborted()
      const lacks = entries === undefined ? 'it does not answer' : missing(entries, set)
      if (lacks === undefined) break
      if (Date.now() > until) throw failed(`broker ${id}: ${lacks}`)
      await delay(LOOK_EVERY_MS, undefined, { signal })
    }
  }
}

/** Undefined: the cluster does not say. */
async function finalizedLevels(
  admin: ClusterAdmin,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number> | undefined> {
  const features = await admin.describeFeatures({ signal, deadlineMs: ASK_MS }).catch(() => undefined)
  signal.throwIfAborted()
  if (features === undefined) return undefined
  return new Map(
    features.flatMap(({ name, finalized }) => (finalized === null ? [] : [[name, finalized] as const])),
  )
}
