/** A link's two sides, for the commands that keep them in step and switch them: what is so is in the links' journal. */
import { randomUUID } from 'node:crypto'
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import { readSession } from '../foundation/http/session.ts'
import { openCluster } from '../foundation/kafka/admin.ts'
import type { Logger } from '../foundation/log/log.ts'
import { identity } from '../foundation/tls/store.ts'
import { openWire } from '../foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL, CONTROL_PRINCIPAL } from '../operations/fleet/contract.ts'
import type { LinkDefinition, LinkEnd } from '../operations/mirror/definition.ts'
import { LINK_UNKNOWN } from '../operations/mirror/errors.ts'
import {
  DEFAULT_WAITS,
  type FailoverContext,
  type FailoverSide,
  reverseName,
} from '../operations/mirror/failover/control.ts'
import { isNamed } from '../operations/mirror/keep/names.ts'
import type { KeepOptions } from '../operations/mirror/keep/run.ts'
import { commandLink, commandReverse } from '../operations/mirror/links/control.ts'
import type { LinksJournal } from '../operations/mirror/links/kept.ts'
import { entryOf } from '../operations/mirror/links/machine.ts'
import { BY_COMMAND, bySwitch, failoverOnJournal, keepOnJournal } from '../operations/mirror/links/stores.ts'
import { translateOnJournal } from '../operations/mirror/links/translate.ts'
import { askWorker } from './control/links.ts'
import { clusterAddress, readFleetFile } from './fleet-file.ts'
import type { Home } from './home.ts'
import { connectEnds, openLinksJournal, principalOf } from './links.ts'

export const LINK_ENDS_FOREIGN = errorKind(
  'LINK_ENDS_FOREIGN',
  'The link’s ends are not both clusters of the fleet at which it acts as one principal.',
  'Rules and groups are kept, and sides switched, by whoever administers both clusters: declare them in the fleet’s file (driver: existing) and make the link between them.',
  2,
)

export interface OpenSides extends AsyncDisposable {
  readonly context: FailoverContext
  /** A round on somebody's command. */
  keep(signal: AbortSignal): KeepOptions
}

export interface SidesOptions {
  readonly home: Home
  readonly link: string
  /** What is kept in step, and which groups are moved, given what the link's definition says. */
  readonly keep: (defined: LinkDefinition['keep']) => LinkDefinition['keep']
  /** Principals (`User:…`) that are let write at the target besides those of the source. */
  readonly writers: readonly string[]
  /** Only to look: as `control`, which sees everything and may change nothing at either side. Default: false, as `admin`. */
  readonly looking?: boolean
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Groups that a switch moves: those that are named, or else those that the link keeps in step, or all. */
export function groupsMoved(
  defined: LinkDefinition['keep'],
  named?: readonly string[],
): LinkDefinition['keep'] {
  const kept = isNamed(defined.groups) ? defined.groups : { include: ['*'], exclude: [] }
  return { ...defined, groups: named === undefined ? kept : { include: [...named], exclude: [] } }
}

/** @throws AjnaError LINK_UNKNOWN, LINK_ENDS_FOREIGN, why the journal cannot be opened */
export async function openSides(options: SidesOptions): Promise<OpenSides> {
  const { home, link: name, looking = false, log, signal } = options
  const self = looking ? CONTROL_PRINCIPAL : ADMIN_PRINCIPAL
  await using opening = new AsyncDisposableStack()
  const journal = opening.use(await openLinksJournal(home, self, log, signal))
  const entry = entryOf(journal.state(), name)
  if (entry === undefined || entry.reverseOf !== null)
    throw new AjnaError(
      LINK_UNKNOWN,
      entry === undefined ? `there is no link ${name}` : `${name} is the way back of ${entry.reverseOf}`,
    )
  const definition = { ...entry.definition, keep: options.keep(entry.definition.keep) }
  const { principal, source, target } = placesOf(definition)
  const side = async (cluster: string): Promise<FailoverSide> => {
    const file = await readFleetFile(home)
    const as = async (who: string) => {
      const address = await clusterAddress(file, cluster, () => identity(home.pki, who))
      return { ...address, clientId: 'ajna-sides', log }
    }
    const address = await as(self)
    return {
      name: cluster,
      admin: opening.use(openCluster(address)),
      wire: opening.use(openWire(address)),
      ...(!looking && { asLink: opening.use(openCluster(await as(principal))) }),
    }
  }
  const [theirs, ours] = [await side(source), await side(target)]
  const context = contextOf(options, journal, await commanding(options, journal), {
    definition,
    principal: `User:${principal}`,
    source: theirs,
    target: ours,
  })
  const open = opening.move()
  return {
    context,
    keep: until => ({
      definition,
      source: theirs.admin,
      target: ours.admin,
      store: keepOnJournal(journal, name, 'keeps', BY_COMMAND),
      linkPrincipals: [`User:${principal}`],
      translate: translateOnJournal(journal, name, until),
      log,
      signal: until,
    }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/** @throws AjnaError LINK_ENDS_FOREIGN */
function placesOf({ name, source, target }: LinkDefinition) {
  const principal = principalOf(source, name)
  if (!('cluster' in source && 'cluster' in target) || principal === null)
    throw new AjnaError(LINK_ENDS_FOREIGN, `link ${name} names brokers, not clusters`)
  const other = principalOf(target, name)
  if (other !== principal)
    throw new AjnaError(
      LINK_ENDS_FOREIGN,
      `link ${name} acts as ${principal} at its source, as ${other} at its target`,
    )
  return { principal, source: source.cluster, target: target.cluster }
}

/** A link that may write nowhere just then is not given producer ids: they are got by who may everything. */
async function commanding(
  { home, log }: SidesOptions,
  journal: LinksJournal,
): Promise<Parameters<typeof commandLink>[0]> {
  const { token } = await readSession(home.token)
  const connect = connectEnds(home, log)
  const asAdmin = (end: LinkEnd): LinkEnd => ('cluster' in end ? { ...end, principal: ADMIN_PRINCIPAL } : end)
  return {
    journal,
    ask: askWorker(token),
    connect: (end, link) => connect(asAdmin(end), link),
    now: Date.now,
  }
}

function contextOf(
  { link: name, writers, log }: SidesOptions,
  journal: LinksJournal,
  commands: Parameters<typeof commandLink>[0],
  sides: Pick<FailoverContext, 'definition' | 'source' | 'target'> & { readonly principal: string },
): FailoverContext {
  const reverse = commandReverse(commands, reverseName(name), name)
  const back = (end: LinkEnd): LinkEnd => {
    const principal = principalOf(end, name)
    return principal === null ? end : { ...end, principal }
  }
  return {
    ...sides,
    link: commandLink(commands, name),
    reverse,
    // The way back acts as the link does.
    makeReverse: (made, until) =>
      reverse.make({ ...made, source: back(made.source), target: back(made.target) }, until),
    keepStore: keepOnJournal(journal, name, 'keeps', bySwitch(journal, name)),
    reverseKeepStore: keepOnJournal(journal, name, 'keepsBack', bySwitch(journal, name)),
    store: failoverOnJournal(journal, name),
    writers,
    waits: DEFAULT_WAITS,
    log,
    now: Date.now,
    newId: () => randomUUID().slice(0, 8),
  }
}
