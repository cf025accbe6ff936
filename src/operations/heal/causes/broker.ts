/**
 * What becomes of a broker's process. It is called dead or frozen only if two sides that do not know of each other say so;
 * partitions that suffer from it are explained by it, and not healed by themselves. Pure.
 */
import { affectedBy, flowsWithout, leftWithout, type Without } from '../affected.ts'
import type {
  Affected,
  Alternative,
  BrokerFacts,
  Care,
  Diagnosis,
  HealFacts,
  Plan,
  Remedy,
  Signal,
} from '../contract.ts'
import { AT_ODDS_MS, oddsOf } from './odds.ts'
import { agreed, named, spoken } from './signs.ts'

/** So many unanswered probes in a row, and for so long, are a sign. */
const SILENT_TIMES = 2
const SILENT_MS = 800
/** A process that began so lately cannot have registered with the controller yet. */
const NOT_REGISTERED_YET_MS = 1_000
/** A broker that has run for so long, and is not registered, will not be. */
const OVERDUE_MS = 60_000
/** A sign of death that old explains nothing any more: by then the controller has found out by itself. */
const FRESH_MS = 30_000
const SAME_LOSS_MS = 10_000
/** Leaders move before an end that was ordered; what still waits for it so long after it was not given the time. */
const ORDERED_MS = 2_000

export const brokerCare: Care = { diagnose, plan }

/** One diagnosis for each broker that something is wrong with, as far as two sides agree. */
function diagnose(facts: HealFacts): readonly Diagnosis[] {
  return facts.brokers.flatMap(broker => {
    const found =
      death(broker, facts.at) ??
      freeze(broker, facts.at) ??
      dispute(broker, facts.at) ??
      estrangement(broker, facts.at) ??
      loss(broker, facts.at)
    if (found === undefined) return []
    const { id, rack } = broker
    const { cluster } = facts
    const subject = { kind: 'broker', broker: id } as const
    const { cause, signals, pid, since, beganAt } = found
    return [
      {
        ...{ cause, cluster, subject, signals, pid, beganAt },
        domain: { kind: 'broker', cluster, rack, broker: id },
        mark: found.mark ?? `${pid ?? 'lost'}-${since.toString(36)}`,
        affected: affectedBy(facts, subject),
      },
    ]
  })
}

/** `since`: of the process that died, its end; of one that lives, its start; of one that is lost, about when that was seen. */
type Found = Pick<Diagnosis, 'cause' | 'signals' | 'beganAt' | 'pid'> & {
  readonly since: number
  readonly mark?: string
}

/**
 * Whether the process that the controller counts as up is gone. Its successor may run already: as long as that one is too
 * young to have registered, what the controller has is the dead one's. One that answers is not dead, whoever else says so.
 */
function death({ testimony, probe, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind === 'none' || testimony.kind === 'disputed') return undefined
  if (probe.kind === 'answers') return undefined
  const { lastEnd } = testimony
  if (lastEnd === null || at - lastEnd.at > FRESH_MS) return undefined
  if (lastEnd.expected && at - lastEnd.at < ORDERED_MS) return undefined
  if (testimony.kind === 'running' && at - testimony.since >= NOT_REGISTERED_YET_MS) return undefined
  const signals: Signal[] = [{ source: 'agent', says: `process ${lastEnd.pid} ended (${lastEnd.how})` }]
  if (probe.kind === 'refused') signals.push({ source: 'probe', says: 'nobody listens at its address' })
  if (registration === 'fenced' || registration === 'absent')
    signals.push({ source: 'controller', says: `it is ${registration}` })
  if (!agreed(signals)) return undefined
  return { cause: 'broker-dead', signals, pid: lastEnd.pid, since: lastEnd.at, beganAt: lastEnd.at }
}

function freeze({ testimony, probe, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind !== 'running' || testimony.ran !== false || probe.kind === 'answers') return undefined
  const signals: Signal[] = [{ source: 'agent', says: `no thread of process ${testimony.pid} runs` }]
  if (probe.kind === 'silent' && probe.times >= SILENT_TIMES && at - probe.since >= SILENT_MS)
    signals.push({
      source: 'probe',
      says: `it takes connections and has answered none for ${at - probe.since} ms`,
    })
  if (registration === 'fenced')
    signals.push({ source: 'controller', says: 'it has not been heard of, and is fenced' })
  if (!agreed(signals)) return undefined
  const { pid, since } = testimony
  return { cause: 'broker-frozen', signals, pid, since, beganAt: probe.kind === 'silent' ? probe.since : at }
}

/** What an agent says of it, another side contradicts, for longer than any change explains. */
function dispute(broker: BrokerFacts, at: number): Found | undefined {
  const { atOddsSince, testimony } = broker
  const odds = oddsOf(broker)
  if (odds === undefined || atOddsSince === undefined || at - atOddsSince < AT_ODDS_MS) return undefined
  const { signals, mark } = odds
  const pid = testimony.kind === 'running' ? testimony.pid : null
  return {
    cause: 'testimony-disputed',
    signals: [...signals],
    pid,
    since: atOddsSince,
    beganAt: atOddsSince,
    mark,
  }
}

function estrangement({ testimony, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind !== 'running' || registration !== 'absent') return undefined
  const ranMs = at - testimony.since
  if (ranMs < OVERDUE_MS) return undefined
  const { pid, since } = testimony
  const signals: Signal[] = [
    { source: 'agent', says: `process ${pid} has run for ${Math.round(ranMs / 1_000)} s` },
    { source: 'controller', says: 'it is not registered' },
  ]
  return { cause: 'broker-unregistered', signals, pid, since, beganAt: at }
}

/** Nobody testifies for its process: what is left is that it does not answer, and that the controller has given it up. */
function loss({ testimony, probe, registration }: BrokerFacts, at: number): Found | undefined {
  if (testimony.kind !== 'none') return undefined
  const signals: Signal[] = []
  if (probe.kind === 'refused') signals.push({ source: 'probe', says: 'nobody listens at its address' })
  if (probe.kind === 'silent')
    signals.push({ source: 'probe', says: `it has answered nothing for ${at - probe.since} ms` })
  if (registration === 'fenced' || registration === 'absent')
    signals.push({ source: 'controller', says: `it is ${registration}` })
  if (!agreed(signals)) return undefined
  // No two healers see it at the same moment: within so long it is the same loss.
  const since = Math.floor(at / SAME_LOSS_MS)
  return { cause: 'broker-lost', signals, pid: null, since, beganAt: at }
}

function plan(diagnosis: Diagnosis, facts: HealFacts): Plan {
  const { cause, subject, affected } = diagnosis
  if (subject.kind !== 'broker') return { kind: 'nothing', why: 'it is not about a broker' }
  if (cause === 'broker-dead' && flowsWithout(facts, subject))
    return { kind: 'nothing', why: 'the controller has moved everything off it already' }
  if (cause === 'broker-lost') return { kind: 'none', why: whyLost(diagnosis), refused: LOST }
  if (cause === 'testimony-disputed') return { kind: 'none', why: WHY_DISPUTED, refused: DISPUTED }
  const why = whyNotUnregistered(diagnosis, facts)
  const remedy = remedyFor(diagnosis, why)
  const refused = alternatives(diagnosis, why)
  if (remedy === undefined) return { kind: 'none', why: why!, refused }
  if (cause === 'broker-dead' && nobodyWaits(affected))
    return { kind: 'none', why: 'no partition waits for it', refused }
  const left = leftWithout(facts, subject)
  const idle = cause === 'broker-unregistered' ? {} : { idle: WAITING }
  return { kind: 'remedy', remedy, reasons: reasonsFor(diagnosis, remedy, left), refused, ...idle }
}

const whyLost = ({ affected: { lastInSync } }: Diagnosis): string =>
  lastInSync.length === 0
    ? 'its partitions are led by others; only its host can start it again: somebody has to look at that, or at the agent there'
    : `it is the only in-sync replica of ${named(lastInSync)}, and only its host can start it again: somebody has to look at that, or at the agent there`

const LOST: Alternative[] = [
  { what: 'kill and start it', whyNot: 'no agent of its host answers' },
  {
    what: 'unregister it',
    whyNot: 'no partition waits for one that is fenced; and should it live, it would never register again',
  },
]

const WAITING: Alternative = {
  what: 'wait for the controller to fence it',
  whyNot: 'writes would stand still until its session ends',
}

const WHY_DISPUTED =
  'the sides contradict each other: an agent that is wrong must not make an outage, so nothing is done to this broker on its word; somebody has to look at the agent of its host'

const DISPUTED: Alternative[] = [
  { what: 'kill it', whyNot: 'it may be well: only the agent says that it is not' },
  { what: 'unregister it', whyNot: 'one that lives would never register again by itself' },
]

/**
 * Whether somebody is to be elected without it, and writes flow sooner then: where its end would leave too few in sync
 * everywhere, nothing is gained by taking one out that has every record. Undefined: nothing stands against it.
 */
function whyNotUnregistered({ subject, affected }: Diagnosis, facts: HealFacts): string | undefined {
  if (affected.lastInSync.length > 0)
    return `it is the only in-sync replica of ${named(affected.lastInSync)}: unregistering it would leave nobody to elect`
  if (subject.kind !== 'broker' || nobodyWaits(affected)) return undefined
  const { enough, tooFew, unknown } = leftWithout(facts, subject)
  // Of those that nobody knows it of, writes may flow sooner.
  if (enough + unknown.length > 0 || tooFew.length === 0) return undefined
  return `without it fewer replicas are in sync than min.insync.replicas of ${named(tooFew)}: no write would flow sooner, and one that has every acknowledged record could not be elected any more`
}

const nobodyWaits = ({ waitingForIt, leaderless }: Affected): boolean => waitingForIt + leaderless === 0

/**
 * A broker that alone is in sync, or without which too few are, must come back as it is. A frozen one that nobody waits for any
 * more needs no unregistering; but it has to be ended, or its replicas stay out of sync.
 */
function remedyFor({ cause, affected }: Diagnosis, whyNotUnregister: string | undefined): Remedy | undefined {
  if (cause === 'broker-unregistered') return 'kill'
  if (cause === 'broker-dead') return whyNotUnregister === undefined ? 'unregister' : undefined
  return whyNotUnregister !== undefined || nobodyWaits(affected) ? 'kill' : 'kill-and-unregister'
}

function reasonsFor({ cause, signals, affected }: Diagnosis, remedy: Remedy, left: Without): string[] {
  const agree = spoken(signals)
  if (cause === 'broker-unregistered') return [agree, 'only a restart makes it register again']
  const waiting = nobodyWaits(affected)
    ? 'no partition waits for it, and its replicas are out of sync until it is restarted'
    : `acks=all writes of ${affected.waitingForIt} partitions wait for it`
  const others = 'every partition it is in has another in-sync replica, which has all that was acknowledged'
  const short =
    left.tooFew.length === 0
      ? []
      : [
          `too few are in sync without it, and nothing can be acknowledged until it is back: ${named(left.tooFew)}`,
        ]
  return [
    agree,
    waiting,
    ...(remedy === 'kill'
      ? ['what it has in its page cache stays in the kernel when it is killed, and it restarts with it']
      : [others, ...short]),
    ...(cause === 'broker-frozen'
      ? ['requests to it hang until their clients give up: its end frees them at once']
      : []),
  ]
}

function alternatives({ cause, affected }: Diagnosis, whyNotUnregister: string | undefined): Alternative[] {
  if (cause === 'broker-unregistered') return []
  const isLast = affected.lastInSync.length > 0
  return [
    ...(whyNotUnregister === undefined ? [] : [{ what: 'unregister it', whyNot: whyNotUnregister }]),
    ...(isLast
      ? [
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
