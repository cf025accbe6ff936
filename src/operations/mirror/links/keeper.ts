/** What a link keeps in step, by the worker that holds its lead: round after round while it does. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import { LINK_DEPOSED } from '../errors.ts'
import { isNamed } from '../keep/names.ts'
import { type Keeping, type KeepOptions, keepInStep } from '../keep/run.ts'
import { leadShardOf } from '../shard.ts'
import type { KeptEntry } from './contract.ts'
import type { LinkSide } from './ends.ts'
import type { LinksJournal, Ownership } from './kept.ts'
import { isSwitched } from './sides.ts'
import { type KeepAuthor, keepOnJournal } from './stores.ts'
import { translateOnJournal } from './translate.ts'

export interface KeeperOptions {
  readonly journal: LinksJournal
  /** As it is now. */
  readonly entry: () => KeptEntry
  readonly source: LinkSide
  readonly target: LinkSide
  readonly ownership: Ownership
  /** Whether this worker's lease on a shard surely holds for as long as a request may take. */
  readonly holds: (shard: number) => boolean
  readonly log: Logger
  readonly signal: AbortSignal
}

export function startKeeper(options: KeeperOptions): Keeping {
  const { journal, entry, source, target, ownership, holds, log, signal } = options
  const { name } = entry().definition
  const lead = leadShardOf(name, ownership.shards)
  const author: KeepAuthor = {
    operation: () => null,
    fence() {
      const token = ownership.tokenOf(lead)
      if (token === undefined) throw deposed(name)
      return { shard: lead, token }
    },
  }
  const store = keepOnJournal(journal, name, 'keeps', author)
  const linkPrincipals = [source.principal, target.principal].filter(each => each !== null)

  function next(): KeepOptions | string | undefined {
    const { definition, reverseOf } = entry()
    const { acls, quotas, groups } = definition.keep
    if (reverseOf !== null || ![acls, quotas, groups].some(isNamed) || !holds(lead)) return undefined
    if (isSwitched(entry())) return 'the sides of the link are switched: nothing follows the source'
    if (definition.desired !== 'running') return `the link is ${definition.desired}`
    return {
      definition,
      source: source.cluster,
      target: target.cluster,
      store,
      linkPrincipals,
      translate: translateOnJournal(journal, name, signal),
      log,
      proceed() {
        if (!holds(lead) || isSwitched(entry())) throw deposed(name)
      },
      signal,
    }
  }

  return keepInStep({ link: name, next, everyMs: () => entry().definition.keep.everyMs, log, signal })
}

const deposed = (name: string): AjnaError =>
  new AjnaError(LINK_DEPOSED, `link ${name}: what it keeps in step is another's by now`)
