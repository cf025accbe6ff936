/**
 * Healing of the local clusters, as the control process does it: for each a healer that holds its leases, and keeps its
 * incidents, on another cluster (DESIGN: no cluster keeps the keys to its own cure).
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError, errorKind } from '../../foundation/errors/errors.ts'
import type { StatusTable } from '../../foundation/http/answer.ts'
import { type Journal, openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { identity } from '../../foundation/tls/store.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import {
  brokerPrincipal,
  CONTROL_PRINCIPAL,
  HEALER_PRINCIPAL,
  type PlacedCluster,
  type ResolvedTopic,
} from '../../operations/fleet/contract.ts'
import type { Interlock } from '../../operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { INTERLOCK_TOPIC, interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import {
  INCIDENTS_TOPIC,
  type Incident,
  type IncidentsCommand,
  type IncidentsState,
} from '../../operations/heal/contract.ts'
import type { IncidentBook } from '../../operations/heal/ends.ts'
import { incidentsMachine } from '../../operations/heal/machine.ts'
import { heal } from '../../operations/heal/run.ts'
import type { HealedCluster } from '../api/models.ts'
import { clusterAddress } from '../fleet-file.ts'
import type { RoleContext } from '../roles/context.ts'
import { hostAgent } from './host-agent.ts'
import { bookOf, entryOf } from './incidents.ts'

export const HEALING_AWAY = errorKind(
  'HEALING_AWAY',
  "The journal of a cluster's incidents cannot be reached just now.",
  'It is kept on another cluster of the fleet, which `ajna status` shows; try again once that answers.',
)

export const healingStatuses: StatusTable = { [HEALING_AWAY.code]: 503 }

/** A frozen broker must not hold up what is done about it. */
const QUICK = { connectTimeoutMs: 500, requestTimeoutMs: 800 }
const REOPEN_MS = 1_000
/** Of journals that are asked while brokers die: the next attempt soon finds another leader. */
const JOURNAL_REQUEST_MS = 1_500

export interface Healing {
  /** Newest first, of all clusters. */
  incidents(): readonly Incident[]
  clusters(): readonly HealedCluster[]
  /** In every cluster's journal. @throws AjnaError HEALING_AWAY: not in all of them */
  pause(actor: string, reason: string): Promise<void>
  resume(actor: string): Promise<void>
}

export interface HealingOptions {
  readonly context: RoleContext
  readonly record: (entry: Activity) => Promise<Activity>
  readonly changed: () => void
}

/** What is open of a cluster's keys. */
interface Keys {
  readonly interlock: Interlock
  readonly journal: Journal<IncidentsState, IncidentsCommand>
}

interface Healed {
  readonly cluster: string
  readonly keptAt: string
  keys: Keys | undefined
  /** The last that was seen, for when it is away. */
  seen: IncidentsState
}

/** Begins healing of each local cluster that has its keys at another. */
export async function startHealing({ context, record, changed }: HealingOptions): Promise<Healing> {
  const { file, signal, log, session, home } = context
  const agent = hostAgent({ port: file.ports.agent, token: session.token })
  const healed: Healed[] = []
  for (const placed of file.placed) {
    const keptAt = keeperOf(placed.name, file.fleet.topics)
    if (keptAt === undefined) continue
    const each: Healed = { cluster: placed.name, keptAt, keys: undefined, seen: incidentsMachine.initial }
    healed.push(each)
    void keepOpen(context, each, changed)
    const address = await clusterAddress(file, placed.name, () => identity(home.pki, HEALER_PRINCIPAL))
    const admin = openCluster({ ...address, ...QUICK, clientId: 'ajna-healer', log })
    signal.addEventListener('abort', () => void admin.close(), { once: true })
    heal({
      cluster: placed.name,
      brokers: healedBrokers(placed),
      admin,
      tls: address.tls,
      agent,
      interlock: () => each.keys?.interlock,
      book: toldTo(record, bookIn(each), log),
      policy: file.fleet.heal,
      now: Date.now,
      log: log.child({ cluster: placed.name }),
      signal,
    }).catch(error => log.error({ err: error, cluster: placed.name }, 'healing has ended'))
  }
  const tellAll = async (command: IncidentsCommand): Promise<void> => {
    const outcomes = await Promise.allSettled(healed.map(each => journalOf(each).submit(command)))
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
  return {
    incidents: () =>
      healed
        .flatMap(({ seen }) => seen.incidents)
        .sort((a, b) => b.detectedAt - a.detectedAt || (a.id < b.id ? -1 : 1)),
    clusters: () =>
      healed.map(({ cluster, keptAt, keys, seen: { paused } }) => ({
        cluster,
        keptAt,
        state: keys === undefined ? 'away' : paused === null ? 'watching' : 'paused',
        reason: paused?.reason ?? null,
      })),
    pause: (actor, reason) => tellAll({ kind: 'pause', actor, reason }),
    resume: actor => tellAll({ kind: 'resume', actor }),
  }
}

/** The other cluster that holds a cluster's keys. */
function keeperOf(cluster: string, topics: readonly ResolvedTopic[]): string | undefined {
  const others = topics.filter(topic => topic.cluster !== cluster)
  return others.find(
    ({ name, cluster: at }) =>
      name === INTERLOCK_TOPIC && others.some(each => each.name === INCIDENTS_TOPIC && each.cluster === at),
  )?.cluster
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

/** Journals that stop are opened anew: until then nothing is acted on. */
async function keepOpen(
  { home, file, signal, log }: RoleContext,
  each: Healed,
  changed: () => void,
): Promise<void> {
  const { keptAt, cluster } = each
  async function open(): Promise<void> {
    const address = await clusterAddress(file, keptAt, () => identity(home.pki, CONTROL_PRINCIPAL))
    const reach = { clientId: 'ajna-healer', log, requestTimeoutMs: JOURNAL_REQUEST_MS }
    await using connection = openWire({ ...address, ...reach })
    await using leases = await openJournal({
      log: openKafkaLog({ wire: connection, topic: INTERLOCK_TOPIC }),
      machine: interlockMachine,
      logger: log,
      signal,
    })
    await using journal = await openJournal({
      log: openKafkaLog({ wire: connection, topic: INCIDENTS_TOPIC }),
      machine: incidentsMachine,
      logger: log,
      signal,
    })
    await using interlock = openInterlock({ journal: leases, holder: `control ${process.pid}`, logger: log })
    const unobserve = journal.observe(({ state }) => {
      each.seen = state
      changed()
    })
    each.seen = journal.state()
    each.keys = { interlock, journal }
    changed()
    const until = AbortSignal.any([signal, leases.stopped, journal.stopped])
    if (!until.aborted) await once(until, 'abort')
    each.keys = undefined
    unobserve()
  }
  while (!signal.aborted) {
    await open().catch(error => {
      if (!signal.aborted)
        log.warn(
          { reason: describeError(error), cluster, keptAt },
          'the keys to a cluster cannot be opened; trying on',
        )
    })
    await delay(REOPEN_MS, undefined, { signal }).catch(() => undefined)
  }
}

function journalOf({ keys, cluster, keptAt }: Healed): Keys['journal'] {
  if (keys === undefined) throw new AjnaError(HEALING_AWAY, `incidents of ${cluster} are kept on ${keptAt}`)
  return keys.journal
}

function bookIn(each: Healed): IncidentBook {
  return {
    list: () => each.seen.incidents,
    paused: () => each.seen.paused?.reason ?? null,
    tell: async (incident, signal) => bookOf(journalOf(each)).tell(incident, signal),
  }
}

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
