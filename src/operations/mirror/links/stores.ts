/** What links keep in step, and how far a switch of their sides has come, on the journal. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { FAILOVER_CHANGED } from '../failover/errors.ts'
import type { FailoverStore } from '../failover/state.ts'
import { KEEP_CHANGED } from '../keep/errors.ts'
import { EMPTY_KEEP, type KeepStore, type Moved } from '../keep/state.ts'
import type { CommandOf, KeepWay, KeptEntry, LinksCommand } from './contract.ts'
import type { LinksJournal as WholeJournal } from './kept.ts'
import { entryOf } from './machine.ts'

/** As much of the journal as this takes. */
export type LinksJournal = Pick<WholeJournal, 'state' | 'submit' | 'sync'>

/** On whose behalf something is kept. */
export interface KeepAuthor {
  /** Of a worker that holds the link's lead; null: somebody's command. @throws AjnaError LINK_DEPOSED when it does not */
  fence(): { readonly shard: number; readonly token: number } | null
  /** The switch that is under way and does it; null: none. */
  operation(): string | null
}

export const BY_COMMAND: KeepAuthor = { fence: () => null, operation: () => null }

/** By the switch of the link's sides that is under way. */
export const bySwitch = (journal: LinksJournal, name: string): KeepAuthor => ({
  fence: () => null,
  operation: () => entryOf(journal.state(), name)?.sides?.state.operation?.id ?? null,
})

export function keepOnJournal(
  journal: LinksJournal,
  name: string,
  way: KeepWay,
  author: KeepAuthor,
): KeepStore {
  let loaded: NonNullable<KeptEntry[KeepWay]> | undefined
  const kept = () => entryOf(journal.state(), name)?.[way] ?? undefined
  const save = async (
    command: Pick<CommandOf<'keep-rights'>, 'kind' | 'acls' | 'quotas' | 'writers'> | Positions,
  ): Promise<void> => {
    const proof = { fence: author.fence(), operation: author.operation() }
    const expected = loaded?.version ?? 0
    const outcome = await journal.submit({ ...command, ...proof, name, way, expected } as LinksCommand)
    if (!outcome.accepted) throw new AjnaError(KEEP_CHANGED, `link ${name}: ${outcome.reason}`)
    loaded = entryOf(outcome.state, name)?.[way] ?? undefined
  }
  return {
    async load() {
      loaded = kept()
      return loaded?.state
    },
    saveRights: rights => save({ kind: 'keep-rights', ...rights }),
    async saveGroups(groups) {
      const change = changedPositions((loaded?.state ?? EMPTY_KEEP).groups, groups)
      if (change.moved.length + change.lost.length > 0) await save(change)
    },
  }
}

type Positions = Pick<CommandOf<'keep-groups'>, 'kind' | 'moved' | 'lost'>

const keyOf = ({ topic, partition }: Pick<Moved, 'topic' | 'partition'>): string => `${topic}/${partition}`

/** Only what differs is written. */
function changedPositions(
  before: Readonly<Record<string, readonly Moved[]>>,
  after: ReadonlyMap<string, readonly Moved[]>,
): Positions {
  const was = new Map(Object.entries(before))
  const moved: Positions['moved'] = []
  const lost: Positions['lost'] = []
  for (const [group, positions] of after) {
    const known = new Map((was.get(group) ?? []).map(each => [keyOf(each), each]))
    for (const { topic, partition, before: stood, target, source } of positions) {
      const same = known.get(keyOf({ topic, partition }))
      known.delete(keyOf({ topic, partition }))
      if (same?.before === stood && same.target === target && same.source === source) continue
      moved.push({ group, topic, partition, before: stood, target, source })
    }
    for (const { topic, partition } of known.values()) lost.push({ group, topic, partition })
  }
  return { kind: 'keep-groups', moved, lost }
}

export function failoverOnJournal(journal: LinksJournal, name: string): FailoverStore {
  return {
    async load() {
      return entryOf(await journal.sync(), name)?.sides ?? undefined
    },
    async save(state, expected) {
      const outcome = await journal.submit({ kind: 'switch', name, expected, state })
      if (!outcome.accepted) throw new AjnaError(FAILOVER_CHANGED, `link ${name}: ${outcome.reason}`)
      return { version: expected + 1, state }
    },
  }
}
