/** The links that the fleet's file declares, as entries of the links' journal. */
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { AjnaError } from '../foundation/errors/errors.ts'
import type { Logger } from '../foundation/log/log.ts'
import { LINK_DEFAULTS, type ResolvedKeep, type ResolvedLink } from '../operations/fleet/contract.ts'
import {
  type LinkDefinition,
  type LinkDefinitionInput,
  linkDefinitionSchema,
} from '../operations/mirror/definition.ts'
import { LINK_CHANGED } from '../operations/mirror/errors.ts'
import { readLinkFile } from '../operations/mirror/file-store.ts'
import type { Kept } from '../operations/mirror/links/contract.ts'
import type { LinksJournal } from '../operations/mirror/links/kept.ts'
import { entryOf } from '../operations/mirror/links/machine.ts'
import { putLink } from '../operations/mirror/links/registry.ts'
import type { FleetFile } from './fleet-file.ts'
import type { Home } from './home.ts'

export interface FleetLinksContext {
  readonly home: Pick<Home, 'role'>
  readonly file: { readonly fleet: Pick<FleetFile['fleet'], 'links'> }
  readonly log: Logger
}

/**
 * Makes the journal say what the fleet declares; what others have put there is left alone. A link for which that fails
 * does not keep the others from it.
 *
 * @returns whether all is so
 */
export async function putFleetLinks(context: FleetLinksContext, journal: LinksJournal): Promise<boolean> {
  const { file, log } = context
  await journal.sync()
  const declared = new Set(file.fleet.links.map(({ name }) => name))
  let complete = true
  const each = async (link: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      complete = false
      log.error({ err: error, link }, 'the link is not as the fleet declares it; trying again')
    }
  }
  for (const [name, { owner }] of Object.entries(journal.state().links)) {
    if (owner !== 'fleet' || declared.has(name)) continue
    log.info({ link: name }, 'no longer declared: the link ends, its copies stay')
    await each(name, async () => {
      const outcome = await journal.submit({ kind: 'remove', name, owner })
      if (!outcome.accepted) throw new AjnaError(LINK_CHANGED, outcome.reason)
    })
  }
  for (const link of file.fleet.links) await each(link.name, () => putOne(context, journal, link))
  return complete
}

async function putOne(
  { home, log }: FleetLinksContext,
  journal: LinksJournal,
  link: ResolvedLink,
): Promise<void> {
  const before = entryOf(journal.state(), link.name)
  const definition = definitionOf(link, before?.definition)
  const path = join(home.role('mirror'), `${link.name}.json`)
  const kept = before === undefined || before.kept === null ? await keptInFile(path) : undefined
  await putLink(journal, {
    definition,
    owner: 'fleet',
    annotations: {},
    expected: null,
    kept: kept ?? null,
  })
  if (kept === undefined) return
  log.info({ link: link.name, path }, 'what the link kept in a file is in the journal from now on')
  await rename(path, `${path}.taken-over`)
}

/** Whether it runs is not declared: it stays as somebody wanted it. */
function definitionOf(link: ResolvedLink, before: LinkDefinition | undefined): LinkDefinition {
  const { name, from, to, topics, settings = LINK_DEFAULTS, keep } = link
  return linkDefinitionSchema.parse({
    name,
    source: { cluster: from },
    target: { cluster: to },
    topics: { include: topics },
    ...settings,
    ...(keep === undefined ? {} : { keep: keepOf(keep) }),
    desired: before?.desired ?? 'running',
  })
}

function keepOf({ acls, quotas, groups, ...rest }: ResolvedKeep): LinkDefinitionInput['keep'] {
  const named = (include: readonly string[]) => ({ include: [...include] })
  return { acls: named(acls), quotas: named(quotas), groups: named(groups), ...rest }
}

async function keptInFile(path: string): Promise<Kept | undefined> {
  const file = await readLinkFile(path)
  if (file === undefined) return undefined
  const { producerId, fillerId, markerId, topics, missing, coordinatorEpoch } = file
  // Its last worker wrote markers under that epoch; tokens begin at 1.
  return {
    producerId,
    fillerId,
    markerId,
    epochBase: coordinatorEpoch,
    topics,
    deleted: {},
    missing,
    bases: [],
    maps: {},
  }
}
