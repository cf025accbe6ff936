/** What to do about a diagnosis, why, and what not. Pure. */
import type { Alternative, Decision, Diagnosis, HealFacts, HealPolicy, Remedy } from './contract.ts'
import { flowsWithout } from './diagnose.ts'

export interface HealMemory {
  /** When brokers of the cluster were acted on lately, ms since the epoch. */
  readonly acts: readonly { readonly broker: number; readonly at: number }[]
  /** Nothing is done by itself, in the whole fleet, until somebody says otherwise; null: not so. */
  readonly paused: string | null
  /** Whether another cluster keeps the leases of this one. */
  readonly hasInterlock: boolean
}

/** A healer must not be able to make an outage: beyond these it asks. */
export const LIMITS = { windowMs: 600_000, actsPerBroker: 3, actsPerCluster: 6 }

export function decide(
  diagnosis: Diagnosis,
  facts: HealFacts,
  policy: HealPolicy,
  memory: HealMemory,
): Decision {
  const { broker, cause } = diagnosis
  if (policy[cause] === 'off') return { kind: 'wait', why: `healing of ${cause} is off` }
  if (cause === 'broker-dead' && flowsWithout(facts, broker))
    return { kind: 'wait', why: 'the controller has moved everything off it already' }
  const obstacles = [...obstaclesTo(diagnosis, facts, memory)]
  const remedy = remedyFor(diagnosis)
  const refused = alternatives(diagnosis, remedy)
  if (remedy === undefined)
    obstacles.push(
      `it is the only in-sync replica of ${named(diagnosis.affected.lastInSync)}: unregistering it would leave nobody to elect`,
    )
  if (obstacles.length > 0 || remedy === undefined) return { kind: 'refuse', reasons: obstacles, refused }
  const kind = policy[cause] === 'automatic' ? 'act' : 'propose'
  return { kind, remedy, reasons: reasonsFor(diagnosis, remedy), refused }
}

function* obstaclesTo(
  { broker, cause, affected }: Diagnosis,
  facts: HealFacts,
  { acts, paused, hasInterlock }: HealMemory,
): Generator<string> {
  if (paused !== null) yield `healing is paused: ${paused}`
  if (!hasInterlock) yield 'no other cluster keeps leases for this one: its host agents restart what dies'
  if (facts.partitions === null) yield 'the cluster does not say what its partitions are'
  const recent = acts.filter(({ at }) => facts.at - at < LIMITS.windowMs)
  const minutes = LIMITS.windowMs / 60_000
  if (recent.filter(each => each.broker === broker).length >= LIMITS.actsPerBroker)
    yield `broker ${broker} was healed ${LIMITS.actsPerBroker} times in ${minutes} minutes: it does not stay up`
  if (recent.length >= LIMITS.actsPerCluster)
    yield `${recent.length} acts on this cluster in ${minutes} minutes: something else is wrong`
  if (cause !== 'broker-unregistered' && affected.waitingForIt === 0 && affected.leaderless === 0)
    yield 'no partition waits for it'
}

/** A broker that alone is in sync must come back as it is: nobody else may be elected. */
function remedyFor({ cause, affected }: Diagnosis): Remedy | undefined {
  if (cause === 'broker-unregistered') return 'kill'
  const isLast = affected.lastInSync.length > 0
  if (cause === 'broker-dead') return isLast ? undefined : 'unregister'
  return isLast ? 'kill' : 'kill-and-unregister'
}

function reasonsFor({ cause, signals, affected }: Diagnosis, remedy: Remedy): string[] {
  const agree = signals.map(({ source, says }) => `${source}: ${says}`).join('; ')
  if (cause === 'broker-unregistered') return [agree, 'only a restart makes it register again']
  const waiting = `acks=all writes of ${affected.waitingForIt} partitions wait for it`
  const others = 'every partition it is in has another in-sync replica, which has all that was acknowledged'
  return [
    agree,
    waiting,
    ...(remedy === 'kill'
      ? ['what it has in its page cache stays in the kernel when it is killed, and it restarts with it']
      : [others]),
    ...(cause === 'broker-frozen'
      ? ['requests to it hang until their clients give up: its end frees them at once']
      : []),
  ]
}

function alternatives({ cause, affected }: Diagnosis, remedy: Remedy | undefined): Alternative[] {
  if (cause === 'broker-unregistered') return []
  const waitFor = {
    what: 'wait for the controller to fence it',
    whyNot: 'writes would stand still until its session ends',
  }
  const lastOne = affected.lastInSync.length > 0
  return [
    ...(remedy === undefined ? [] : [waitFor]),
    ...(lastOne
      ? [
          {
            what: 'unregister it',
            whyNot: `it is the only in-sync replica of ${named(affected.lastInSync)}`,
          },
          {
            what: 'elect a replica that is not in sync',
            whyNot: 'acknowledged records could be lost: that is for a person to decide',
          },
        ]
      : []),
    ...(cause === 'broker-frozen'
      ? [
          {
            what: 'unregister it and leave it frozen',
            whyNot: 'woken, it would answer clients with what is no longer so, and never register again',
          },
        ]
      : []),
  ]
}

const SHOWN = 5

function named(partitions: readonly string[]): string {
  const more = partitions.length - SHOWN
  return partitions.slice(0, SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
