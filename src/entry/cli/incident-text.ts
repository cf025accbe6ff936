/** One incident for people: what failed, what is or is not done about it and why, what was seen, what happened when. */
import { type Incident, subjectText } from '../../operations/heal/contract.ts'
import { nameOf, type PartitionRecovery } from '../../operations/heal/recovery.ts'

export const instant = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ')
export const after = ({ beganAt }: Incident, at: number | null): string =>
  at === null ? '–' : `${((at - beganAt) / 1_000).toFixed(1)} s`

export function incidentText(found: Incident): string {
  const { decision, proposal } = found
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', title, ...lines.map(line => `  ${line}`)]
  return [
    `${found.cause}: ${subjectText(found.subject)} of ${found.cluster} — ${found.state}`,
    `began ${instant(found.beganAt)} UTC; ${times(found).join(', ')}`,
    ...section(
      'Signs',
      found.signals.map(({ source, says }) => `${source}: ${says}`),
    ),
    ...section(decisionTitle(found), decision.reasons),
    ...section('What each replica holds', (found.recovery?.partitions ?? []).flatMap(held)),
    ...(found.state === 'proposed' || found.state === 'declined'
      ? section('To be decided', [
          `ajna incident approve ${found.id} --proposal ${proposal?.number} --reason …`,
          `ajna incident decline ${found.id} --reason …`,
        ])
      : []),
    ...section(
      'Not done',
      decision.refused.map(({ what, whyNot }) => `${what}: ${whyNot}`),
    ),
    ...section(
      'Evidence',
      found.evidence.map(({ when, label, value }) => `${when}: ${label}: ${value}`),
    ),
    ...section(
      'Timeline',
      found.timeline.map(({ at, text }) => `+${after(found, at).padStart(7)}  ${text}`),
    ),
  ].join('\n')
}

function times(found: Incident): string[] {
  const { detectedAt, actedAt, availableAt, healedAt } = found
  const stage = (what: string, at: number | null): string[] =>
    at === null ? [] : [`${what} after ${after(found, at)}`]
  return [
    `found after ${after(found, detectedAt)}`,
    ...(actedAt === null ? ['not acted on'] : stage('acted on', actedAt)),
    ...stage('writable', availableAt),
    ...stage('redundant', healedAt),
  ]
}

/** What is, was or would be done, in a word or two. */
export function remedyText({ decision: { kind, remedy }, actedAt }: Incident): string {
  if (remedy !== null && actedAt !== null) return remedy
  switch (kind) {
    case 'refuse':
      return 'refused'
    case 'wait':
      return 'not needed'
    case 'propose':
      return `${remedy}?`
    case 'act':
      return `${remedy} (not yet)`
    default:
      return kind satisfies never
  }
}

/** What its reasons are reasons of. */
function decisionTitle({ decision: { kind, remedy }, actedAt }: Incident): string {
  switch (kind) {
    case 'refuse':
      return 'Nothing is done, because'
    case 'wait':
      return 'Nothing has to be done any more; what it would have been'
    case 'propose':
      return `${actedAt === null ? 'Proposed' : 'Proposed, and done'}: ${remedy}`
    case 'act':
      return `${actedAt === null ? 'To be done' : 'Done'}: ${remedy}`
    default:
      return kind satisfies never
  }
}

const held = (each: PartitionRecovery): string[] => [
  `${nameOf(each)}: broker ${each.leader ?? 'none'} to lead, ${each.loss ?? 'unknown'} records lost`,
  ...each.logs.map(
    ({ broker, role, end, epoch, agreesUpTo, readFrom, problem }) =>
      `  broker ${broker} (${role}): up to ${end ?? '?'} in epoch ${epoch ?? '?'}, as the last in sync up to ${agreesUpTo ?? '?'}; ${readFrom.join(' and ') || 'not read'}${problem === null ? '' : `; ${problem}`}`,
  ),
]
