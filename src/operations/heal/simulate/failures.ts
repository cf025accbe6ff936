/** What goes wrong, when and where; and how it is done to the world. */
import type { Actor, Party, SimLease } from './actor.ts'
import type { Fates, SimCluster } from './cluster.ts'
import type { Failure, FailureKind } from './contract.ts'
import type { Keys } from './keys.ts'
import type { Dice, Schedule } from './schedule.ts'

/** How often each kind happens among the others, and how long it lasts, ms. */
const mix: readonly (readonly [FailureKind, number, number, number])[] = [
  ['kill', 30, 0, 0],
  ['freeze', 16, 3_000, 1_800_000],
  ['flapping', 4, 0, 0],
  ['rack', 3, 5_000, 600_000],
  ['slow-host', 8, 2_000, 180_000],
  ['lagging', 8, 10_000, 300_000],
  ['agent-gone', 6, 5_000, 600_000],
  ['agent-lies-dead', 3, 5_000, 300_000],
  ['agent-lies-frozen', 3, 5_000, 300_000],
  ['unregistered', 4, 0, 0],
  ['migration', 8, 5_000, 300_000],
  ['healer-dies', 3, 1_000, 30_000],
  ['healer-freezes', 3, 1_000, 120_000],
  ['pause', 1, 30_000, 900_000],
]
const WEIGHTS = mix.reduce((sum, [, weight]) => sum + weight, 0)
/** Troubles do not come alone: so many of a hundred follow another one in its cluster within minutes. */
const COMPANIONS = 0.35
const COMPANION_MS = 60_000

export interface FailuresWanted {
  readonly count: number
  readonly clusters: number
  /** Of the cluster with this index. */
  readonly brokersOf: (cluster: number) => number
  readonly untilMs: number
}

/** In order of their times. */
export function planFailures(dice: Dice, { count, clusters, brokersOf, untilMs }: FailuresWanted): Failure[] {
  const planned: Failure[] = []
  while (planned.length < count) {
    const before = dice.chance(COMPANIONS) ? planned.at(-1) : undefined
    const cluster = before?.cluster ?? dice.integer(clusters)
    const at = before === undefined ? dice.between(0, untilMs) : before.at + dice.between(0, COMPANION_MS)
    const [kind, , least, most] = kindAt(dice.integer(WEIGHTS))
    planned.push({
      kind,
      at: Math.round(at),
      cluster,
      broker: dice.integer(brokersOf(cluster)),
      // Mostly short, some long.
      lastsMs: Math.round(least + (most - least) * dice.next() ** 3),
      dice: dice.next(),
    })
  }
  return planned.sort((a, b) => a.at - b.at)
}

function kindAt(point: number): (typeof mix)[number] {
  let left = point
  return mix.find(([, weight]) => (left -= weight) < 0) ?? mix[0]!
}

export interface Site {
  readonly cluster: SimCluster
  readonly fates: Fates
  readonly keys: Keys
  /** Of those who move things about under a lease. */
  readonly migrator: Actor
  readonly moving: Party
  readonly works: (lease: SimLease) => () => void
}

export interface FailureWorld {
  readonly schedule: Schedule
  readonly site: (cluster: number) => Site | undefined
  readonly sites: () => readonly Site[]
  readonly healers: readonly { readonly actor: Actor; readonly rise: () => void }[]
}

const MIGRATION_LEASE_MS = 15_000
const FLAPS = 9
/** The brokers of a rack do not go down in the same moment. */
const RACK_SPREAD_MS = 2_000

/** Does it now. */
export function happen({ schedule, site, sites, healers }: FailureWorld, failure: Failure): void {
  const { kind, lastsMs, dice } = failure
  const { after } = schedule
  const at = site(failure.cluster)
  if (kind === 'healer-dies' || kind === 'healer-freezes') {
    const healer = healers[Math.floor(dice * healers.length)]
    if (healer === undefined) return
    if (kind === 'healer-freezes') healer.actor.freeze(lastsMs)
    else {
      healer.actor.die()
      // Its successor.
      healer.actor.freeze(lastsMs)
      healer.rise()
    }
    return
  }
  if (kind === 'pause') {
    for (const keys of new Set(sites().map(each => each.keys))) {
      keys.incidents.submit({ kind: 'pause', actor: 'operator', reason: 'a drill' }, () => {})
      after(lastsMs, () => keys.incidents.submit({ kind: 'resume', actor: 'operator' }, () => {}))
    }
    return
  }
  if (at === undefined) return
  const { cluster, fates } = at
  const broker = cluster.brokers[failure.broker]!
  const { process } = broker
  switch (kind) {
    case 'kill':
      fates.die(broker, 'SIGKILL')
      return
    case 'freeze': {
      const frozen = fates.freeze(broker)
      if (frozen !== null) after(lastsMs, () => fates.thaw(broker, frozen))
      return
    }
    case 'flapping':
      broker.crashes = 1 + Math.floor(dice * FLAPS)
      fates.die(broker, 'code 1')
      return
    case 'rack': {
      const fellows = cluster.brokers.filter(({ id, rack }) =>
        rack === null ? id === broker.id : rack === broker.rack,
      )
      fellows.forEach((each, index) => {
        after((RACK_SPREAD_MS * index) / fellows.length, () => {
          each.off = true
          fates.die(each, 'power')
          // Some hosts are off, of others only the disks or the network.
          if (dice < 0.5) fates.testify(each, 'gone')
        })
      })
      after(lastsMs + RACK_SPREAD_MS, () => {
        for (const each of fellows) {
          each.off = false
          fates.testify(each, 'answers')
        }
      })
      return
    }
    case 'slow-host':
      if (broker.slow || process === null) return
      fates.hinder(broker, dice < 0.4)
      after(lastsMs, () => fates.relieve(broker))
      return
    case 'lagging':
      fates.lag(broker, lastsMs)
      return
    case 'agent-gone':
    case 'agent-lies-dead':
    case 'agent-lies-frozen': {
      if (broker.agent !== 'answers') return
      const how = {
        'agent-gone': 'gone',
        'agent-lies-dead': 'says-dead',
        'agent-lies-frozen': 'says-frozen',
      } as const
      fates.testify(broker, how[kind])
      if (kind === 'agent-gone' && dice < 0.5) fates.die(broker, 'SIGKILL')
      after(lastsMs, () => {
        if (!broker.off) fates.testify(broker, 'answers')
      })
      return
    }
    case 'unregistered':
      if (cluster.partitions.every(({ isr }) => isr.length > 1 || isr[0] !== broker.id))
        fates.unregister(broker)
      return
    case 'migration':
      migrate(at, failure, after)
      return
    default:
      kind satisfies never
  }
}

/** Holds its lease for a while; some are gone before they give it back. */
function migrate(
  { cluster, migrator, moving, works }: Site,
  { broker, lastsMs, dice }: Failure,
  after: Schedule['after'],
): void {
  const { id, rack } = cluster.brokers[broker]!
  const { name } = cluster
  const domain =
    dice < 0.2
      ? ({ kind: 'cluster', cluster: name } as const)
      : dice < 0.6 && rack !== null
        ? ({ kind: 'rack', cluster: name, rack } as const)
        : ({ kind: 'broker', cluster: name, rack, broker: id } as const)
  moving.acquire(domain, 'a migration', MIGRATION_LEASE_MS, answer => {
    if (answer.kind !== 'granted') return
    const done = works(answer.lease)
    after(lastsMs, () => {
      done()
      if (dice * 10 - Math.floor(dice * 10) < 0.3) {
        migrator.die()
        moving.forget()
      } else answer.lease.release('done')
    })
  })
}
