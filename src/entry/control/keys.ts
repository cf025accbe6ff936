/** The leases and incidents of one cluster, open on the other cluster that keeps them, for as long as that answers. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError, errorKind } from '../../foundation/errors/errors.ts'
import { type Journal, openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { Interlock } from '../../operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { INTERLOCK_TOPIC, interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import {
  INCIDENTS_TOPIC,
  type IncidentsCommand,
  type IncidentsState,
} from '../../operations/heal/contract.ts'
import type { IncidentBook } from '../../operations/heal/ends.ts'
import { incidentsMachine } from '../../operations/heal/machine.ts'
import type { ClusterAddress } from '../fleet-file.ts'
import { bookOf } from './incidents.ts'

export const HEALING_AWAY = errorKind(
  'HEALING_AWAY',
  "The journals of a cluster's leases and incidents cannot be reached just now.",
  'They are kept on another cluster of the fleet, which `ajna status` shows; try again once that answers.',
)

const REOPEN_MS = 1_000
/** Of journals that are asked while brokers die: the next attempt soon finds another leader. */
const JOURNAL_REQUEST_MS = 1_500

export interface KeysOptions {
  /** The cluster they are about, and the one that keeps them. */
  readonly cluster: string
  readonly keptAt: string
  readonly address: () => Promise<ClusterAddress>
  /** This process, for people. */
  readonly holder: string
  readonly log: Logger
  /** They came, went, or say something new. */
  readonly changed: () => void
  readonly signal: AbortSignal
}

export interface KeptLeases {
  readonly keptAt: string
  /** Undefined: where they are kept cannot be reached just now. */
  interlock(): Interlock | undefined
}

export interface KeptKeys extends KeptLeases {
  /** @throws AjnaError HEALING_AWAY */
  journal(): Journal<IncidentsState, IncidentsCommand>
  /** The last that was seen, also while they are away. */
  seen(): IncidentsState
  readonly book: IncidentBook
}

/** Opens them until the signal aborts; journals that stop are opened anew, and until then nothing is acted on. */
export function keepKeys(options: KeysOptions): KeptKeys {
  const { cluster, keptAt, address, holder, log, changed, signal } = options
  let keys: { readonly interlock: Interlock; readonly journal: ReturnType<KeptKeys['journal']> } | undefined
  let seen: IncidentsState = incidentsMachine.initial
  async function open(): Promise<void> {
    const reach = { clientId: 'ajna-healer', log, requestTimeoutMs: JOURNAL_REQUEST_MS }
    await using wire = openWire({ ...(await address()), ...reach })
    const logOf = (topic: string) => openKafkaLog({ wire, topic })
    const common = { logger: log, signal }
    await using leases = await openJournal({
      log: logOf(INTERLOCK_TOPIC),
      machine: interlockMachine,
      ...common,
    })
    await using journal = await openJournal({
      log: logOf(INCIDENTS_TOPIC),
      machine: incidentsMachine,
      ...common,
    })
    await using interlock = openInterlock({ journal: leases, holder, logger: log })
    const unobserve = journal.observe(({ state }) => {
      seen = state
      changed()
    })
    seen = journal.state()
    keys = { interlock, journal }
    changed()
    const until = AbortSignal.any([signal, leases.stopped, journal.stopped])
    if (!until.aborted) await once(until, 'abort')
    keys = undefined
    unobserve()
  }
  async function keepOpen(): Promise<void> {
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
  void keepOpen()
  function journal(): ReturnType<KeptKeys['journal']> {
    if (keys === undefined) throw new AjnaError(HEALING_AWAY, `incidents of ${cluster} are kept on ${keptAt}`)
    return keys.journal
  }
  return {
    keptAt,
    interlock: () => keys?.interlock,
    journal,
    seen: () => seen,
    book: {
      list: () => seen.incidents,
      paused: () => seen.paused?.reason ?? null,
      tell: async (incident, asked) => bookOf(journal()).tell(incident, asked),
    },
  }
}
