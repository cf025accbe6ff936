import type { Applied, CommandMeta, Machine } from '../../foundation/journal/contract.ts'
import { isStanding } from './conditions/standing.ts'
import {
  type Incident,
  type IncidentsCommand,
  type IncidentsState,
  incidentsCommand,
  incidentsState,
  isOver,
} from './contract.ts'
import { actsIn, excessOf } from './limits.ts'
import { type AnswerOf, whyNotAnswered } from './proposal.ts'
import { nameOf } from './recovery.ts'
import { isOfSame } from './told.ts'

export const MAX_INCIDENTS = 500
/** A snapshot holds all of them, and each replica's log of fifty partitions takes 20 KB. */
const MAX_DETAILED = 100

/**
 * Every healer tells of the same failure under the same id: the first that does has it, and only what follows on the last
 * telling is taken. What is over stays as it is. An act begins only here: while healing is paused, or beyond its limits, that
 * it does is not taken, whoever had decided on it and when, unless a person has approved it.
 */
export const incidentsMachine: Machine<IncidentsState, IncidentsCommand> = {
  version: 5,
  initial: { incidents: [], paused: null },
  command: incidentsCommand,
  state: incidentsState,
  apply(state, command, meta) {
    switch (command.kind) {
      case 'tell':
        return tell(state, command.incident, meta)
      case 'pause': {
        const { actor, reason } = command
        return { accepted: true, state: { ...state, paused: { actor, reason, at: meta.at } } }
      }
      case 'answer':
        return answered(state, command, meta.at)
      case 'resume':
        return state.paused === null
          ? { accepted: false, reason: 'healing is not paused' }
          : { accepted: true, state: { ...state, paused: null } }
      default:
        return command satisfies never
    }
  },
}

function tell(
  state: IncidentsState,
  told: Incident,
  { machineVersion }: CommandMeta,
): Applied<IncidentsState> {
  const { incidents } = state
  const at = incidents.findLastIndex(({ id }) => id === told.id)
  const before = incidents[at]
  if (before === undefined) {
    if (told.revision !== 0) return refused(`incident ${told.id} is not known (any more)`)
    const other = incidents.find(each => isOfSamePartitions(each, told) || isSameStanding(each, told))
    if (other !== undefined) return refused(`incident ${other.id} is about it already`)
    if (isFull(incidents) && machineVersion >= OPEN_STAY_SINCE) return refused(FULL)
    return { accepted: true, state: { ...state, incidents: bounded([...incidents, told]) } }
  }
  if (isOver(before)) return refused(`incident ${told.id} is over`)
  if (told.revision !== before.revision + 1)
    return refused(`incident ${told.id} was told anew meanwhile, or by another`)
  if (told.actedAt !== null && told.actedAt !== before.actedAt && machineVersion >= LIMITS_SINCE) {
    const why = whyNotNow(state, before, told.actedAt)
    if (why !== undefined) return refused(why)
  }
  return { accepted: true, state: { ...state, incidents: incidents.with(at, told) } }
}

/**
 * An incident under way is never dropped for another: whoever acts on it would be told that it is unknown, in the middle of
 * the act, and nobody would see it to its end. So the new one has to wait until one is over: a failure is after a while, healed or
 * failed, a proposal once it is answered, what stands once it does not; what has failed is found anew every second, and so is not
 * forgotten.
 */
export const isFull = (incidents: readonly Incident[]): boolean =>
  incidents.length >= MAX_INCIDENTS && !incidents.some(isOver)
export const FULL = `${MAX_INCIDENTS} incidents are open: this one waits until one of them is over`

/** Earlier versions dropped the oldest one when all were open. */
const OPEN_STAY_SINCE = 4

/** Earlier versions left pause and limits to the healers: several that decide at once knew nothing of each other's acts. */
const LIMITS_SINCE = 3

function whyNotNow({ incidents, paused }: IncidentsState, before: Incident, at: number): string | undefined {
  if (before.proposal?.answer?.verdict === 'approve') return undefined
  if (paused !== null) return `healing is paused: ${paused.reason}`
  const others = incidents.filter(({ id }) => id !== before.id)
  return excessOf(actsIn(others, before.cluster), before.subject, at)[0]
}

/**
 * Healers may group leaderless partitions differently: the first incident that names one has it, until it is over, and then still
 * for the same state without a leader.
 */
function isOfSamePartitions(before: Incident, told: Incident): boolean {
  if (before.cluster !== told.cluster || before.cause !== told.cause || isStanding(told.cause)) return false
  if (before.subject.kind !== 'partitions' || told.subject.kind !== 'partitions') return false
  const epochs = ({ recovery }: Incident) =>
    new Map(recovery?.partitions.map(each => [nameOf(each), each.leaderEpoch]))
  const [then, now] = [epochs(before), epochs(told)]
  const its = new Set(before.subject.partitions.map(nameOf))
  return told.subject.partitions
    .map(nameOf)
    .some(name => its.has(name) && (!isOver(before) || (then.get(name) ?? -1) >= (now.get(name) ?? Infinity)))
}

/** Healers that look at different moments see it begin at different ones: it is the same until it is over. */
const isSameStanding = (before: Incident, told: Incident): boolean =>
  isStanding(told.cause) &&
  before.cluster === told.cluster &&
  before.cause === told.cause &&
  isOfSame(before.subject, told.subject) &&
  (!isOver(before) || told.beganAt <= (before.timeline.at(-1)?.at ?? before.detectedAt))

/** Of a proposal that stands: who declined may still approve, but nobody agrees to what was not put to them. */
function answered(state: IncidentsState, answer: AnswerOf, at: number): Applied<IncidentsState> {
  const { incidents } = state
  const index = incidents.findLastIndex(({ id }) => id === answer.id)
  const before = incidents[index]
  if (before === undefined) return refused(`incident ${answer.id} is not known (any more)`)
  const { verdict, actor, reason } = answer
  const why = whyNotAnswered(before, answer)
  if (why !== undefined) return refused(why)
  const told: Incident = {
    ...before,
    revision: before.revision + 1,
    state: verdict === 'approve' ? 'approved' : 'declined',
    proposal: { ...before.proposal!, answer: { verdict, actor, reason, at } },
    timeline: [...before.timeline, { at, text: `${actor} ${SAID[verdict]}: ${reason}`.slice(0, 1_000) }],
  }
  return { accepted: true, state: { ...state, incidents: incidents.with(index, told) } }
}

const SAID = { approve: 'approved it', decline: 'declined it' } as const

const refused = (reason: string): Applied<IncidentsState> => ({ accepted: false, reason })

/** The oldest that are over make room; older ones lose what each replica's log held, of which the evidence has the sum. */
function bounded(incidents: readonly Incident[]): Incident[] {
  const kept =
    incidents.length <= MAX_INCIDENTS
      ? [...incidents]
      : incidents.toSpliced(Math.max(0, incidents.findIndex(isOver)), 1)
  const detailed = kept.filter(({ recovery }) => recovery !== undefined)
  if (detailed.length <= MAX_DETAILED) return kept
  const oldest = detailed.find(isOver)
  return kept.map(each => (each === oldest ? withoutRecovery(each) : each))
}

function withoutRecovery({ recovery: _, ...rest }: Incident): Incident {
  return rest
}
