/** What stands in the way of a switch. Pure. */
import { count } from '../../../foundation/text/table.ts'
import { type FailoverFacts, logsOf, pairKey } from './facts.ts'
import { canGiveUpReturn, targetStillClosed } from './plan.ts'
import {
  type Bound,
  type Reason,
  type ReasonCode,
  type RehearsalOptions,
  STATUS_STALE_MS,
} from './rehearsal.ts'
import { onlyAtSource, type Relations, recordsText } from './relation.ts'
import { reservationOf } from './rules.ts'
import type { Consent, FailoverAction, FailoverState } from './state.ts'

const reason = (code: ReasonCode, text: string, unless: Consent | null = null): Reason => ({
  code,
  text,
  unless,
})

/** What stands in the way of a switch, each with what has to be said yes to. */
export function reasonsOf(facts: FailoverFacts, options: RehearsalOptions, relations: Relations): Reason[] {
  return [
    ...phaseReasons(facts, options),
    ...reachReasons(facts, options),
    ...(facts.topics.length === 0
      ? [reason('no-topics', 'the link has no topics: nothing is known of what it copies')]
      : []),
    ...sizeReasons(facts),
    ...fenceReasons(facts, options),
    ...mappedReasons(facts),
    ...(options.action === 'promote'
      ? promoteReasons(facts, options)
      : returnReasons(facts, options, relations)),
  ]
}

/** What a switch remembers while it is under way has to fit into the journal beside everything else (about 3 MB). */
const MAX_TOPICS = 1_000
const MAX_PARTITIONS = 5_000

function sizeReasons({ topics, source, target, state }: FailoverFacts): Reason[] {
  // What was begun is gone on with.
  if (state.operation !== null || state.phase !== 'copying') return []
  const partitions = Math.max(...[source, target].map(side => (side.reachable ? logsOf(side).size : 0)))
  if (topics.length <= MAX_TOPICS && partitions <= MAX_PARTITIONS) return []
  const text = `the link has ${count(topics.length, 'topic')} with ${count(partitions, 'partition')}; a switch takes at most ${MAX_TOPICS} with ${MAX_PARTITIONS}: make several links of it`
  return [reason('too-large', text)]
}

const FEW = 5

/** The sides are compared, and groups are moved, by offsets that both have; a mapping leads one way only. */
function mappedReasons({ mapped, state }: FailoverFacts): Reason[] {
  if (mapped.length === 0 || state.operation !== null) return []
  const named = mapped
    .slice(0, FEW)
    .map(({ at: { topic, partition }, why }) => `${topic}-${partition} (${why})`)
  const more = mapped.length > FEW ? ` and ${mapped.length - FEW} more` : ''
  const text = `the copies' offsets are not the source's in ${count(mapped.length, 'partition')}: ${named.join(', ')}${more}`
  return [reason('offsets-mapped', text)]
}

const PHASES: Readonly<Record<FailoverAction, readonly FailoverFacts['state']['phase'][]>> = {
  promote: ['copying'],
  demote: ['promoted', 'returning'],
  failback: ['promoted', 'returning'],
}

function phaseReasons({ state }: FailoverFacts, { action }: RehearsalOptions): Reason[] {
  const { operation } = state
  if (undoes(state, action)) return []
  if (operation !== null) {
    const step = operation.steps.at(-1)
    const where = step === undefined ? '' : `, at ${step.name}`
    const stuck = operation.stuck === null ? '' : `: ${operation.stuck}`
    return [reason('under-way', `${operation.action} is under way${where}${stuck}`)]
  }
  if (PHASES[action].includes(state.phase)) return []
  const where = {
    copying: 'the source is the original, the target copies it',
    promoting: 'a promotion is under way',
    promoted: 'the target is the original already',
    returning: 'the source is becoming a copy of the target',
    demoting: 'the source is about to become the original again',
  }[state.phase]
  return [reason('wrong-phase', `${action} does not apply: ${where}`)]
}

/** Whether an action takes back the one that is under way. */
export function undoes(state: FailoverState, action: FailoverAction): boolean {
  if (state.operation === null) return false
  if (action === 'demote') return state.phase === 'promoting' && state.operation.action === 'promote'
  return action === 'promote' && canGiveUpReturn(state)
}

function reachReasons(
  { source, target, state }: FailoverFacts,
  { action, planned }: RehearsalOptions,
): Reason[] {
  const found: Reason[] = []
  // A promotion that has opened nothing is taken back without the target.
  const needsTarget = action !== 'demote' || !targetStillClosed(state)
  if (!target.reachable && needsTarget)
    found.push(reason('target-unreachable', `the target does not answer: ${target.reason}`))
  if (!source.reachable && (action !== 'promote' || planned)) {
    const way = action === 'promote' ? '; an unplanned promotion goes without it' : ''
    found.push(reason('source-unreachable', `the source does not answer: ${source.reason}${way}`))
  }
  const sides = [
    ['source', source],
    ['target', target],
  ] as const
  for (const [which, side] of sides) {
    if (!side.reachable || (which === 'source' ? action === 'promote' && !planned : !needsTarget)) continue
    for (const { name, unknown } of side.topics.values())
      for (const { partition, reason: why } of unknown)
        found.push(
          reason('partition-unknown', `${name}-${partition} of the ${which} does not answer: ${why}`),
        )
  }
  return found
}

/** Whether writers can be kept out, and the link's own workers. */
function fenceReasons(facts: FailoverFacts, { action, planned }: RehearsalOptions): Reason[] {
  const { source, target, principal, state } = facts
  if (undoes(state, action)) return []
  const found: Reason[] = []
  const closes = action === 'promote' && !planned ? [] : sidesThatClose(action)
  for (const which of closes) {
    const side = which === 'source' ? source : target
    if (!side.reachable) continue
    if (side.authorizer === 'none')
      found.push(
        reason(
          'no-authorizer',
          `the ${which} has no authorizer: nothing can keep producers from writing to it`,
          'writers-stopped',
        ),
      )
  }
  // At once, no reverse link comes into it.
  if (action === 'demote' && state.phase !== 'returning') return found
  const written = action === 'promote' ? target : source
  if (written.reachable && (written.authorizer === 'none' || principal === null))
    found.push(
      reason(
        'no-authorizer',
        'nothing at the brokers can fence the link: a worker that cannot be reached, and comes back, could still write',
        'unfenced',
      ),
    )
  return found
}

const sidesThatClose = (action: FailoverAction): ('source' | 'target')[] => {
  if (action === 'promote') return ['source']
  if (action === 'failback') return ['source', 'target']
  return ['target']
}

function promoteReasons(facts: FailoverFacts, { planned }: RehearsalOptions): Reason[] {
  if (!planned || facts.state.phase !== 'copying' || !facts.source.reachable || !facts.target.reachable)
    return []
  const [theirs, ours] = [logsOf(facts.source), logsOf(facts.target)]
  const found: Reason[] = []
  let behind = 0
  for (const { source, copy } of facts.topics) {
    for (const log of facts.source.topics.get(source)?.logs ?? []) {
      const there = ours.get(pairKey(copy, log.partition))
      if (there === undefined)
        found.push(
          reason('copy-missing', `${source}-${log.partition} has no copy yet: ${count(log.end, 'record')}`),
        )
      else if (there.end > log.end)
        found.push(
          reason(
            'copy-ahead',
            `the copy of ${source}-${log.partition} ends at ${there.end}, the source at ${log.end}: the source lost what the copy has`,
          ),
        )
      else behind += log.end - there.end
    }
  }
  for (const each of facts.status?.partitions ?? []) {
    if (each.state !== 'halted' && each.state !== 'blocked') continue
    const log = theirs.get(pairKey(each.topic, each.partition))
    const copy = facts.topics.find(({ source }) => source === each.topic)?.copy ?? each.topic
    if (log !== undefined && log.end === ours.get(pairKey(copy, each.partition))?.end) continue
    found.push(reason('partition-halted', `${each.topic}-${each.partition} is ${each.state}: ${each.reason}`))
  }
  if (behind > 0 && !isWorking(facts))
    found.push(
      reason(
        'link-idle',
        `${count(behind, 'record')} are not copied yet, and nobody copies: ${idleness(facts)}`,
      ),
    )
  return found
}

const isWorking = ({ status, at }: FailoverFacts): boolean =>
  status !== undefined &&
  at - status.observedAt <= STATUS_STALE_MS &&
  (status.state === 'running' || status.state === 'starting')

function idleness({ status, at }: FailoverFacts): string {
  if (status === undefined) return "the link's worker says nothing"
  if (at - status.observedAt > STATUS_STALE_MS)
    return `the link's worker has said nothing for ${Math.round((at - status.observedAt) / 1000)} s`
  return `the link is ${status.state}${status.reason === '' ? '' : ` (${status.reason})`}`
}

function returnReasons(
  facts: FailoverFacts,
  { action, stay }: RehearsalOptions,
  relations: Relations,
): Reason[] {
  const { state, source, target, topics } = facts
  if (!source.reachable || !target.reachable || state.phase === 'promoting') return []
  const found: Reason[] = []
  const back = action === 'failback' || state.phase === 'returning'
  if (back && topics.some(({ source: name, copy }) => name !== copy))
    found.push(reason('renamed', 'the copies have other names than the source: they cannot be copied back'))
  if (action === 'demote' && state.phase === 'promoted') found.push(...untouchedReasons(facts, relations))
  if (action === 'failback' && state.phase === 'promoted') found.push(...divergedReasons(facts, relations))
  if (back && source.authorizer === 'acls') {
    const names = topics.map(({ source: name }) => name)
    for (const obstacle of reservationOf(source.acls, names, facts.principal).obstacles)
      found.push(
        reason(
          'open-to-everybody',
          `${obstacle} at the source: while that rule stands, a copy there is not read-only`,
        ),
      )
  }
  if (!stay && target.authorizer === 'acls') {
    const names = topics.map(({ copy }) => copy)
    for (const obstacle of reservationOf(target.acls, names, facts.principal).obstacles)
      found.push(
        reason(
          'open-to-everybody',
          `${obstacle} at the target: while that rule stands, a copy there is not read-only`,
        ),
      )
  }
  return found
}

/** A demotion at once: the source has to have everything that the target has. */
function untouchedReasons(facts: FailoverFacts, relations: Relations): Reason[] {
  return [...relations].flatMap(([key, relation]) => {
    const where = key.replace('/', '-')
    switch (relation.kind) {
      case 'equal':
      case 'source-ahead':
        return []
      case 'absent':
        return [reason('target-written', `the source has no ${where}`)]
      case 'source-behind': {
        const records = recordsText(relation.records, targetEnd(facts, key) - relation.end)
        return [
          reason(
            'target-written',
            `the target holds ${records} of ${where} that the source lacks: fail back`,
          ),
        ]
      }
      case 'diverged': {
        const records = recordsText(relation.targetRecords, targetEnd(facts, key) - relation.from)
        return [
          reason(
            'target-written',
            `the target holds ${records} of ${where} that the source lacks, from offset ${relation.from}: fail back`,
          ),
        ]
      }
      default:
        return relation satisfies never
    }
  })
}

/** A failback: what only the source holds cannot be truncated, and would keep the target's records from their offsets. */
function divergedReasons(facts: FailoverFacts, relations: Relations): Reason[] {
  if (!facts.source.reachable) return []
  const found: Reason[] = []
  for (const { source: name } of facts.topics) {
    const topic = facts.source.topics.get(name)
    const copied = facts.copiedIds.get(name)
    if (topic !== undefined && copied !== undefined && topic.id !== copied)
      found.push(
        reason(
          'source-recreated',
          `topic ${name} was deleted and created again at the source (${copied}, now ${topic.id}): it is not what was copied`,
          'recreate',
        ),
      )
  }
  const logs = logsOf(facts.source)
  for (const [key, relation] of relations) {
    const tail = onlyAtSource(relation, logs.get(key))
    if (tail === undefined) continue
    found.push(
      reason(
        'diverged',
        `the source holds ${recordsText(tail.records, tail.to - tail.from)} of ${key.replace('/', '-')} that were never copied, offsets ${tail.from} to ${tail.to - 1}: a log cannot be cut from outside; its topic would be deleted at the source and copied anew, and these records be kept in a topic of their own`,
        'recreate',
      ),
    )
  }
  return found
}

const targetEnd = (facts: FailoverFacts, key: string): number => {
  const [topic, partition] = key.split('/') as [string, string]
  const copy = facts.topics.find(({ source }) => source === topic)?.copy ?? topic
  return facts.target.reachable ? (logsOf(facts.target).get(pairKey(copy, Number(partition)))?.end ?? 0) : 0
}

export function lossReason(
  { action, planned }: RehearsalOptions,
  lost: Bound,
  { status }: FailoverFacts,
): Reason | undefined {
  if (action !== 'promote' || planned || lost.atMost === 0) return undefined
  const text =
    lost.atMost === lost.atLeast
      ? `${count(lost.atLeast, 'record')} would be lost: the source has them, the copies do not`
      : lost.atMost === null
        ? `at least ${count(lost.atLeast, 'record')} would be lost, and whatever the source took ${status === undefined ? 'at all: nothing is known of it' : `after ${new Date(status.observedAt).toISOString()}, when it was last seen`}`
        : `${lost.atLeast} to ${count(lost.atMost, 'record')} would be lost`
  return reason('would-lose', text, 'accept-loss')
}
