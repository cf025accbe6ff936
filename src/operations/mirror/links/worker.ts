/**
 * One process that takes part in the work on all links: a member of the group that shares their partitions. It follows
 * the journal: links that are put, changed, paused, restarted or removed there are so here, live; shards that it is given
 * or has to give up are passed to each link.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { ShardTerms, ShardTimes } from '../../../foundation/shards/contract.ts'
import { joinShards, type Shards } from '../../../foundation/shards/shards.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import type { LinkStatus } from '../contract.ts'
import type { LinkDefinition } from '../definition.ts'
import type { Keeping } from '../keep/run.ts'
import { type Link, startLink } from '../run.ts'
import { leadShardOf, MIRROR_TERMS } from '../shard.ts'
import type { KeptEntry, LinksState } from './contract.ts'
import type { ConnectEnd, LinkSide } from './ends.ts'
import { startKeeper } from './keeper.ts'
import { beginLink, keptOnJournal, type LinksJournal, type Ownership } from './kept.ts'
import { entryOf } from './machine.ts'

export interface MirrorWorkerOptions {
  /** Stays the caller's. */
  readonly journal: LinksJournal
  /** Stays the same over restarts, and no other living process has it: whoever is in the group under it is dead. */
  readonly name: string
  /** Where this process says how its links stand. */
  readonly address: string
  readonly connect: ConnectEnd
  readonly log: Logger
  /** Ends the joining. */
  readonly signal: AbortSignal
  /** Default {@link MIRROR_TERMS}. */
  readonly terms?: ShardTerms
}

export interface MirrorWorker {
  /** How each link stands, as far as this process works on it. */
  status(): LinkStatus[]
  /** Shards worked on here, with their tokens. */
  shards(): ReadonlyMap<number, number>
  /** Aborted, with the reason, when this process takes no part any more. */
  readonly stopped: AbortSignal
  /** Gives up everything in order: what is in flight is finished, others go on at once. */
  leave(): Promise<void>
}

/** An act that nothing fences for certain must have ended before another may begin: so long a request may take. */
const ACT_MS = 4_000
const RETRY_MS = 2_000
const LEAVE_MS = 6_000
const LOOK_MS = 100
const TIMES: Partial<ShardTimes> = { settleMs: 3_000, movesAtOnce: 8 }

/**
 * Joins the group and works until told to leave.
 *
 * @throws AjnaError SHARDS_TERMS_DIFFER; what the journal throws
 */
export async function startMirrorWorker(options: MirrorWorkerOptions): Promise<MirrorWorker> {
  const { journal, name, log, signal, terms = MIRROR_TERMS } = options
  const owned = new Map<number, number>()
  const running = new Map<string, Running>()
  let group: Shards | undefined

  const work: Work = {
    options,
    owned,
    ownership: { shards: terms.shards, tokenOf: shard => owned.get(shard) },
    holds(shard) {
      const hold = group?.holds(shard)
      return hold !== undefined && hold.token === owned.get(shard) && hold.until - performance.now() >= ACT_MS
    },
  }

  const ending = new Set<Running>()
  let followed: LinksState['links'] | undefined
  let closed = false

  function follow({ links }: LinksState): void {
    if (links === followed || closed) return
    followed = links
    for (const [link, each] of running) if (!isWorked(links[link])) end(link, each)
    for (const [link, entry] of Object.entries(links)) {
      if (!isWorked(entry)) continue
      const each = running.get(link)
      if (each === undefined) running.set(link, run(work, entry))
      else if (each.changed(entry) === 'begin-anew') end(link, each)
    }
  }

  /** What has ended is begun anew, if it is still wanted: with other ends, say. */
  function end(link: string, each: Running): void {
    if (ending.has(each)) return
    ending.add(each)
    each
      .stop()
      .catch(error => log.error({ err: error, link }, 'the link did not end in order'))
      .finally(() => {
        ending.delete(each)
        running.delete(link)
        followed = undefined
        follow(journal.state())
      })
  }

  await buryPredecessors(journal, name)
  const unobserve = journal.observe(event => follow(event.state))
  follow(journal.state())
  try {
    group = await joinShards({
      journal,
      select: state => state.shards,
      wrap: command => command,
      name,
      terms,
      times: TIMES,
      logger: log,
      signal,
      gained(shard, token) {
        owned.set(shard, token)
        for (const each of running.values()) each.link()?.gain(shard, token)
      },
      async lost(shard) {
        owned.delete(shard)
        await Promise.all([...running.values()].map(each => each.lose(shard)))
      },
    })
  } catch (error) {
    unobserve()
    await Promise.all([...running.values()].map(each => each.stop()))
    throw error
  }
  const stopAnnouncing = keepAnnounced(options, group)
  const close = async (): Promise<void> => {
    closed = true
    unobserve()
    stopAnnouncing()
    await Promise.all([...running.values()].map(each => each.stop()))
  }
  group.stopped.addEventListener('abort', () => void close(), { once: true })
  const { leave, stopped, working } = group
  return {
    status: () => [...running.values()].map(each => each.status()),
    shards: working,
    stopped,
    async leave() {
      stopAnnouncing()
      // Where the journal cannot be written, the others wait for the lease to end.
      await leave(AbortSignal.timeout(LEAVE_MS)).catch(error =>
        log.warn({ reason: describeError(error) }, 'the group could not be told that this worker leaves'),
      )
      await close()
    },
  }
}

function isWorked(entry: KeptEntry | undefined): entry is KeptEntry {
  return entry !== undefined && entry.definition.desired !== 'stopped'
}

/** An earlier process of this name is dead, so its shards need not wait for its lease to end. */
async function buryPredecessors(journal: LinksJournal, name: string): Promise<void> {
  const { members } = (await journal.sync()).shards
  for (const [instance, member] of Object.entries(members))
    if (member.name === name) await journal.submit({ kind: 'leave', instance })
}

/** An expelled worker that joins again has to say its address again. */
function keepAnnounced({ journal, name, address, log }: MirrorWorkerOptions, group: Shards): () => void {
  let saying = false
  const look = ({ shards, workers }: LinksState): void => {
    const isMember = Object.hasOwn(shards.members, group.instance())
    if (saying || !isMember || workers[name]?.address === address || group.stopped.aborted) return
    saying = true
    journal
      .submit({ kind: 'announce', worker: name, address })
      .catch(error => log.warn({ reason: describeError(error) }, 'the address could not be announced'))
      .finally(() => {
        saying = false
      })
  }
  look(journal.state())
  return journal.observe(event => look(event.state))
}

/* ---- one link ---- */

interface Work {
  readonly options: MirrorWorkerOptions
  readonly owned: ReadonlyMap<number, number>
  readonly ownership: Ownership
  holds(shard: number): boolean
}

interface Running {
  link(): Link | undefined
  /** Resolves when nothing of a shard is in flight any more. */
  lose(shard: number): Promise<void>
  status(): LinkStatus
  /** Takes up what has changed; other addresses of its ends, or other producer ids, it cannot take up under way. */
  changed(entry: KeptEntry): 'taken-up' | 'begin-anew'
  /** Lets go of every partition, then ends. */
  stop(): Promise<void>
}

/** Keeps a link at work here: one that cannot go on is begun again, since what it needs may be missing for the moment. */
function run(work: Work, first: KeptEntry): Running {
  const { log } = work.options
  const { name } = first.definition
  const stopping = new AbortController()
  const { signal } = stopping
  const startedAt = Date.now()
  let entry = first
  let link: Link | undefined
  let keeping: Keeping | undefined
  let reason = ''

  async function keepRunning(): Promise<void> {
    while (!signal.aborted) {
      try {
        await runOnce()
      } catch (error) {
        if (signal.aborted) return
        const before = reason
        reason = describeError(error)
        if (reason !== before) log.error({ err: error, link: name }, 'the link stopped; beginning it again')
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async function runOnce(): Promise<void> {
    await using sides = await connectBoth(work.options.connect, entry.definition)
    const { source, target } = sides
    await begun(work, name, target.wire, signal)
    const started = startLink({
      definition: entry.definition,
      source: source.wire,
      target: target.wire,
      sourceAdmin: source.admin,
      targetAdmin: target.admin,
      kept: keptOnJournal(work.options.journal, name, work.ownership),
      shards: work.ownership.shards,
      holds: work.holds,
      log: log.child({ link: name }),
      signal,
    })
    const keeper = startKeeper({
      ...work,
      ...sides,
      journal: work.options.journal,
      entry: () => entry,
      log: log.child({ link: name }),
      signal,
    })
    try {
      link = started
      keeping = keeper
      reason = ''
      for (const [shard, token] of work.owned) started.gain(shard, token)
      await started.done
    } finally {
      link = undefined
      keeping = undefined
      await Promise.all([started[Symbol.asyncDispose](), keeper[Symbol.asyncDispose]()])
    }
  }

  const done = keepRunning()
  return {
    link: () => link,
    async lose(shard) {
      const leads = shard === leadShardOf(name, work.ownership.shards)
      await Promise.all([link?.lose(shard), leads ? keeping?.idle() : undefined])
    },
    status() {
      const copying = link?.status() ?? {
        link: name,
        state: 'starting',
        reason,
        startedAt,
        observedAt: Date.now(),
        partitions: [],
      }
      const kept = keeping?.status()
      return kept === undefined ? copying : { ...copying, keep: kept }
    },
    changed(after) {
      const before = entry
      entry = after
      if (before === after) return 'taken-up'
      if (JSON.stringify(endsOf(before)) !== JSON.stringify(endsOf(after))) return 'begin-anew'
      if (before.kept !== null && before.kept.producerId !== after.kept?.producerId) return 'begin-anew'
      if (before.definition !== after.definition) link?.update(after.definition)
      if (before.kept !== after.kept) link?.keptChanged()
      const { restart } = after
      if (restart !== null && restart.at !== before.restart?.at) link?.restart(restart)
      return 'taken-up'
    },
    async stop() {
      await Promise.all([...work.owned.keys()].map(shard => link?.lose(shard)))
      stopping.abort(new Error('the link is not worked on here any more'))
      await done
    },
  }
}

const endsOf = ({ definition }: KeptEntry) => [definition.source, definition.target]

interface Sides extends AsyncDisposable {
  readonly source: LinkSide
  readonly target: LinkSide
}

async function connectBoth(connect: ConnectEnd, definition: LinkDefinition): Promise<Sides> {
  const source = await connect(definition.source, definition)
  try {
    const target = await connect(definition.target, definition)
    const close = async (): Promise<void> => {
      await Promise.all([source.close(), target.close()])
    }
    return { source, target, [Symbol.asyncDispose]: close }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** Until the link has its ids; they are got by whoever holds its lead. */
async function begun(
  { options: { journal }, ownership, holds }: Work,
  name: string,
  target: Wire,
  signal: AbortSignal,
): Promise<void> {
  const lead = leadShardOf(name, ownership.shards)
  while (entryOf(journal.state(), name)?.kept === null) {
    if (holds(lead)) await beginLink(journal, name, ownership, target, signal)
    else await delay(LOOK_MS, undefined, { signal })
  }
  signal.throwIfAborted()
}
