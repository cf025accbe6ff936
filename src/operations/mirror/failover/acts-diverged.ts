/** Steps about what only the source holds: it cannot be cut off a log from outside, so its topics are made anew. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { kafkaLinkAdmin } from '../kafka-admin.ts'
import { FAILOVER_STUCK } from './errors.ts'
import { type FailoverFacts, logsOf, type SeenSide } from './facts.ts'
import { lookAtBoth } from './look.ts'
import { onlyAtSource, type Relations, relationsOf, topicsToRecreate } from './relation.ts'
import { dropTopic, salvage, type Tail } from './salvage.ts'
import type { FailoverState, StepName } from './state.ts'
import { type Evidence, namesAt, need, type Switching, waitOf } from './switching.ts'

export async function compareSides(at: Switching): Promise<Evidence> {
  // The settings are noted before anything may be made anew, and only once: later they are a copy's.
  const own = await kafkaLinkAdmin(at.context.source.admin).settings(namesAt(at, 'source'), at.signal)
  const noted = Object.fromEntries([...own].map(([name, settings]) => [name, { ...settings }]))
  await at.change(state => ({ ...state, sourceSettings: { ...noted, ...state.sourceSettings } }))
  const { relations, anew, tails } = await divergence(at)
  if (anew.size > 0) {
    need(at, 'recreate', `the source holds what was never copied, in ${[...anew].join(', ')}`)
    await at.change(withSalvage)
  }
  return {
    relations: Object.fromEntries([...relations].map(([key, { kind }]) => [key, kind])),
    tails,
    anew: [...anew],
  }
}

const SALVAGE: readonly StepName[] = ['salvage', 'drop-diverged']

/** What is found now counts, not what was rehearsed. */
function withSalvage(state: FailoverState): FailoverState {
  const { operation } = state
  if (operation === null || operation.plan.includes('salvage')) return state
  const after = operation.plan.indexOf('compare') + 1
  return { ...state, operation: { ...operation, plan: operation.plan.toSpliced(after, 0, ...SALVAGE) } }
}

interface Divergence {
  readonly source: SeenSide
  readonly relations: Relations
  readonly anew: ReadonlySet<string>
  readonly tails: readonly Tail[]
}

async function divergence(at: Switching): Promise<Divergence> {
  const how = { action: 'failback', planned: true } as const
  const facts = await lookAtBoth(at.context, at.state(), how, at.signal)
  const { source, target } = facts
  for (const side of [source, target])
    if (!side.reachable) throw new AjnaError(FAILOVER_STUCK, `a side does not answer: ${side.reason}`)
  const relations = relationsOf(facts)
  return {
    source: source as SeenSide,
    relations,
    anew: topicsToRecreate(facts, relations),
    tails: tailsOf(facts, source as SeenSide, relations),
  }
}

function tailsOf({ copiedIds }: FailoverFacts, source: SeenSide, relations: Relations): Tail[] {
  const logs = logsOf(source)
  // Of a topic that is not the one that was copied, all of it is only there.
  const strangers = new Set(
    [...source.topics.values()]
      .filter(({ name, id }) => copiedIds.has(name) && copiedIds.get(name) !== id)
      .map(({ name }) => name),
  )
  return [...logs].flatMap(([key, log]): Tail[] => {
    const topic = key.slice(0, key.lastIndexOf('/'))
    const { partition, start, end } = log
    if (strangers.has(topic)) return [{ topic, partition, from: start, to: end }]
    const relation = relations.get(key)
    const tail = relation === undefined ? undefined : onlyAtSource(relation, log)
    return tail === undefined ? [] : [{ topic, partition, from: tail.from, to: tail.to }]
  })
}

export async function salvageTails(at: Switching): Promise<Evidence> {
  const { source, tails, anew } = await divergence(at)
  const saved = await salvage(at.context.source, tails, at.state().operation!.id, waitOf(at))
  const ids = Object.fromEntries([...anew].map(name => [name, source.topics.get(name)!.id]))
  return { saved, ids }
}

/** Just the topics that `salvage` has looked at, by their ids. */
export async function dropDiverged(at: Switching): Promise<Evidence> {
  const salvaged = at.state().operation?.steps.find(({ name }) => name === 'salvage')
  const ids = (salvaged?.evidence['ids'] ?? {}) as Readonly<Record<string, string>>
  for (const [name, id] of Object.entries(ids)) await dropTopic(at.context.source.admin, name, id, waitOf(at))
  return { dropped: ids }
}
