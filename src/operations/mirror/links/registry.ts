/** The registry of all links on their journal, for whoever changes links or shows how they stand. */
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { LinkStatus } from '../contract.ts'
import { LINK_CHANGED, LINK_INVALID, LINK_OWNED, LINK_UNKNOWN } from '../errors.ts'
import type { LinkEntry, LinkRegistry, LinkSides } from '../registry.ts'
import type { CommandOf, Kept, KeptEntry, LinksCommand, LinksState } from './contract.ts'
import type { ConnectEnd } from './ends.ts'
import type { LinksJournal } from './kept.ts'
import { entryOf, type PutFault, putFault } from './machine.ts'
import { mergeStatuses } from './merge.ts'
import { positionsOf, setPositions } from './positions.ts'
import { isSwitched } from './sides.ts'

export interface LinkRegistryOptions {
  /** Stays the caller's. */
  readonly journal: LinksJournal
  /** Asks a worker, at the address it announced, how its links stand. */
  readonly ask: (address: string, signal: AbortSignal) => Promise<readonly LinkStatus[]>
  readonly connect: ConnectEnd
  readonly now: () => number
  readonly log: Logger
  readonly signal: AbortSignal
}

const ASK_EVERY_MS = 1_000
const ASK_DEADLINE_MS = 2_000

/** Asks the workers every second until the signal aborts. */
export function openLinkRegistry(options: LinkRegistryOptions): LinkRegistry {
  const { journal, now, signal } = options
  /** By worker. */
  const said = new Map<string, readonly LinkStatus[]>()
  const listeners = new Set<(name: string) => void>()
  const tell = (names: Iterable<string>): void => {
    for (const name of names) for (const listener of listeners) listener(name)
  }
  void keepAsking(options, said, tell)
  let seen = journal.state().links
  const unobserve = journal.observe(({ state }) => {
    if (state.links === seen) return
    const before = seen
    seen = state.links
    tell(changedNames(before, seen))
  })
  signal.addEventListener('abort', unobserve, { once: true })

  const known = (name: string): KeptEntry => {
    const entry = entryOf(journal.state(), name)
    if (entry === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${name}`)
    return entry
  }
  return {
    list: () =>
      Object.values(journal.state().links)
        .map(shown)
        .sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1)),
    get(name) {
      const entry = entryOf(journal.state(), name)
      return entry === undefined ? undefined : shown(entry)
    },
    put: (definition, { expected, owner = 'api', annotations = {} } = {}) =>
      putLink(journal, { definition, owner, annotations, expected: expected ?? null, kept: null }),
    async setDesired(name, desired) {
      known(name)
      await submit(journal, { kind: 'desire', name, desired })
      return shown(known(name))
    },
    async remove(name) {
      const { owner, reverseOf } = known(name)
      if (owner === 'fleet') throw new AjnaError(LINK_OWNED, `link ${name} is declared in the fleet's file`)
      if (reverseOf !== null) throw new AjnaError(LINK_OWNED, `link ${name} is the way back of ${reverseOf}`)
      await submit(journal, { kind: 'remove', name, owner: 'api' })
    },
    async restart(name, { only, partitions }) {
      known(name)
      const named = partitions?.map(({ topic, partition }) => ({ topic, partition })) ?? null
      await submit(journal, { kind: 'restart', name, only, partitions: named })
    },
    status(name) {
      const entry = entryOf(journal.state(), name)
      if (entry === undefined) return undefined
      const { workers } = journal.state()
      const told = [...said].filter(([worker]) => Object.hasOwn(workers, worker))
      const statuses = told.flatMap(([worker, links]) =>
        links.filter(({ link }) => link === name).map(status => ({ worker, ...status })),
      )
      return mergeStatuses(entry.definition, statuses, now())
    },
    positions: async (name, until) => positionsOf(options.connect, known(name), until),
    setPositions: async (name, changes, until) => setPositions(options, known(name), changes, until),
    onChange(listener, until) {
      listeners.add(listener)
      until.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
  }
}

/**
 * Makes or changes a link; nothing is written when it is so already.
 *
 * @param command its `kept` is what a new link begins with, when that was kept elsewhere before
 * @throws AjnaError LINK_INVALID, LINK_CHANGED, LINK_OWNED, what the journal throws
 */
export async function putLink(
  journal: LinksJournal,
  command: Omit<CommandOf<'put'>, 'kind' | 'kept' | 'reverseOf'> & {
    readonly kept: Kept | null
    /** Default: null. */
    readonly reverseOf?: string | null
  },
): Promise<LinkEntry> {
  const { definition, owner, annotations, expected, reverseOf = null } = command
  const before = entryOf(journal.state(), definition.name)
  const fits = expected === null || expected === before?.version
  if (before !== undefined && fits && isSame(before, { definition, owner, annotations })) return shown(before)
  const put = { kind: 'put', ...command, kept: command.kept, reverseOf } as LinksCommand & CommandOf<'put'>
  throwFault(putFault(journal.state(), put))
  const outcome = await journal.submit(put)
  if (!outcome.accepted) {
    throwFault(putFault(journal.state(), put))
    throw new AjnaError(LINK_CHANGED, outcome.reason)
  }
  return shown(entryOf(outcome.state, definition.name)!)
}

function isSame(before: KeptEntry, after: Pick<KeptEntry, 'definition' | 'owner' | 'annotations'>): boolean {
  const text = ({ definition, owner, annotations }: typeof after): string =>
    JSON.stringify([definition, owner, annotations])
  return text(before) === text(after)
}

function throwFault(fault: PutFault | undefined): void {
  if (fault === undefined) return
  const kinds = { changed: LINK_CHANGED, owned: LINK_OWNED, invalid: LINK_INVALID } as const
  throw new AjnaError(kinds[fault.kind], fault.reason)
}

async function submit(journal: LinksJournal, command: LinksCommand): Promise<void> {
  const outcome = await journal.submit(command)
  if (!outcome.accepted) throw new AjnaError(LINK_CHANGED, outcome.reason)
}

function shown(entry: KeptEntry): LinkEntry {
  const { definition, version, owner, annotations, reverseOf } = entry
  return { definition, version, owner, annotations, reverseOf, sides: sidesOf(entry) }
}

function sidesOf(entry: KeptEntry): LinkSides | null {
  const { sides } = entry
  if (sides === null || !isSwitched(entry)) return null
  const { phase, operation } = sides.state
  if (operation === null) return { phase, underWay: null }
  const { action, planned, startedAt, plan, steps, stuck } = operation
  const begun = new Map(steps.map(step => [step.name, step]))
  return {
    phase,
    underWay: {
      action,
      planned,
      startedAt,
      step: steps.at(-1)?.name ?? null,
      stuck,
      steps: plan.map(name => {
        const step = begun.get(name)
        return { name, startedAt: step?.startedAt ?? null, endedAt: step?.endedAt ?? null }
      }),
    },
  }
}

function changedNames(before: LinksState['links'], after: LinksState['links']): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter(name => before[name] !== after[name])
}

/** Each worker is asked by itself: one that does not answer keeps its last word, which grows old. */
async function keepAsking(
  { journal, ask, log, signal }: LinkRegistryOptions,
  said: Map<string, readonly LinkStatus[]>,
  tell: (names: Iterable<string>) => void,
): Promise<void> {
  const silent = new Set<string>()
  const askOne = async (worker: string, address: string): Promise<void> => {
    try {
      const statuses = await ask(address, AbortSignal.any([signal, AbortSignal.timeout(ASK_DEADLINE_MS)]))
      said.set(worker, statuses)
      silent.delete(worker)
      tell(statuses.map(({ link }) => link))
    } catch (error) {
      if (signal.aborted || silent.has(worker)) return
      silent.add(worker)
      log.warn({ worker, address, reason: describeError(error) }, 'a mirror worker does not answer')
    }
  }
  while (!signal.aborted) {
    const { workers } = journal.state()
    for (const worker of said.keys()) if (!Object.hasOwn(workers, worker)) said.delete(worker)
    await Promise.all(Object.entries(workers).map(([worker, { address }]) => askOne(worker, address)))
    await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}
