/**
 * Healing of the local clusters, as the control process does it: for each a healer that holds its leases, and keeps its
 * incidents, on another cluster (DESIGN: no cluster keeps the keys to its own cure).
 */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { StatusTable } from '../../foundation/http/answer.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { identity } from '../../foundation/tls/store.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import {
  brokerPrincipal,
  CONTROL_PRINCIPAL,
  HEALER_PRINCIPAL,
  type PlacedCluster,
  type ResolvedHeal,
} from '../../operations/fleet/contract.ts'
import type { Patience } from '../../operations/heal/conditions/facts.ts'
import type { Incident, IncidentsCommand } from '../../operations/heal/contract.ts'
import type { IncidentBook } from '../../operations/heal/ends.ts'
import { FULL, isFull } from '../../operations/heal/machine.ts'
import type { AnswerOf } from '../../operations/heal/proposal.ts'
import { heal } from '../../operations/heal/run.ts'
import { ACT_REFUSED } from '../api/errors.ts'
import type { HealedCluster } from '../api/models.ts'
import { clusterAddress } from '../fleet-file.ts'
import { keeperOf } from '../keeper-of.ts'
import type { RoleContext } from '../roles/context.ts'
import { hostAgent } from './host-agent.ts'
import { entryOf } from './incidents.ts'
import { HEALING_AWAY, type KeptKeys, type KeptLeases, keepKeys } from './keys.ts'

export const healingStatuses: StatusTable = { [HEALING_AWAY.code]: 503 }

/** A frozen broker must not hold up what is done about it. */
export const QUICK = { connectTimeoutMs: 500, requestTimeoutMs: 800 }

export interface Healing {
  /** Newest first, of all clusters. */
  incidents(): readonly Incident[]
  clusters(): readonly HealedCluster[]
  /** Also of one that keeps them itself, and so is not healed. Undefined: nobody keeps them. */
  leases(cluster: string): KeptLeases | undefined
  /** In every cluster's journal. @throws AjnaError HEALING_AWAY: not in all of them */
  pause(actor: string, reason: string): Promise<void>
  resume(actor: string): Promise<void>
  /** @throws AjnaError HEALING_AWAY, API_ACT_REFUSED */
  answer(answer: AnswerOf): Promise<Activity>
}

export interface HealingOptions {
  readonly context: RoleContext
  readonly record: (entry: Activity) => Promise<Activity>
  readonly changed: () => void
}

interface Healed {
  readonly cluster: string
  readonly keys: KeptKeys
}

/** Begins healing of each local cluster that has its keys at another. */
export async function startHealing({ context, record, changed }: HealingOptions): Promise<Healing> {
  const { file, signal, log, session, home } = context
  const agent = hostAgent({ port: file.ports.agent, token: session.token })
  const healed: Healed[] = []
  const leases = new Map<string, KeptLeases>()
  for (const placed of file.placed) {
    const keptAt = keeperOf(placed.name, file.fleet.topics)
    if (keptAt === undefined) continue
    const keys = keepKeys({
      ...{ cluster: placed.name, keptAt, holder: `control ${process.pid}`, log, changed, signal },
      address: () => clusterAddress(file, keptAt, () => identity(home.pki, CONTROL_PRINCIPAL)),
    })
    leases.set(placed.name, keys)
    // What it would need for its cure it would keep itself.
    if (keptAt === placed.name) continue
    healed.push({ cluster: placed.name, keys })
    const address = await clusterAddress(file, placed.name, () => identity(home.pki, HEALER_PRINCIPAL))
    const admin = openCluster({ ...address, ...QUICK, clientId: 'ajna-healer', log })
    signal.addEventListener('abort', () => void admin.close(), { once: true })
    heal({
      cluster: placed.name,
      brokers: healedBrokers(placed),
      admin,
      tls: address.tls,
      agent,
      interlock: keys.interlock,
      book: toldTo(record, keys.book, log),
      policy: file.fleet.heal,
      patience: patienceOf(file.fleet.heal),
      now: Date.now,
      log: log.child({ cluster: placed.name }),
      signal,
    }).catch(error => log.error({ err: error, cluster: placed.name }, 'healing has ended'))
  }
  const tellAll = async (command: IncidentsCommand): Promise<void> => {
    const outcomes = await Promise.allSettled(healed.map(async ({ keys }) => keys.journal().submit(command)))
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
  return {
    incidents: () =>
      healed
        .flatMap(({ keys }) => keys.seen().incidents)
        .sort((a, b) => b.detectedAt - a.detectedAt || (a.id < b.id ? -1 : 1)),
    clusters: () =>
      healed.map(({ cluster, keys }) => {
        const { paused, incidents } = keys.seen()
        return {
          cluster,
          keptAt: keys.keptAt,
          state: keys.interlock() === undefined ? 'away' : paused === null ? 'watching' : 'paused',
          reason: paused?.reason ?? (isFull(incidents) ? FULL : null),
        }
      }),
    leases: cluster => leases.get(cluster),
    pause: (actor, reason) => tellAll({ kind: 'pause', actor, reason }),
    resume: actor => tellAll({ kind: 'resume', actor }),
    async answer(answer) {
      const { id } = answer
      const its = healed.find(({ keys }) => keys.seen().incidents.some(each => each.id === id))
      if (its === undefined) throw new AjnaError(ACT_REFUSED, `incident ${id} is not known (any more)`)
      const outcome = await its.keys.journal().submit({ kind: 'answer', ...answer })
      if (!outcome.accepted) throw new AjnaError(ACT_REFUSED, `incident ${id}: ${outcome.reason}`)
      return record(entryOf(outcome.state.incidents.find(each => each.id === id)!))
    },
  }
}

function patienceOf({ after }: ResolvedHeal): Partial<Patience> {
  if (after === undefined) return {}
  return {
    unbalancedMs: after['leaders-unbalanced'],
    quorumMs: after['quorum-at-risk'],
    behindMs: after['under-replicated'],
    movingMs: after['data-movement'],
  }
}

/** As the healer has to know them. */
export const healedBrokers = ({ name, nodes }: PlacedCluster) =>
  nodes.map(({ id, rack, ports }) => ({
    id,
    rack,
    host: '127.0.0.1',
    port: ports.client,
    process: brokerPrincipal(name, id),
  }))

/** What is done about an incident is in the activity too. */
function toldTo(record: HealingOptions['record'], book: IncidentBook, log: Logger): IncidentBook {
  return {
    ...book,
    async tell(incident, signal) {
      const why = await book.tell(incident, signal)
      if (why === undefined)
        record(entryOf(incident)).catch(error =>
          log.error({ err: error }, 'an incident is not in the activity'),
        )
      return why
    },
  }
}
