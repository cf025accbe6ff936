/** Steps that move consumer groups. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { leftBehind } from '../keep/difference.ts'
import { namesOf } from '../keep/names.ts'
import { keepOnce } from '../keep/run.ts'
import { reversed } from './control.ts'
import { FAILOVER_STUCK } from './errors.ts'
import { drained, type Judged, type Reading, stillReading } from './judge.ts'
import { groupsAt, topicsAt } from './look.ts'
import { type Evidence, namesAt, type Switching, sideOf, type Which, waitOf } from './switching.ts'
import { waitUntil } from './wait.ts'

/** Until no group can commit anything new at the side that is left. */
export async function drain(at: Switching, which: Which): Promise<Evidence> {
  const { context, signal } = at
  const { admin } = sideOf(at, which)
  const names = namesAt(at, which)
  const meant = namesOf(context.definition.keep.groups)
  const look = async (): Promise<Reading[]> =>
    stillReading(
      await groupsAt(admin, new Set(names), signal),
      await topicsAt(admin, names, signal),
      meant.means,
    )
  if (at.consents('allow-repeats')) return { reading: await look() }
  const from = context.now()
  const judge = (reading: readonly Reading[]): Judged => {
    const judged = drained(reading)
    if (!judged.done && context.now() - from > context.waits.drainMs)
      throw new AjnaError(
        FAILOVER_STUCK,
        `${judged.waitsFor}: let them read on, stop them, or say --allow-repeats to move them as they stand`,
      )
    return judged
  }
  await waitUntil(look, judge, waitOf(at))
  return { tookMs: context.now() - from }
}

export async function moveGroups(at: Switching, to: Which): Promise<Evidence> {
  const { context, signal } = at
  const { definition, source, target } = context
  const none = { include: [], exclude: [] }
  const forward = { ...definition, keep: { ...definition.keep, acls: none, quotas: none } }
  const ends =
    to === 'target'
      ? { definition: forward, source: source.admin, target: target.admin, store: context.keepStore }
      : {
          definition: reversed(forward, namesAt(at, 'source')),
          source: target.admin,
          target: source.admin,
          store: context.reverseKeepStore,
        }
  const {
    done,
    difference,
    source: here,
    scope,
  } = await keepOnce(
    {
      ...ends,
      linkPrincipals: context.principal === null ? [] : [context.principal],
      log: context.log,
      now: context.now,
      signal,
    },
    { foreign: foreignFor(at, to) },
  )
  const failed = done.find(({ error }) => error !== null)
  if (failed?.error) throw failed.error
  // When they come back, they are the other direction's to move again.
  const back = to === 'target' ? context.reverseKeepStore : context.keepStore
  await back.load()
  await back.saveGroups(leftBehind(here, difference, scope))
  return {
    moved: done.flatMap(({ change }) =>
      change.kind === 'move-group'
        ? [`${change.group} ${change.topic}-${change.partition} to ${change.to}`]
        : [],
    ),
    left: difference.left.filter(({ what }) => what === 'group'),
    held: Object.fromEntries(difference.held),
  }
}

/**
 * Back to the source, what a group's positions there were before is past. Only where nothing was written to the target
 * meanwhile, what a group has read at either side it has read: there it is moved forward, not back.
 */
function foreignFor(at: Switching, to: Which): 'leave' | 'advance' | 'overwrite' {
  if (to === 'target') return at.context.definition.keep.foreignPositions
  return at.state().operation?.plan.includes('untouched-target') === true ? 'advance' : 'overwrite'
}
