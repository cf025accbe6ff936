/**
 * What becomes of the disks of a broker's log dirs. A broker gives up a log dir at the first failure, for as long as it
 * runs; its controller moves the leaders at once. Two things remain: acks=all writes wait for the replicas that are gone
 * (`affected.ts`), and the dir stays out until the broker is started anew, which is done once its disk is well. Pure.
 */
import { affectedBy, leftWithout } from '../affected.ts'
import type {
  Alternative,
  BrokerFacts,
  Care,
  Cause,
  Diagnosis,
  HealFacts,
  LogDirFacts,
  Plan,
  Signal,
} from '../contract.ts'
import { agreed, named, spoken } from './signs.ts'

/**
 * A disk that is well for so long is not merely between two errors. As long since its broker gave it up: by then its agent
 * has looked again, and would say so if it failed.
 */
const WELL_FOR_MS = 6_000
/** So long it is waited for the broker to be needed no more, before somebody is told that it is. */
const SETTLES_MS = 30_000
/** A broker that began so lately may still look at its dirs. */
const STARTING_MS = 15_000

export const diskCare: Care = { diagnose, plan }

function diagnose(facts: HealFacts): readonly Diagnosis[] {
  return facts.brokers.flatMap(broker => [
    ...(broker.dirs ?? []).flatMap(dir => diskOf(facts, broker, dir)),
    ...returned(facts, broker),
  ])
}

/** A disk that is not well. */
function diskOf(facts: HealFacts, broker: BrokerFacts, dir: LogDirFacts): readonly Diagnosis[] {
  const cause = causeOf(dir)
  if (cause === undefined) return []
  const signals: Signal[] = [{ source: 'agent', says: `${dir.path}: ${dir.says}` }]
  if (dir.broker === 'offline') signals.push({ source: 'broker', says: `it has given up ${dir.path}` })
  if (broker.testimony.kind === 'dead' && broker.registration !== 'up' && broker.registration !== 'unknown')
    signals.push({ source: 'controller', says: `the broker is ${broker.registration}` })
  if (cause === 'disk-slow' && broker.probe.kind === 'silent')
    signals.push({ source: 'probe', says: 'the broker takes connections and does not answer' })
  // What is slow or nearly full is only told: nobody else can see it.
  if (cause === 'disk-failed' && !agreed(signals)) return []
  const subject = { kind: 'log-dir', broker: broker.id, dir: dir.path } as const
  const affected = affectedBy(facts, subject)
  return [
    {
      ...about(facts, broker),
      cause,
      subject,
      affected,
      signals,
      beganAt: dir.since,
      mark: markOf(cause, dir.since),
    },
  ]
}

function causeOf({ disk, broker }: LogDirFacts): Cause | undefined {
  switch (disk) {
    case 'failed':
      return 'disk-failed'
    case 'full':
      return 'disk-full'
    case 'slow':
    case 'hanging':
      // One that it has given up, and that hangs, has failed.
      return broker === 'offline' ? 'disk-failed' : 'disk-slow'
    default:
      return undefined
  }
}

/** Disks that are well again, or new, while the broker goes without them. */
function returned(facts: HealFacts, broker: BrokerFacts): readonly Diagnosis[] {
  const { testimony } = broker
  if (testimony.kind !== 'running' || facts.at - testimony.since < STARTING_MS) return []
  const without = (broker.dirs ?? []).filter(dir => dir.broker === 'offline')
  const back = without.filter(
    ({ disk, since, brokerSince }) =>
      disk === 'well' && facts.at - since >= WELL_FOR_MS && facts.at - brokerSince >= WELL_FOR_MS,
  )
  // While another one fails it would be restarted for that too.
  if (back.length === 0 || back.length < without.length) return []
  const paths = back.map(({ path }) => path)
  const signals: Signal[] = back.flatMap(({ path, says, since }) => [
    { source: 'agent', says: `${path}: well for ${Math.round((facts.at - since) / 1_000)} s: ${says}` },
    { source: 'broker', says: `it goes without ${path}` },
  ])
  const subject = { kind: 'broker', broker: broker.id } as const
  const affected = affectedBy(facts, subject)
  const cause = 'log-dir-offline'
  const since = Math.max(...back.map(each => each.since))
  // Once for each life of the process: the next one has it.
  const mark = `dir-${testimony.pid}-${testimony.since.toString(36)}`
  return [{ ...about(facts, broker), cause, subject, affected, signals, beganAt: since, mark, dirs: paths }]
}

function about(facts: HealFacts, { id, rack, testimony }: BrokerFacts) {
  const { cluster } = facts
  return {
    cluster,
    domain: { kind: 'broker', cluster, rack, broker: id } as const,
    pid: testimony.kind === 'running' ? testimony.pid : null,
  }
}

const markOf = (cause: Cause, since: number): string => `${cause.slice('disk-'.length)}-${since.toString(36)}`

function plan(diagnosis: Diagnosis, facts: HealFacts): Plan {
  const { cause, signals, pid, affected, beganAt } = diagnosis
  const refused = alternatives(cause)
  const notYet = (why: string): Plan =>
    // Replicas come and go from the in-sync sets while leaders move: what is so for good is said.
    facts.at - beganAt < SETTLES_MS ? { kind: 'nothing', why } : { kind: 'none', why, refused }
  if (!agreed(signals)) return { kind: 'none', why: adviceOn(cause), refused }
  if (pid === null)
    return { kind: 'none', why: 'the broker has ended; its agent starts it once the disk is well', refused }
  const agree = spoken(signals)
  if (cause === 'disk-failed' || cause === 'disk-full') {
    if (affected.waitingForIt === 0) return notYet('no partition waits for a replica on it')
    return { kind: 'remedy', remedy: 'withdraw-replicas', reasons: [agree, ...WITHDRAWING], refused }
  }
  const why = whyNeeded(diagnosis, facts)
  if (why !== undefined) return notYet(why)
  const others = 'every partition it is in has enough other in-sync replicas'
  return cause === 'log-dir-offline'
    ? {
        kind: 'remedy',
        remedy: 'restore-log-dir',
        reasons: [agree, 'a broker takes a log dir back only when it starts', others],
        refused,
      }
    : { kind: 'remedy', remedy: 'kill-and-unregister', reasons: [agree, others], refused }
}

const WITHDRAWING = [
  'leaders wait for replicas that were in sync half a minute ago, as long as their broker lives, and who waits is told nothing',
  'without them in the assignment nobody waits; they are assigned anew at once, and come back with the log dir',
  'no replica that is in sync is touched, and the broker serves what is on its other log dirs',
]

/** Why the broker cannot be spared for the seconds that a restart takes; undefined: it can. */
function whyNeeded({ subject }: Diagnosis, facts: HealFacts): string | undefined {
  if (!('broker' in subject)) return undefined
  // Those that nobody is in sync with stand still already.
  const alone = (facts.partitions ?? [])
    .filter(({ isr }) => isr.length === 1 && isr[0] === subject.broker)
    .map(({ topic, partition }) => `${topic}-${partition}`)
  if (alone.length > 0)
    return `it is the only in-sync replica of ${named(alone)}: these would stand still until it is back`
  const { tooFew, unknown } = leftWithout(facts, subject)
  if (tooFew.length > 0)
    return `without it fewer replicas are in sync than min.insync.replicas of ${named(tooFew)}: nothing could be acknowledged until it is back`
  if (unknown.length > 0)
    return `how many in-sync replicas have to acknowledge a write (min.insync.replicas) of ${named(unknown)} is not known`
  return undefined
}

function adviceOn(cause: Cause): string {
  return cause === 'disk-full'
    ? 'the broker still has it: what makes room is for a person to decide'
    : 'only the agent says so: its leaders are better moved to other brokers'
}

function alternatives(cause: Cause): readonly Alternative[] {
  switch (cause) {
    case 'disk-full':
      return [
        {
          what: 'lower the retention of what is on it',
          whyNot: 'records would be deleted: that is for a person to decide',
        },
        {
          what: 'move replicas to another log dir or broker',
          whyNot: 'that needs room elsewhere and takes time: `ajna plan` shows where it is',
        },
      ]
    case 'disk-slow':
      return [
        {
          what: 'move its leaders to other brokers',
          whyNot: 'the others take the load as long as it lasts: for a person to decide',
        },
      ]
    case 'disk-failed':
      return [
        {
          what: 'restart the broker',
          whyNot:
            'it would copy what was on this log dir to its others: whether they have the room is for a person to decide',
        },
        {
          what: 'format the disk',
          whyNot: 'nothing on a disk is deleted by itself: replace it, or empty it',
        },
      ]
    default:
      return []
  }
}
