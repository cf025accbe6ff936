import type { Incident } from '../api/client.ts'
import { duration } from '../format.ts'
import { A, at } from '../router.tsx'
import { Proposal, WhatReplicasHold } from './approval.tsx'
import { Facts } from './drawer.tsx'
import { Status, type Tone } from './status.tsx'
import { Instant } from './time-ago.tsx'

const SHOWN_PARTITIONS = 3

function subjectText(subject: Incident['subject']): string {
  switch (subject.kind) {
    case 'broker':
      return `broker ${subject.broker}`
    case 'log-dir':
      return `log dir ${subject.dir} of broker ${subject.broker}`
    case 'replica':
      return `replica ${subject.topic}-${subject.partition} on broker ${subject.broker}`
    case 'replicas':
      return `replicas on broker ${subject.on}`
    case 'partitions':
      return partitionsText(subject.partitions)
    case 'leaders':
      return 'preferred leaders'
    case 'quorum':
      return 'the controller quorum'
    case 'movement':
      return 'reassignments'
    default:
      return subject satisfies never
  }
}

type Named = Extract<Incident['subject'], { kind: 'partitions' }>['partitions']

function partitionsText(partitions: Named): string {
  const names = partitions.map(({ topic, partition }) => `${topic}-${partition}`)
  const more = names.length - SHOWN_PARTITIONS
  return names.slice(0, SHOWN_PARTITIONS).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

export const incidentTitle = ({ cause, subject, cluster }: Incident): string =>
  `${cause.replaceAll('-', ' ')}: ${subjectText(subject)} of ${cluster}`

export const incidentTones: Readonly<Record<Incident['state'], Tone>> = {
  open: 'bad',
  proposed: 'bad',
  declined: 'bad',
  approved: 'bad',
  acting: 'bad',
  available: 'warn',
  healed: 'ok',
  failed: 'bad',
}

export const since = ({ beganAt }: Incident, when: number | null): string =>
  when === null ? '–' : duration(when - beganAt)

function brokerOf(subject: Incident['subject']): number | undefined {
  if (subject.kind === 'replicas') return subject.on
  return 'broker' in subject ? subject.broker : undefined
}

function whereText({ cluster, subject }: Incident): string {
  const broker = brokerOf(subject)
  return broker === undefined ? cluster : `${cluster} / ${broker}`
}

function Where({ incident }: { readonly incident: Incident }) {
  const { cluster, subject } = incident
  const broker = brokerOf(subject)
  const href = broker === undefined ? at('clusters', cluster) : at('clusters', cluster, 'brokers', broker)
  return (
    <A className="plain" href={href}>
      {whereText(incident)}
    </A>
  )
}

/** One failure: its signs, what was decided and why, evidence, what happened when. */
export function IncidentWhole({
  incident,
  ofTest = false,
}: {
  readonly incident: Incident
  /** Its cluster was made for a test: there is no page of it. */
  readonly ofTest?: boolean
}) {
  const { decision } = incident
  return (
    <>
      <Facts
        facts={[
          [
            'State',
            <Status key="state" tone={incidentTones[incident.state]}>
              {incident.state}
            </Status>,
          ],
          ['Began', <Instant key="began" at={incident.beganAt} />],
          ['Where', ofTest ? whereText(incident) : <Where key="where" incident={incident} />],
          ['Found after', since(incident, incident.detectedAt)],
          ['Acted after', since(incident, incident.actedAt)],
          ['Writable after', since(incident, incident.availableAt)],
          ['Redundant after', since(incident, incident.healedAt)],
        ]}
      />
      <h3>Signs</h3>
      <Facts facts={incident.signals.map(({ source, says }) => [source, says] as const)} />
      <h3>
        {decision.remedy === null
          ? 'Nothing is done, because'
          : decision.kind === 'propose'
            ? `Proposed: ${decision.remedy.replaceAll('-', ' ')}`
            : `${incident.actedAt === null ? 'To be done' : 'Done'}: ${decision.remedy.replaceAll('-', ' ')}`}
      </h3>
      <ul className="lines">
        {decision.reasons.map(reason => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      {!ofTest && <Proposal incident={incident} />}
      {incident.recovery !== undefined && <WhatReplicasHold recovery={incident.recovery} />}
      {decision.refused.length > 0 && (
        <>
          <h3>Not done</h3>
          <Facts facts={decision.refused.map(({ what, whyNot }) => [what, whyNot] as const)} />
        </>
      )}
      <h3>Evidence</h3>
      <Facts
        facts={incident.evidence.map(({ when, label, value }) => [`${when}: ${label}`, value] as const)}
      />
      <h3>Timeline</h3>
      <Facts
        facts={incident.timeline.map(entry => [`+${duration(entry.at - incident.beganAt)}`, entry.text])}
      />
    </>
  )
}
