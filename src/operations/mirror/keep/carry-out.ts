/** Carries out a difference: notes what will be the link's own, then changes the target. Repeating it is harmless. */
import type { AjnaError } from '../../../foundation/errors/errors.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import type { Difference, KeepChange } from './difference.ts'
import type { KeepTarget } from './gather.ts'
import type { GroupMove } from './positions.ts'
import type { AclChange, QuotaChange } from './rights.ts'
import type { KeepState, KeepStore } from './state.ts'

export interface CarriedOut {
  readonly change: KeepChange
  /** Null: done. */
  readonly error: AjnaError | null
}

export interface CarryOut {
  readonly target: KeepTarget
  readonly store: KeepStore
  /** Throws when nothing more may be done. */
  readonly proceed?: () => void
  readonly signal: AbortSignal
}

/**
 * @param state as the difference was decided on
 * @throws AjnaError what the store throws, and `proceed`: what was done by then is noted
 */
export async function carryOut(
  { target, store, proceed = () => undefined, signal }: CarryOut,
  state: KeepState,
  { changes, note }: Difference,
): Promise<CarriedOut[]> {
  const rights = { acls: note.acls, quotas: note.quotas, writers: note.writers } as const
  if (rightsDiffer(rights, state))
    await store.saveRights({ acls: [...note.acls], quotas: [...note.quotas], writers: note.writers })
  const call = { signal }
  const results: CarriedOut[] = []
  // Between two requests nobody may do more than before and after: denials first, then what is taken away, then the rest.
  for (const wave of waves(changes)) {
    proceed()
    const outcomes =
      wave.kind === 'create'
        ? await target.createAcls(bindings(wave.changes), call)
        : await target.deleteAcls(bindings(wave.changes), call)
    for (const [index, change] of wave.changes.entries())
      results.push({ change, error: outcomes[index]!.error })
  }
  const quotas = changes.filter((change): change is QuotaChange => change.kind === 'set-quota')
  if (quotas.length > 0) {
    proceed()
    const limited = await target.alterQuotas(
      quotas.map(({ entity, set }) => ({ entity, set })),
      call,
    )
    for (const [index, change] of quotas.entries()) results.push({ change, error: limited[index]!.error })
  }
  // Groups last: what cannot be noted of them keeps no rule from following.
  if (note.groups.size > 0) await store.saveGroups(note.groups)
  const moves = changes.filter((change): change is GroupMove => change.kind === 'move-group')
  if (moves.length === 0) return results
  proceed()
  const moved = await target.commitPositions(
    moves.map(({ group, topic, partition, to, metadata }) => ({
      group,
      topic,
      partition,
      offset: to,
      metadata,
    })),
    call,
  )
  for (const [index, change] of moves.entries()) results.push({ change, error: moved[index]!.error })
  return results
}

/** When the writers were seen last is not worth a save of its own while they are the same. */
const rightsDiffer = (
  note: Pick<Difference['note'], 'acls' | 'quotas' | 'writers'>,
  state: KeepState,
): boolean =>
  JSON.stringify([note.acls, note.quotas, note.writers?.acls]) !==
  JSON.stringify([state.acls, state.quotas, state.writers?.acls])

const bindings = (changes: readonly AclChange[]): AclBinding[] => changes.map(({ acl }) => acl)

function waves(changes: readonly KeepChange[]): { kind: 'create' | 'delete'; changes: AclChange[] }[] {
  const acls = changes.filter(
    (change): change is AclChange => change.kind === 'create-acl' || change.kind === 'delete-acl',
  )
  const created = acls.filter(({ kind }) => kind === 'create-acl')
  const all = [
    { kind: 'create' as const, changes: created.filter(({ acl }) => acl.permission === 'deny') },
    { kind: 'delete' as const, changes: acls.filter(({ kind }) => kind === 'delete-acl') },
    { kind: 'create' as const, changes: created.filter(({ acl }) => acl.permission === 'allow') },
  ]
  return all.filter(wave => wave.changes.length > 0)
}
