/** One link as whoever switches its sides commands it: stopped for certain, and made to go on elsewhere. */
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import type { LinkStatus } from '../contract.ts'
import type { LinkDefinition } from '../definition.ts'
import { LINK_NOT_STOPPED, LINK_UNKNOWN } from '../errors.ts'
import type { Base, KeptEntry } from './contract.ts'
import { freshIds } from './kept.ts'
import { entryOf } from './machine.ts'
import { mergeStatuses } from './merge.ts'
import { type LinkRegistryOptions, putLink } from './registry.ts'
import { mappedPartitions } from './translate.ts'

/** All of it may be repeated. */
export interface CommandedLink {
  /** What its workers last said, asked for now; undefined: none says anything. */
  status(signal: AbortSignal): Promise<LinkStatus | undefined>
  /** Ids of the topics it has copied, at its source. */
  copiedIds(signal: AbortSignal): Promise<ReadonlyMap<string, string>>
  /** Partitions whose copies have other offsets than the source, and why. */
  mapped(signal: AbortSignal): Promise<readonly { readonly at: TopicPartition; readonly why: string }[]>
  /** Resolves when no worker that can be reached does anything of it; says so, or why it is not certain. */
  stop(signal: AbortSignal): Promise<{ readonly stopped: boolean; readonly reason: string }>
  start(signal: AbortSignal): Promise<void>
  /**
   * Makes the stopped link go on at these ends of its target's logs, whoever wrote them, under producer ids that no worker
   * from before has.
   *
   * @param forget topics that are others at its source now
   */
  rebase(ends: readonly Base[], forget: readonly string[], signal: AbortSignal): Promise<void>
}

const LOOK_MS = 200
const ASK_DEADLINE_MS = 2_000

export function commandLink(
  options: Pick<LinkRegistryOptions, 'journal' | 'ask' | 'connect' | 'now'>,
  name: string,
): CommandedLink {
  const { journal, ask, connect, now } = options

  async function entryNow(signal: AbortSignal): Promise<KeptEntry> {
    const entry = entryOf(await journal.sync(signal), name)
    if (entry === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${name}`)
    return entry
  }

  /** What each worker says of the link now; null: it does not answer. */
  async function askAll(signal: AbortSignal): Promise<Map<string, LinkStatus | undefined | null>> {
    const { shards, workers } = journal.state()
    const names = new Set(Object.values(shards.members).map(member => member.name))
    const answers = await Promise.all(
      [...names].map(async worker => {
        const address = workers[worker]?.address
        const until = AbortSignal.any([signal, AbortSignal.timeout(ASK_DEADLINE_MS)])
        const said = address === undefined ? null : await ask(address, until).catch(() => null)
        return [worker, said === null ? null : said.find(({ link }) => link === name)] as const
      }),
    )
    signal.throwIfAborted()
    return new Map(answers)
  }

  async function submit(command: Parameters<typeof journal.submit>[0], signal: AbortSignal): Promise<void> {
    const outcome = await journal.submit(command, { signal })
    if (!outcome.accepted) throw new AjnaError(LINK_NOT_STOPPED, outcome.reason)
  }

  return {
    async status(signal) {
      const { definition } = await entryNow(signal)
      const said = [...(await askAll(signal)).values()].filter(each => each !== null && each !== undefined)
      return mergeStatuses(definition, said, now())
    },
    async copiedIds(signal) {
      const { kept } = await entryNow(signal)
      return new Map(Object.entries(kept?.topics ?? {}).map(([topic, { sourceId }]) => [topic, sourceId]))
    },
    async mapped(signal) {
      const state = await journal.sync(signal)
      return mappedPartitions(state, name).map(({ topic, partition, mapping }) => {
        return { at: { topic, partition }, why: mapping.why }
      })
    },
    async stop(signal) {
      await entryNow(signal)
      await submit({ kind: 'desire', name, desired: 'stopped' }, signal)
      for (;;) {
        const answers = [...(await askAll(signal))]
        if (answers.every(([, status]) => status === null || status === undefined)) {
          const silent = answers.filter(([, status]) => status === null).map(([worker]) => worker)
          const reason = silent.length === 0 ? '' : `no answer from ${silent.join(', ')}`
          return { stopped: silent.length === 0, reason }
        }
        await delay(LOOK_MS, undefined, { signal })
      }
    },
    async start(signal) {
      await entryNow(signal)
      await submit({ kind: 'desire', name, desired: 'running' }, signal)
    },
    async rebase(ends, forget, signal) {
      const { definition } = await entryNow(signal)
      const target = await connect(definition.target, definition)
      try {
        const ids = await freshIds(target.wire, signal)
        const bases = ends.map(({ topic, partition, end }) => ({ topic, partition, end }))
        await submit({ kind: 'rebase', name, ids, bases, unbased: [], maps: {}, forget: [...forget] }, signal)
      } finally {
        await target.close()
      }
    },
  }
}

export interface CommandedReverse extends CommandedLink {
  /** Makes the way back that a switch of the link's sides needs, or makes it so, stopped and keeping nothing. */
  make(definition: LinkDefinition, signal: AbortSignal): Promise<void>
}

const NOTHING = { include: [], exclude: [] }

/** The way back of a link, which comes and goes with a switch of its sides. */
export function commandReverse(
  options: Parameters<typeof commandLink>[0],
  name: string,
  reverseOf: string,
): CommandedReverse {
  const { journal } = options
  const link = commandLink(options, name)
  const isThere = async (signal: AbortSignal): Promise<boolean> =>
    entryOf(await journal.sync(signal), name)?.reverseOf === reverseOf
  return {
    ...link,
    status: async signal => ((await isThere(signal)) ? link.status(signal) : undefined),
    copiedIds: async signal => ((await isThere(signal)) ? link.copiedIds(signal) : new Map()),
    mapped: async signal => ((await isThere(signal)) ? link.mapped(signal) : []),
    stop: async signal => ((await isThere(signal)) ? link.stop(signal) : { stopped: true, reason: '' }),
    async make(definition, signal) {
      await journal.sync(signal)
      const keep = { ...definition.keep, acls: NOTHING, quotas: NOTHING, groups: NOTHING }
      await putLink(journal, {
        definition: { ...definition, keep, desired: 'stopped' },
        owner: 'switch',
        annotations: {},
        expected: null,
        kept: null,
        reverseOf,
      })
    },
  }
}
