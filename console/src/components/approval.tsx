import { useState } from 'react'
import { api, data, type Incident } from '../api/client.ts'
import { count, plural } from '../format.ts'
import { ActDialog } from './act.tsx'
import { Facts } from './drawer.tsx'
import { Instant } from './time-ago.tsx'

type Verdict = 'approve' | 'decline'
type Recovery = NonNullable<Incident['recovery']>
type PartitionRecovery = Recovery['partitions'][number]
type ReplicaLog = PartitionRecovery['logs'][number]

const VERBS: Readonly<Record<Verdict, string>> = { approve: 'Approve', decline: 'Decline' }

/** What a person is asked, and the answer. */
export function Proposal({ incident }: { readonly incident: Incident }) {
  const [answering, setAnswering] = useState<Verdict>()
  const { proposal, state } = incident
  if (proposal === undefined) return null
  const { answer, number } = proposal
  const verdicts: readonly Verdict[] =
    state === 'proposed' ? ['approve', 'decline'] : state === 'declined' ? ['approve'] : []
  return (
    <>
      {answer !== null && (
        <p>
          {answer.actor} {answer.verdict === 'approve' ? 'approved' : 'declined'} it: {answer.reason} (
          <Instant at={answer.at} />)
        </p>
      )}
      {verdicts.length > 0 && (
        <div className="acts">
          {verdicts.map(verdict => (
            <button key={verdict} type="button" className="button" onClick={() => setAnswering(verdict)}>
              {VERBS[verdict]}…
            </button>
          ))}
          {number > 1 && <p className="quiet">Proposed anew: this is proposal {number}.</p>}
        </div>
      )}
      {answering !== undefined && (
        <AnswerDialog incident={incident} verdict={answering} close={() => setAnswering(undefined)} />
      )}
    </>
  )
}

/** Answers the proposal that is on the page: one made anew meanwhile is another. */
function AnswerDialog({
  incident: { id, proposal },
  verdict,
  close,
}: {
  readonly incident: Incident
  readonly verdict: Verdict
  readonly close: () => void
}) {
  const path = { id }
  const [number] = useState(proposal!.number)
  return (
    <ActDialog
      title={`${VERBS[verdict]} what is proposed`}
      verb={VERBS[verdict]}
      queryKey={['approval', id, verdict]}
      preview={signal =>
        data(api.GET('/api/incidents/{id}/approval', { params: { path, query: { verdict } }, signal }))
      }
      act={body =>
        data(
          api.POST('/api/incidents/{id}/approval', {
            params: { path },
            body: { ...body, verdict, proposal: number },
          }),
        )
      }
      close={close}
    />
  )
}

/** What each replica's log holds, who is to lead, and what is lost by it. */
export function WhatReplicasHold({ recovery }: { readonly recovery: Recovery }) {
  return (
    <>
      {recovery.partitions.map(each => (
        <section key={`${each.topic}-${each.partition}`}>
          <h3>
            {each.topic}-{each.partition}
          </h3>
          <Facts
            facts={[
              ['Would be lost', lossOf(each)],
              ...each.logs.map(log => [`Broker ${log.broker}`, holdingOf(log, each.leader)] as const),
            ]}
          />
        </section>
      ))}
    </>
  )
}

function lossOf({ loss, committedLoss }: PartitionRecovery): string {
  const certain = committedLoss > 0 ? `, ${count(committedLoss)} of them committed for certain` : ''
  return loss === null ? `not known${certain}` : `${plural(loss, 'record')}${certain}`
}

function holdingOf(
  { broker, role, end, epoch, readFrom, problem }: ReplicaLog,
  leader: number | null,
): string {
  const part = broker === leader ? 'to lead: ' : role === 'last' ? 'last in sync: ' : ''
  const upTo = end === null ? 'not known' : `up to ${count(end)} in epoch ${epoch ?? 'unknown'}`
  const from = readFrom.length === 0 ? '' : `, by ${readFrom.map(each => SOURCES[each]).join(' and ')}`
  return `${part}${upTo}${from}${problem === null ? '' : `; ${problem}`}`
}

const SOURCES = { api: 'its own word', disk: 'its disk' } as const
