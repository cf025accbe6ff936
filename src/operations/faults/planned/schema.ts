/** Of a scenario's file: what its cluster is made with, and the operations that are done to it. Messages say what is allowed. */
import { z } from 'zod'
import type { DeepReadonly } from '../../../foundation/config/config.ts'
import { type Finding, listed } from '../../../foundation/config/problem.ts'
import { kafkaRelease, kafkaVersions } from '../../../foundation/kafka-dist/versions.ts'
import { operationKinds } from '../contract.ts'
import { between, MAX_TEST_MS } from '../quantities.ts'
import { compareVersions, knowsFeaturesOf } from './rules.ts'

const runnable = kafkaVersions.filter(version => kafkaRelease(version).kraft)
export const version = z.enum(runnable as [string, ...string[]])

/** What makes a node the one that it is, where it listens, and who may speak to it: the test's own. */
const OWNED =
  /^(process\.roles|(node|broker)\.id|broker\.rack|(metadata\.)?log\.dirs?|controller\.quorum\.(voters|bootstrap\.servers)|(advertised\.)?listeners|listener\..*|inter\.broker\.listener\.name|controller\.listener\.names|security\..*|sasl\..*|ssl\..*|authorizer\..*|super\.users)$/

const settingName = z
  .string()
  .regex(/^[a-z][a-z0-9._-]{0,99}$/, {
    error: 'a broker’s setting by its Kafka name, such as num.io.threads',
  })
  .refine(name => !OWNED.test(name), {
    error:
      'settings other than a node’s identity, directories, listeners and security: those are the test’s own',
  })
/** It is a line of server.properties. */
const VALUE = 'a number, true or false, or at most 500 printable ASCII characters on one line'
const text = z.string({ error: VALUE }).regex(/^[\x20-\x7e]{0,500}$/, { error: VALUE })
const settingValue = z.union([text, z.number(), z.boolean()], { error: VALUE }).transform(String)
const MAX_SETTINGS = 50
export const brokerSettings = z
  .record(settingName, settingValue)
  .refine(all => Object.keys(all).length <= MAX_SETTINGS, { error: `at most ${MAX_SETTINGS} settings` })

const DEFAULT_WITHIN_MS = 5 * 60_000

export const operation = z.strictObject({
  /** After the load's start, at the earliest: operations are done one after another. */
  at: between(0, MAX_TEST_MS, '0s to 30m'),
  operation: z.enum(operationKinds),
  /** The release of an upgrade or downgrade. */
  to: version.optional(),
  /**
   * Of an upgrade: once every broker runs the new release, its features are raised to it (KIP-584). Until then a downgrade is
   * possible, and from then on none.
   */
  finalize: z.boolean().optional(),
  /** Of a configure, what is changed; of the others, what brokers are started with from then on as well. */
  set: brokerSettings.optional(),
  /** All of it; what is not done by then is taken back at the broker where it stands. */
  within: between(10_000, 20 * 60_000, '10s to 20m').default(DEFAULT_WITHIN_MS),
  /** How it must end. `taken-back`: a broker does not come up with it, gets back what it had, and no other one is touched. */
  ends: z.enum(['done', 'taken-back']).default('done'),
})
export type PlannedOperation = DeepReadonly<z.output<typeof operation>>

interface Planned {
  readonly cluster: { readonly version: string }
  readonly operations: readonly PlannedOperation[]
}

/** In the order in which they are done. */
export const inTurn = (operations: readonly PlannedOperation[]): readonly PlannedOperation[] =>
  [...operations].sort((a, b) => a.at - b.at)

/** When the last of them is over at the latest, ms after the load's start. */
export const operationsLastMs = (operations: readonly PlannedOperation[]): number =>
  inTurn(operations).reduce((until, { at, within }) => Math.max(until, at) + within, 0)

/** The releases that a scenario needs: the one its cluster begins with first. */
export const versionsOf = ({ cluster, operations }: Planned): readonly string[] => [
  ...new Set([cluster.version, ...operations.flatMap(({ to }) => (to === undefined ? [] : [to]))]),
]

/** What is wrong with operations as a whole: a release that cannot follow the one before, what belongs to others. */
export function checkOperations({ cluster, operations }: Planned): readonly Finding[] {
  const findings: Finding[] = []
  let runs = cluster.version
  let finalized = runs
  for (const each of inTurn(operations)) {
    const index = operations.indexOf(each)
    const at = (...rest: string[]) => ['operations', index, ...rest]
    const { operation: kind, to, finalize, set, ends } = each
    const moves = kind === 'upgrade' || kind === 'downgrade'
    const only = (key: 'to' | 'finalize', allowed: string): void => {
      if (each[key] !== undefined)
        findings.push({ path: at(key), found: `${key} of a ${kind}`, allowed, atKey: true })
    }
    if (!moves) only('to', 'to of an upgrade or downgrade only')
    if (kind !== 'upgrade') only('finalize', 'finalize of an upgrade only')
    if (kind === 'configure' && (set === undefined || Object.keys(set).length === 0))
      findings.push({
        path: at(),
        found: 'a configure of nothing',
        allowed: 'set: { num.io.threads: 4 }, say',
      })
    if (ends === 'taken-back' && finalize === true)
      findings.push({
        path: at('finalize'),
        found: 'an upgrade that is finalized and taken back',
        allowed: 'one of both: what is finalized cannot be taken back',
        atKey: true,
      })
    if (!moves) continue
    if (to === undefined) {
      findings.push({ path: at(), found: `${kind} without a release`, allowed: `to: ${listed(runnable)}` })
      continue
    }
    const step = compareVersions(to, runs)
    if (kind === 'upgrade' ? step <= 0 : step >= 0)
      findings.push({
        path: at('to'),
        found: `${kind} from ${runs} to ${to}`,
        allowed: `a release ${kind === 'upgrade' ? 'after' : 'before'} ${runs}`,
      })
    else if (!knowsFeaturesOf(to, finalized))
      findings.push({
        path: at('to'),
        found: `${kind} to ${to} of a cluster whose features are finalized at ${finalized}`,
        allowed:
          'a downgrade only while the upgrade before it is not finalized, and never below the release that the cluster was made with',
      })
    if (ends === 'taken-back') continue
    runs = to
    if (finalize === true) finalized = to
  }
  return findings
}

/** For people: `upgrade to 4.3.1`. */
export const operationText = ({
  operation: kind,
  to,
  set = {},
}: Pick<PlannedOperation, 'operation' | 'to' | 'set'>): string => {
  const settings = Object.entries(set).map(([name, value]) => `${name}=${value}`)
  const what = to === undefined ? (kind === 'restart' ? 'rolling restart' : kind) : `${kind} to ${to}`
  return settings.length === 0 ? what : `${what} with ${settings.join(', ')}`
}
