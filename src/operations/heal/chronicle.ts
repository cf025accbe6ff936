/** What is told of an incident, each telling after the other, in the book that every healer reads. */
import {
  type Affected,
  type Decision,
  type Diagnosis,
  type Incident,
  subjectKey,
  subjectText,
} from './contract.ts'
import type { HealerOptions } from './ends.ts'
import { proposedAnew } from './proposal.ts'
import { lossText, nameOf, type Recovery } from './recovery.ts'

export type Firm = Exclude<Decision, { kind: 'wait' }>

/** The same for every healer that sees the same failure. */
export const incidentId = ({ cluster, subject, mark }: Diagnosis): string =>
  [cluster.toLowerCase().replace(/[^0-9a-z]+/g, '-'), subjectKey(subject), mark].join('-').slice(-64)

export interface Chronicle {
  now(): Incident
  /** False: another healer has it. */
  begin(): Promise<boolean>
  /** False: another healer has told of it meanwhile, and this one stands back. */
  tell(change: Partial<Incident>, text: string): Promise<boolean>
  /** Like `tell`, unless that was the last thing told. */
  note(text: string): Promise<boolean>
}

/** An incident that waits for days is told of more than fits: how it began and how it stands is kept. */
const FIRST_ENTRIES = 20
const LAST_ENTRIES = 79
const MAX_EVIDENCE = 60

export function createChronicle({ book, now, signal, log }: HealerOptions, first: Incident): Chronicle {
  let incident = first
  async function tell(change: Partial<Incident>, text: string): Promise<boolean> {
    const told: Incident = {
      ...incident,
      ...change,
      revision: incident.revision + 1,
      evidence: [...incident.evidence, ...(change.evidence ?? [])].slice(0, MAX_EVIDENCE),
      timeline: [...shortened(incident.timeline), { at: now(), text: text.slice(0, 1_000) }],
    }
    const why = await book.tell(told, signal)
    if (why === undefined) incident = told
    else log.info({ incident: told.id, why }, 'another healer follows the incident')
    return why === undefined
  }
  return {
    now: () => incident,
    async begin() {
      const why = await book.tell(incident, signal)
      return why === undefined
    },
    tell,
    note: async text => incident.timeline.at(-1)?.text === text || (await tell({}, text)),
  }
}

const shortened = (timeline: Incident['timeline']): Incident['timeline'] =>
  timeline.length <= FIRST_ENTRIES + LAST_ENTRIES
    ? timeline
    : [...timeline.slice(0, FIRST_ENTRIES), ...timeline.slice(-LAST_ENTRIES)]

export function opened({ now }: Pick<HealerOptions, 'now'>, diagnosis: Diagnosis, decision: Firm): Incident {
  const { cluster, subject, cause, beganAt, signals, affected } = diagnosis
  const detectedAt = now()
  const asks = decision.kind === 'propose'
  return {
    id: incidentId(diagnosis),
    revision: 0,
    ...{ cluster, subject, cause, beganAt, detectedAt },
    state: asks ? 'proposed' : 'open',
    actedAt: null,
    availableAt: null,
    healedAt: null,
    signals: [...signals],
    ...decided(decision),
    evidence:
      diagnosis.evidence?.map(each => ({ when: 'before' as const, ...each })) ??
      evidenceOf('before', affected, subject),
    timeline: [{ at: detectedAt, text: openingText(diagnosis, decision).slice(0, 1_000) }],
    ...(asks ? { proposal: proposedAnew(undefined, detectedAt) } : {}),
  }
}

/** As it stands in an incident. */
export function decided(decision: Firm): Pick<Incident, 'decision' | 'recovery'> {
  const { kind, reasons, refused } = decision
  const remedy = kind === 'refuse' ? null : decision.remedy
  const recovery = kind === 'refuse' ? undefined : decision.recovery
  return {
    decision: { kind, remedy, reasons: [...reasons], refused: [...refused] },
    ...(recovery === undefined ? {} : { recovery }),
  }
}

export function openingText(
  { subject, cause }: Pick<Diagnosis, 'subject' | 'cause'>,
  decision: Firm,
): string {
  const what = `${cause}: ${subjectText(subject)}`
  switch (decision.kind) {
    case 'act':
      return `${what}; remedy: ${decision.remedy}`
    case 'propose':
      return `${what}; proposed: ${decision.remedy}${decision.recovery === undefined ? '' : `, by which ${lossText(decision.recovery)}`}`
    case 'refuse':
      return `${what}; nothing is done: ${decision.reasons.join('; ')}`
    default:
      return decision satisfies never
  }
}

type When = Incident['evidence'][number]['when']

export function evidenceOf(
  when: When,
  affected: Affected,
  subject: Diagnosis['subject'],
): Incident['evidence'] {
  if (subject.kind === 'partitions')
    return [{ when, label: 'partitions that nobody leads', value: String(affected.leaderless) }]
  return [
    { when, label: 'partitions led by it, or by nobody', value: String(affected.leaderless) },
    { when, label: 'partitions whose acks=all writes wait for it', value: String(affected.waitingForIt) },
    {
      when,
      label: 'partitions of which it is the only in-sync replica',
      value: String(affected.lastInSync.length),
    },
  ]
}

const SHOWN = 15

/** What an election rested on, in a line for each of the first partitions. */
export const recoveryEvidence = ({ partitions }: Recovery): Incident['evidence'] =>
  partitions.slice(0, SHOWN).map(each => ({
    when: 'before',
    label: nameOf(each),
    value: each.logs
      .map(
        ({ broker, role, end, epoch, readFrom, problem }) =>
          `broker ${broker} (${role}): up to ${end ?? '?'} in epoch ${epoch ?? '?'}, ${readFrom.join(' and ') || 'not read'}${problem === null ? '' : ` (${problem})`}`,
      )
      .join('; ')
      .slice(0, 1_000),
  }))
