/** A small cluster as one healer sees it, look after look; for tests. */
import type { BrokerFacts, HealFacts, PartitionFacts } from '../contract.ts'
import { type Around, PATIENCE, type Patience, type UncleanElection } from './facts.ts'
import { conditionsOf, type History, type Look, NOTHING_SEEN, seen } from './history.ts'

export const START = 1_000_000_000
const NOBODY: Around = { incidents: [], leases: [] }

export const broker = (id: number, facts: Partial<BrokerFacts> = {}): BrokerFacts => ({
  id,
  rack: `r${id}`,
  registration: 'up',
  testimony: { kind: 'running', pid: id, since: START - 3_600_000, ran: true, lastEnd: null },
  probe: { kind: 'answers' },
  dirs: [],
  ...facts,
})

export const partition = (index: number, facts: Partial<PartitionFacts> = {}): PartitionFacts => ({
  topic: 'orders',
  partition: index,
  leader: 1,
  leaderEpoch: 0,
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
  offline: [],
  ...facts,
})

/** What one look sees besides what all do. */
export type Sight = Partial<Omit<Look, 'at'>>

export interface Watched {
  history: History
  at: number
  readonly patience: Patience
  /** So many milliseconds later. */
  look(ms: number, sight?: Sight): HealFacts
}

/** Starts with a cluster of three in which all has been well for an hour. */
export function watched(elections: readonly UncleanElection[] = []): Watched {
  const patience = PATIENCE
  const here: Watched = {
    history: NOTHING_SEEN,
    at: START,
    patience,
    look(ms, sight = {}) {
      here.at += ms
      const look: Look = {
        at: here.at,
        partitions: [partition(0)],
        brokers: [1, 2, 3].map(id => broker(id)),
        quorum: null,
        reassignments: [],
        eligible: new Map(),
        around: NOBODY,
        ...sight,
      }
      here.history = seen(here.history, look, patience)
      const { at, brokers, partitions } = look
      const conditions = conditionsOf(here.history, look, patience, elections)
      return { at, cluster: 'edge', brokers, partitions, conditions }
    },
  }
  here.look(0)
  return here
}

export const openIncident = (
  cause: string,
  on: number | null,
  standing: Around['incidents'][number]['standing'] = null,
): Around => ({ ...NOBODY, incidents: [{ id: `edge-${cause}`, cause, broker: on, standing }] })
