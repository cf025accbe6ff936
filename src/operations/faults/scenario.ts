import { z } from 'zod'
import { type DeepReadonly, readConfig } from '../../foundation/config/config.ts'
import type { Finding } from '../../foundation/config/problem.ts'
import { size } from '../../foundation/config/units.ts'
import { defaultKafkaVersion } from '../../foundation/kafka-dist/versions.ts'
import { causes, remedies } from '../heal/contract.ts'
import { faultKinds, impairments, type NetworkEffect } from './contract.ts'
import { isDiskFault } from './disk/kibosh.ts'
import { MIN_RECORD_BYTES } from './load/record.ts'
import { CLIENTS } from './network/rules.ts'
import { brokerSettings, checkOperations, operation, operationsLastMs, version } from './planned/schema.ts'
import { between, MAX_TEST_MS, wholeNumber } from './quantities.ts'

/** A scenario's file. This schema is its documentation: every message says what is allowed. */

/** The schema's own limits: a test is bounded in time, memory and disk, whatever its file says. */
const MAX_RATE = 20_000
const MAX_RECORD_BYTES = 32 * 1024
const MIN_BANDWIDTH = 16 * 1024
const MAX_BANDWIDTH = 1024 ** 3
/** What may be written to the disks in all, replicas included. */
const MAX_DISK_BYTES = 2 * 1024 ** 3

const role = z.enum(['leader', 'controller', 'follower', 'last', 'any', 'all'])
/** A broker's id, or what it is when the fault begins. */
const broker = z.union([wholeNumber(1, 99), role], {
  error: 'a broker’s id, or leader, controller, follower, last, any or all',
})
export type BrokerChoice = z.output<typeof broker>

const fault = z.strictObject({
  /** After the load's start, at the earliest. */
  at: between(0, MAX_TEST_MS, '0s to 30m'),
  fault: z.enum(faultKinds),
  /**
   * To which broker, or brokers: `leader` leads the most partitions and is not the controller, `controller` is the active
   * one, `follower` is neither, `last` leads all partitions and is alone in sync: it is waited for. Of several that fit, the
   * seed decides.
   */
  broker: z.union([broker, z.array(broker).min(1)]).transform(one => (Array.isArray(one) ? one : [one])),
  /**
   * How long, before it is taken back; a crash-loop lasts as long as it lasts. Where an agent keeps brokers alive, one that is
   * killed is started at once, and one that is frozen is woken only if nobody has helped it by then.
   */
  for: between(100, 10 * 60_000, '100ms to 10m').default(12_000),
  /** It is taken back as soon as this one of the list's later faults is done (the first is 1), if that is before its time is over. */
  untilFault: wholeNumber(2, 50).optional(),
  /** Of a crash-loop: how often it dies, and how long it runs in between. */
  times: wholeNumber(2, 50).optional(),
  every: between(100, 60_000, '100ms to 1m').optional(),
  /** Of a fault in the network: whose packets are hit, those the broker is sent (`in`), those it sends (`out`), or both. */
  way: z.enum(['both', 'in', 'out']).optional(),
  /** Of a fault in the network: between the brokers it is done to and the other brokers, its clients, or both. */
  from: z.enum(['brokers', 'clients', 'all']).optional(),
  /** Of a throttle: what passes, a second. */
  bandwidth: size()
    .refine(bytes => bytes >= MIN_BANDWIDTH && bytes <= MAX_BANDWIDTH, {
      error: 'bytes a second, 16KiB to 1GiB',
    })
    .optional(),
  /** Of a delay: how much later bytes come, and by how much more or less. */
  by: between(1, 5_000, '1ms to 5s').optional(),
  jitter: between(1, 5_000, '1ms to 5s').optional(),
  /** Of a clock-skew, one of both: how wrong it is set. */
  ahead: between(1_000, 24 * 3_600_000, '1s to 24h').optional(),
  behind: between(1_000, 24 * 3_600_000, '1s to 24h').optional(),
  /** Of a disk-slow: how much longer each write and each sync takes. */
  delay: between(1, 60_000, '1ms to 1m').optional(),
})

const networkKinds = ['partition', 'reset', 'throttle', 'delay'] as const
type NetworkKind = (typeof networkKinds)[number]
export const isOfNetwork = (kind: string): kind is NetworkKind => networkKinds.some(each => each === kind)

/** As a file has it. */
export type FaultInput = z.input<typeof fault>

const remedy = z.enum(remedies)

const scenarioSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'a name of lower-case letters, digits and hyphens' }),
  /** Decides what is left open. Default: another one each time; it is printed. */
  seed: wholeNumber(0, 2 ** 32 - 1).optional(),
  cluster: z
    .strictObject({
      nodes: wholeNumber(1, 5).default(3),
      /** So many of the nodes are controllers too, the last ones. Default: all. */
      controllers: wholeNumber(1, 5).optional(),
      /** Kafka's release that it is made with, its features too. */
      version: version.default(defaultKafkaVersion),
      /** Brokers' settings over those that every test has, by their Kafka names. */
      config: brokerSettings.default({}),
      partitions: wholeNumber(1, 100).default(6),
      /** Replicas of each partition; all but one of them must have a record before it is acknowledged. */
      replication: wholeNumber(1, 5).optional(),
      /** So many of them instead (min.insync.replicas). */
      minInSync: wholeNumber(1, 5).optional(),
    })
    .prefault({}),
  load: z
    .strictObject({
      /** Records a second, over all producers and partitions. */
      rate: wholeNumber(1, MAX_RATE).default(300),
      recordSize: size()
        .refine(bytes => bytes >= MIN_RECORD_BYTES && bytes <= MAX_RECORD_BYTES, {
          error: `a size from ${MIN_RECORD_BYTES}B to 32KiB`,
        })
        .default(200),
      producers: wholeNumber(1, 4).default(2),
      /** The producers' request.timeout: what a request to a frozen broker costs them. */
      requestTimeout: between(200, 60_000, '200ms to 1m').default(3_000),
      /** Brokers that lead partitions; the others only follow. Default: all. */
      leaders: z.array(wholeNumber(1, 99)).min(1).optional(),
      /**
       * All partitions have the same replicas in the same order, none on the active controller if there are others: whoever
       * leads leads all of them, and when it fails, the next one does.
       */
      succession: z.boolean().optional(),
      /** How long at least; it goes on until what the faults broke is whole again. */
      duration: between(1_000, MAX_TEST_MS, '1s to 30m').default(10_000),
    })
    .prefault({}),
  faults: z.array(fault).max(50).default([]),
  /** What is done to the cluster as planned meanwhile, one after another: it serves, and nobody is called. */
  operations: z.array(operation).max(10).default([]),
  /** What of Ajna itself fails together with the brokers; only with a healer at work. */
  impaired: z.enum(impairments).optional(),
  /** How long to wait after the last fault for the cluster to be whole again. */
  settle: between(1_000, 10 * 60_000, '1s to 10m').default(90_000),
  expect: z
    .strictObject({
      lost: z.literal(0, { error: '0: no test may expect to lose what was acknowledged' }).default(0),
      duplicated: wholeNumber(0, 1_000_000).default(0),
      reordered: wholeNumber(0, 1_000_000).default(0),
      /** Of every fault: writes to every partition are acknowledged again. */
      availabilityRestoredWithin: between(1, MAX_TEST_MS, '1ms to 30m').optional(),
      /** Of every fault: every replica of every partition is in sync again. */
      redundancyRestoredWithin: between(1, MAX_TEST_MS, '1ms to 30m').optional(),
      /** The same without a time: before `settle` is over. */
      redundancyRestored: z.boolean().default(true),
      /** The longest time, in the whole run, that any partition acknowledges nothing though writes are due. */
      longestGapWithin: between(500, MAX_TEST_MS, '500ms to 30m').optional(),
      /**
       * Of the records before the first fault, or of all if there is none: 99 of 100 are acknowledged so long after they were
       * due.
       */
      p99Within: between(1, MAX_TEST_MS, '1ms to 30m').optional(),
      /** The incident that must be raised, if a healer is at work: a run whose alert stays silent fails. `none`: no incident may be. */
      incident: z.enum([...causes, 'none']).optional(),
      /** What the healer must do about it (of several, one); `none`: it must leave it alone. */
      remedy: z
        .union([z.literal('none'), remedy, z.array(remedy).min(1)], {
          error: `one or several of ${remedies.join(', ')}; or none`,
        })
        .transform(one => (one === 'none' || Array.isArray(one) ? one : [one]))
        .optional(),
      /** A person must be asked about that incident, the loss counted to the record, and nothing be done before they answer. */
      proposed: z.literal(true, { error: 'true, or nothing' }).optional(),
    })
    .prefault({}),
})

export type Scenario = DeepReadonly<z.output<typeof scenarioSchema>>
export type ScenarioInput = z.input<typeof scenarioSchema>
export type ScenarioFault = Scenario['faults'][number]

/** @throws AjnaError CONFIG_INVALID with every problem found, each with its line, what was found and what is allowed */
export const readScenario = (text: string, file: string): Scenario =>
  readConfig(scenarioSchema, text, file, check)

/** A scenario from a program, by the same rules. */
export const scenarioOf = (value: ScenarioInput): Scenario =>
  readScenario(JSON.stringify(value), `scenario ${value.name}`)

export const replicationOf = ({ cluster }: Pick<Scenario, 'cluster'>): number =>
  cluster.replication ?? Math.min(3, cluster.nodes)

export const minInSyncOf = (scenario: Pick<Scenario, 'cluster'>): number =>
  scenario.cluster.minInSync ?? Math.max(1, replicationOf(scenario) - 1)

function check(scenario: Scenario): readonly Finding[] {
  const { cluster, load, faults, settle } = scenario
  const nodes = `broker ids from 1 to ${cluster.nodes}: the cluster has ${cluster.nodes} nodes`
  const findings: Finding[] = []
  if (replicationOf(scenario) > cluster.nodes)
    findings.push({ path: ['cluster', 'replication'], allowed: `at most ${cluster.nodes}, one a node` })
  if ((cluster.controllers ?? 1) > cluster.nodes)
    findings.push({ path: ['cluster', 'controllers'], allowed: `at most ${cluster.nodes}, one a node` })
  if (minInSyncOf(scenario) > replicationOf(scenario))
    findings.push({ path: ['cluster', 'minInSync'], allowed: `at most ${replicationOf(scenario)} replicas` })
  if (load.succession === true && load.leaders !== undefined)
    findings.push({ path: ['load', 'leaders'], allowed: 'leaders or succession, not both' })
  for (const [index, id] of (load.leaders ?? []).entries())
    if (id > cluster.nodes) findings.push({ path: ['load', 'leaders', index], allowed: nodes })
  if (new Set(load.leaders).size < (load.leaders?.length ?? 0))
    findings.push({ path: ['load', 'leaders'], allowed: 'each broker once' })
  for (const [index, each] of faults.entries())
    findings.push(...checkFault(each, index, cluster.nodes, nodes), ...checkUntil(each, index, faults.length))
  findings.push(...checkOperations(scenario))
  const lasts = lastsMs(scenario)
  const bytes = (lasts / 1_000) * load.rate * (load.recordSize + RECORD_OVERHEAD) * replicationOf(scenario)
  if (lasts > MAX_TEST_MS)
    findings.push({
      path: [],
      found: `a test of ${Math.ceil(lasts / 60_000)} minutes`,
      allowed: 'at most 30',
    })
  else if (bytes > MAX_DISK_BYTES)
    findings.push({
      path: ['load', 'rate'],
      found: `a load of up to ${(bytes / 1024 ** 3).toFixed(1)} GiB on the brokers' disks (rate × size × replicas × ${Math.ceil(lasts / 1_000)} s, settle of ${settle / 1_000} s included)`,
      allowed: `at most ${MAX_DISK_BYTES / 1024 ** 3} GiB`,
    })
  return findings
}

/** Of a record in a batch of few. */
const RECORD_OVERHEAD = 32

function checkFault(fault: ScenarioFault, index: number, nodes: number, allowed: string): Finding[] {
  const { broker: brokers, fault: kind } = fault
  const findings: Finding[] = []
  const at = (...rest: (string | number)[]) => ['faults', index, ...rest]
  for (const id of brokers)
    if (typeof id === 'number' && id > nodes)
      findings.push({ path: at('broker'), found: `broker ${id}`, allowed })
  if (brokers.length > nodes)
    findings.push({ path: at('broker'), found: `${brokers.length} brokers`, allowed })
  if (new Set(brokers.filter(each => each !== 'any')).size < brokers.filter(each => each !== 'any').length)
    findings.push({ path: at('broker'), found: 'a broker twice', allowed: 'each one once' })
  const only = (
    keys: readonly (
      | 'times'
      | 'every'
      | 'way'
      | 'from'
      | 'bandwidth'
      | 'delay'
      | 'by'
      | 'jitter'
      | 'ahead'
      | 'behind'
    )[],
    whose: string,
  ): void => {
    for (const key of keys)
      if (fault[key] !== undefined)
        findings.push({ path: at(key), found: `${key} of a ${kind}`, allowed: whose, atKey: true })
  }
  if (kind !== 'crash-loop') only(['times', 'every'], 'times and every of a crash-loop only')
  if (kind !== 'disk-slow') only(['delay'], 'delay of a disk-slow only')
  if (kind !== 'clock-skew') only(['ahead', 'behind'], 'ahead and behind of a clock-skew only')
  else if ((fault.ahead === undefined) === (fault.behind === undefined))
    findings.push({
      path: at(),
      found: fault.ahead === undefined ? 'a clock that is right' : 'a clock ahead and behind',
      allowed: 'ahead: 10m, or behind: 10m',
    })
  if (kind !== 'delay') only(['by', 'jitter'], 'by and jitter of a delay only')
  else if (fault.by === undefined)
    findings.push({ path: at(), found: 'a delay by nothing', allowed: 'by: 200ms, say' })
  else if ((fault.jitter ?? 0) > fault.by)
    findings.push({ path: at('jitter'), allowed: `at most ${fault.by}ms, what it is later by` })
  if (!isOfNetwork(kind)) only(['way', 'from'], `way and from of ${networkKinds.join(', ')} only`)
  if (kind !== 'throttle') only(['bandwidth'], 'bandwidth of a throttle only')
  else if (fault.bandwidth === undefined)
    findings.push({ path: at(), found: 'a throttle without a bandwidth', allowed: 'bandwidth: 1MiB, say' })
  return findings
}

function checkUntil({ fault, untilFault }: ScenarioFault, index: number, faults: number): Finding[] {
  if (untilFault === undefined) return []
  const path = ['faults', index, 'untilFault']
  if (fault === 'crash-loop')
    return [{ path, found: 'untilFault of a crash-loop', allowed: 'times and every' }]
  if (untilFault > index + 1 && untilFault <= faults) return []
  return [{ path, allowed: `the number of a later fault, at most ${faults}` }]
}

/** What a fault in the network does to one of its brokers; undefined: it is another fault. */
export function networkEffect(
  fault: ScenarioFault,
  others: readonly number[],
  random: () => number,
): NetworkEffect | undefined {
  const { fault: kind, way = 'both', from = 'brokers' } = fault
  if (!isOfNetwork(kind)) return undefined
  const parties = [...(from === 'clients' ? [] : others), ...(from === 'brokers' ? [] : [CLIENTS])]
  return { way, from: parties, act: actOf(kind, fault, random) }
}

function actOf(
  kind: NetworkKind,
  { bandwidth = MAX_BANDWIDTH, by: byMs = 0, jitter: jitterMs = 0 }: ScenarioFault,
  random: () => number,
): NetworkEffect['act'] {
  if (kind === 'throttle') return { kind, bytesPerSecond: bandwidth }
  if (kind === 'delay') return { kind, byMs, jitterMs, seed: Math.floor(random() * 2 ** 32) }
  return { kind }
}

/** Whether some can only be done in a network of its own. */
export const needsOwnNetwork = (faults: readonly Pick<ScenarioFault, 'fault'>[]): boolean =>
  faults.some(each => isOfNetwork(each.fault))

/** Whether some can only be done to brokers whose clocks can be set wrong. */
export const needsClocks = ({
  faults,
}: {
  readonly faults: readonly Pick<ScenarioFault, 'fault'>[]
}): boolean => faults.some(({ fault }) => fault === 'clock-skew')

export const CRASHES = 3
export const CRASH_EVERY_MS = 3_000

/** How long a fault lasts, ms. */
export const faultMs = (each: ScenarioFault): number =>
  each.fault === 'crash-loop' ? ((each.times ?? CRASHES) - 1) * (each.every ?? CRASH_EVERY_MS) : each.for

/** Whether its cluster needs disks that can be made to fail. */
export const needsDisks = ({
  faults,
}: {
  readonly faults: readonly Pick<ScenarioFault, 'fault'>[]
}): boolean => faults.some(({ fault }) => isDiskFault(fault))

/** How long a scenario may take, ms. */
export const lastsMs = ({ load, faults, operations, settle }: Scenario): number =>
  Math.max(load.duration, operationsLastMs(operations), ...faults.map(each => each.at + faultMs(each))) +
  settle
