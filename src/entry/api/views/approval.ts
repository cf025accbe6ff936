import { type Incident, subjectText } from '../../../operations/heal/contract.ts'
import type { Verdict } from '../../../operations/heal/proposal.ts'
import { lossText, nameOf, type PartitionRecovery } from '../../../operations/heal/recovery.ts'
import { canAnswer } from '../can.ts'
import type { ApprovalPreview } from '../models.ts'

const SHOWN = 20

/** What an answer to a proposal does: of an approval, what is lost by it to the record. */
export function approvalPreview(incident: Incident, verdict: Verdict): ApprovalPreview {
  const { cluster, cause, subject, decision, proposal } = incident
  const number = proposal?.number ?? 0
  const remedy = (decision.remedy ?? 'nothing').replaceAll('-', ' ')
  const common = {
    where: `${cluster}: ${subjectText(subject)}`,
    offer: canAnswer(incident, { proposal: number, verdict }),
    confirm: cluster,
    proposal: number,
  }
  if (verdict === 'decline')
    return {
      ...common,
      what: `Leave it as it is: ${cause.replaceAll('-', ' ')}`,
      howLong: 'until it is over by itself, or somebody approves',
      effects: ['nothing is done; the incident is followed, and may still be approved'],
      undo: 'Approve it.',
    }
  return {
    ...common,
    what: `Carry out what is proposed: ${remedy}`,
    howLong: 'some seconds, once nobody else acts on the cluster',
    effects: effectsOf(incident),
    undo: losesSomething(incident) ? 'None: what is lost is lost.' : 'None is needed: nothing is lost.',
  }
}

const losesSomething = ({ recovery }: Incident): boolean =>
  recovery?.partitions.some(({ loss }) => loss !== 0) ?? false

function effectsOf({ recovery, decision }: Incident): string[] {
  const again = 'what it rests on is looked at once more; if that has changed, it is proposed anew'
  if (recovery === undefined) return [...decision.reasons, again]
  const { partitions } = recovery
  const more = partitions.length - SHOWN
  return [
    lossText(recovery),
    ...partitions.slice(0, SHOWN).map(priceOf),
    ...(more > 0 ? [`and ${more} partitions more`] : []),
    again,
  ]
}

function priceOf(each: PartitionRecovery): string {
  const { leader, loss, committedLoss } = each
  const certain = committedLoss > 0 ? `, ${committedLoss} of them committed for certain` : ''
  const price =
    loss === null
      ? `nobody can say how many records are lost${committedLoss > 0 ? `, at least ${committedLoss}` : ''}`
      : `${loss} ${loss === 1 ? 'record is' : 'records are'} lost${certain}`
  return `${nameOf(each)}: led by broker ${leader}, ${price}`
}
