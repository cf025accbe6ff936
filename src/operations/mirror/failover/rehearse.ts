/**
 * What a switch of sides would do, before anything is done: what would be lost, read again or skipped, in records, what
 * stands in the way, and which steps it takes. Pure.
 */
import { count } from '../../../foundation/text/table.ts'
import { type FailoverFacts, logsOf } from './facts.ts'
import { outcomesOfGroups } from './groups.ts'
import { partitionOutcomes } from './partitions.ts'
import { planOf } from './plan.ts'
import { lossReason, reasonsOf } from './reasons.ts'
import { type GroupOutcome, NOT_KEPT, type Rehearsal, type RehearsalOptions, sumOf } from './rehearsal.ts'
import { relationsOf } from './relation.ts'
import { EVERYBODY, writersOf } from './rules.ts'

/** @throws nothing: what is not known is a reason or a bound */
export function rehearse(facts: FailoverFacts, options: RehearsalOptions): Rehearsal {
  const relations = relationsOf(facts)
  const forbids = reasonsOf(facts, options, relations)
  const partitions = partitionOutcomes(facts, options, relations)
  const groups = outcomesOfGroups(facts, options, partitions)
  const lost = sumOf(partitions.map(each => each.lost))
  const loss = lossReason(options, lost, facts)
  const all = loss === undefined ? forbids : [...forbids, loss]
  const unanswered = all.filter(({ unless }) => unless === null || !options.consents.includes(unless))
  return {
    ...options,
    link: facts.link,
    at: facts.at,
    allowed: unanswered.length === 0,
    forbids: all,
    notes: notesOf(facts, options, groups),
    partitions,
    groups,
    lost,
    again: sumOf(groups.map(each => each.again)),
    skipped: sumOf(groups.map(each => each.skipped)),
    writers: writersIn(facts, options),
    steps: planOf(facts, options, relations),
    ...pauseOf(facts, options),
  }
}

/* ---- who writes ---- */

function writersIn(facts: FailoverFacts, { action }: RehearsalOptions): Rehearsal['writers'] {
  const { source, target, topics, principal } = facts
  const at = (side: FailoverFacts['source'], names: readonly string[]): string[] =>
    side.reachable ? [...writersOf(side.acls, names).keys()].filter(who => who !== principal).sort() : []
  const sourceNames = topics.map(each => each.source)
  const copies = topics.map(each => each.copy)
  if (action === 'promote') {
    const known = source.reachable
      ? at(source, sourceNames)
      : [...writersOf(facts.kept.writers?.acls ?? [], copies).keys()].sort()
    return { closed: at(source, sourceNames), opened: known }
  }
  // Those at the source are only sealed off: they may write again once the seal is gone.
  const sealed = source.reachable
    ? source.acls.filter(acl => !(acl.permission === 'deny' && acl.principal === EVERYBODY))
    : []
  return {
    closed: at(target, copies),
    opened: [...writersOf(sealed, sourceNames).keys()].filter(who => who !== principal).sort(),
  }
}

/* ---- what else is worth knowing ---- */

function notesOf(facts: FailoverFacts, options: RehearsalOptions, groups: readonly GroupOutcome[]): string[] {
  const notes: string[] = []
  const { opened } = writersIn(facts, options)
  if (facts.target.reachable && facts.target.authorizer !== 'none' && opened.length === 0) {
    const side = options.action === 'promote' ? 'target' : 'source'
    notes.push(
      `Nobody is known who would be let write to the ${side}: grant it afterwards, or name the writers.`,
    )
  }
  if (options.action === 'promote' && !facts.source.reachable) {
    const seen = facts.kept.writers?.seenAt
    if (seen !== undefined)
      notes.push(`Who may write at the source was last seen ${new Date(seen).toISOString()}.`)
    notes.push(
      'The source cannot be closed while it does not answer: what its producers write there when it is back is on it alone. A failback closes it first.',
    )
  }
  const open = facts.source.reachable
    ? [...logsOf(facts.source)].filter(([, { end, stable }]) => stable < end).length
    : 0
  if (open > 0 && options.action === 'promote' && options.planned)
    notes.push(
      `${count(open, 'partition')} of the source with open transactions: they have to end first, by their producers or by their timeout.`,
    )
  const unkept = [...new Set(groups.filter(({ note }) => note === NOT_KEPT).map(({ group }) => group))]
  if (unkept.length > 0) notes.push(`Groups that the link does not keep in step: ${unkept.join(', ')}.`)
  return notes
}

/* ---- how long ---- */

/** Requests that follow one another while nobody can write: closing, looking at the ends, moving groups, opening. */
const STEPS_MS = 2_000

function pauseOf(
  facts: FailoverFacts,
  { action, planned, stay }: RehearsalOptions,
): Pick<Rehearsal, 'pauseMs' | 'pauseBasis'> {
  if (action === 'promote' && !planned)
    return {
      pauseMs: null,
      pauseBasis: facts.source.reachable
        ? 'nobody can write until the target is open; the source is not waited for'
        : 'nobody can write until the target is open: the source does not answer',
    }
  if (action === 'failback' && stay)
    return { pauseMs: 0, pauseBasis: 'the target stays the original: its producers are not disturbed' }
  const lags = (facts.status?.partitions ?? []).map(({ lagMs }) => lagMs ?? 0)
  if (action !== 'promote' || facts.status === undefined)
    return { pauseMs: STEPS_MS, pauseBasis: 'a few requests to each side, once the copy is in step' }
  const lagMs = Math.max(0, ...lags)
  return {
    pauseMs: lagMs + STEPS_MS,
    pauseBasis: `the copy is ${Math.round(lagMs)} ms behind, and a few requests to each side; groups that read on have to come to the end or stop`,
  }
}
