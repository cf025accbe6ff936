import type { AjnaError } from '../../src/foundation/errors/errors.ts'
import type { Outcome } from '../../src/foundation/journal/contract.ts'
import type { ConfigEntry } from '../../src/foundation/kafka/configs.ts'
import { refused } from '../../src/foundation/kafka/errors.ts'
import { type AclBinding, aclKey } from '../../src/foundation/kafka/security.ts'
import { silentLogger } from '../../src/foundation/log/log.ts'
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import type { FetchEvent, FetchStream, Wire } from '../../src/foundation/wire/contract.ts'
import { type LinkDefinition, linkDefinitionSchema } from '../../src/operations/mirror/definition.ts'
import {
  type FailoverAdmin,
  type FailoverContext,
  type FailoverSide,
  type LinkControl,
  reverseName,
} from '../../src/operations/mirror/failover/control.ts'
import type { FailoverState } from '../../src/operations/mirror/failover/state.ts'
import { reaches } from '../../src/operations/mirror/keep/rights.ts'
import type { LinksCommand, LinksState } from '../../src/operations/mirror/links/contract.ts'
import { entryOf, linksMachine } from '../../src/operations/mirror/links/machine.ts'
import {
  bySwitch,
  failoverOnJournal,
  keepOnJournal,
  type LinksJournal,
} from '../../src/operations/mirror/links/stores.ts'
import type { Random } from '../wire/random.ts'

/**
 * Two clusters, a link and its reverse, a writer and a reader in memory, for switches that are killed at any moment: every
 * call of the switch goes through `tick`, in which the world moves on, and which may throw.
 */

/** What a killed process does: nothing more. */
export class Killed extends Error {}

export const TOPIC = 'orders'
export const GROUP = 'readers'
const LINK = 'User:link'
const APP = 'User:app'

interface SimTopic {
  id: string
  partitions: string[][]
  settings: Record<string, string>
}

export interface SimCluster {
  readonly name: string
  readonly topics: Map<string, SimTopic>
  acls: AclBinding[]
  readonly positions: Map<number, number>
}

const write = (principal: string): AclBinding => ({
  resource: 'topic',
  name: TOPIC,
  pattern: 'literal',
  principal,
  host: '*',
  operation: 'write',
  permission: 'allow',
})

export function mayWrite({ acls }: SimCluster, principal: string): boolean {
  const matching = acls.filter(
    acl =>
      acl.resource === 'topic' &&
      (acl.operation === 'write' || acl.operation === 'all') &&
      (acl.principal === principal || acl.principal === 'User:*') &&
      reaches(acl, TOPIC),
  )
  return matching.length > 0 && matching.every(({ permission }) => permission === 'allow')
}

export interface World {
  readonly source: SimCluster
  readonly target: SimCluster
  readonly context: FailoverContext
  /** Records that were acknowledged, in order, by partition. */
  readonly acknowledged: string[][]
  /** What the group has read, at whichever side. */
  readonly read: string[][]
  readonly state: () => FailoverState | undefined
  /** The next so many ticks pass; then one kills. Undefined: none does. */
  killAfter: number | undefined
  /** Time passes: the writer writes, links copy, the reader reads. */
  move(): void
  /** What has gone wrong, as soon as it has. */
  readonly wrongs: string[]
  readerAt: 'source' | 'target' | undefined
  /** Whether the writer has something to write. */
  writes: boolean
}

export interface WorldOptions {
  readonly partitions: number
  readonly random: Random
}

export function createWorld({ partitions, random }: WorldOptions): World {
  let ids = 0
  let clock = 1_000
  let written = 0
  const cluster = (name: string, acls: AclBinding[]): SimCluster => ({
    name,
    topics: new Map(),
    acls,
    positions: new Map(),
  })
  const newTopic = (count: number, settings: Record<string, string> = {}): SimTopic => ({
    id: `id-${++ids}`,
    partitions: Array.from({ length: count }, () => []),
    settings,
  })
  const source = cluster('source', [write(APP)])
  const target = cluster('target', [write(LINK)])
  source.topics.set(TOPIC, newTopic(partitions, { 'compression.type': 'zstd' }))
  target.topics.set(TOPIC, newTopic(partitions))
  const world: World = {
    source,
    target,
    acknowledged: Array.from({ length: partitions }, () => []),
    read: Array.from({ length: partitions }, () => []),
    state: () => entryOf(journal.state(), 'l')?.sides?.state,
    killAfter: undefined,
    wrongs: [],
    readerAt: 'source',
    writes: true,
    move() {
      clock += 1 + random.integer(50)
      write1()
      for (const each of [link, reverse]) each.copy()
      readSome()
      if (mayWrite(source, APP) && mayWrite(target, APP)) wrong('both sides are open to writers at once')
    },
    get context(): FailoverContext {
      return context
    },
  }
  const wrong = (what: string): void => {
    if (!world.wrongs.includes(what)) world.wrongs.push(what)
  }

  function write1(): void {
    const at = world.writes ? [source, target].find(each => mayWrite(each, APP)) : undefined
    const topic = at?.topics.get(TOPIC)
    if (topic === undefined || random.integer(3) === 0) return
    const partition = random.integer(partitions)
    const value = `r${written++}`
    topic.partitions[partition]!.push(value)
    world.acknowledged[partition]!.push(value)
  }

  function readSome(): void {
    if (world.readerAt === undefined) return
    const at = world[world.readerAt]
    for (const [partition, log] of at.topics.get(TOPIC)?.partitions.entries() ?? []) {
      const position = at.positions.get(partition) ?? 0
      const next = log[position]
      if (next === undefined || random.integer(4) > 0) continue
      world.read[partition]!.push(next)
      at.positions.set(partition, position + 1)
    }
  }

  /** A link as its worker does it: it goes by what the journal says. */
  function simLink(name: string, from: SimCluster, to: SimCluster): LinkControl & { copy(): void } {
    let copied: string | undefined
    /** Offsets that the link itself wrote, from where. */
    const own = new Map<number, number>()
    const entry = () => entryOf(journal.state(), name)
    const isRunning = (): boolean => entry()?.definition.desired === 'running'
    const desire = async (desired: 'running' | 'stopped'): Promise<void> => {
      const outcome = await journal.submit({ kind: 'desire', name, desired })
      if (!outcome.accepted) wrong(`${name} is to be ${desired}: ${outcome.reason}`)
    }
    return {
      copy() {
        const topic = from.topics.get(TOPIC)
        if (!isRunning() || topic === undefined || !mayWrite(to, LINK)) return
        const there = to.topics.get(TOPIC) ?? newTopic(topic.partitions.length)
        to.topics.set(TOPIC, there)
        copied ??= topic.id
        if (copied !== topic.id) return
        const bases = new Map(entry()?.kept?.bases.map(({ partition, end }) => [partition, end]))
        for (const [partition, log] of topic.partitions.entries()) {
          const copy = there.partitions[partition]!
          // As `decideBegin` does: a log that ends with somebody else's batch is gone on with only from a base.
          const mine =
            copy.length === 0 ||
            copy.length === (own.get(partition) ?? 0) ||
            copy.length === bases.get(partition)
          if (!mine || copy.length > log.length) continue
          const many = random.integer(4)
          for (const value of log.slice(copy.length, copy.length + many)) copy.push(value)
          own.set(partition, copy.length)
        }
      },
      status: async () => {
        await tick()
        return isRunning()
          ? { link: name, state: 'running', reason: '', startedAt: 0, observedAt: clock, partitions: [] }
          : undefined
      },
      mapped: async () => [],
      copiedIds: async () => {
        await tick()
        return new Map(copied === undefined ? [] : [[TOPIC, copied]])
      },
      async stop() {
        if (entry() !== undefined) await desire('stopped')
        return { stopped: true, reason: '' }
      },
      start: () => desire('running'),
      async rebase(ends, forget) {
        const fresh = String(++ids)
        const outcome = await journal.submit({
          kind: 'rebase',
          name,
          ids: { producerId: fresh, fillerId: fresh, markerId: fresh },
          bases: [...ends],
          unbased: [],
          maps: {},
          forget: [...forget],
        })
        if (!outcome.accepted) wrong(`${name} goes on elsewhere: ${outcome.reason}`)
        own.clear()
        if (forget.includes(TOPIC)) copied = undefined
        await tick()
      },
    }
  }

  /** Before and after whatever a call does: both are moments to be killed at. */
  async function tick(): Promise<void> {
    world.move()
    if (world.killAfter === undefined) return
    if (world.killAfter-- <= 0) throw new Killed()
  }

  const definition = linkDefinitionSchema.parse({
    name: 'l',
    source: { cluster: 'source' },
    target: { cluster: 'target' },
    topics: { include: [TOPIC] },
    keep: { groups: { include: [GROUP] } },
  })
  const journal = ruledJournal(tick, definition)
  const link = simLink('l', source, target)
  const reverse = simLink(reverseName('l'), target, source)

  const context: FailoverContext = {
    definition,
    source: simSide(source, tick, newTopic, () => world.readerAt === 'source'),
    target: simSide(target, tick, newTopic, () => world.readerAt === 'target'),
    principal: LINK,
    link,
    reverse,
    async makeReverse(made) {
      const put = await journal.submit({
        kind: 'put',
        definition: { ...made, desired: 'stopped' },
        expected: null,
        owner: 'switch',
        annotations: {},
        kept: null,
        reverseOf: 'l',
      })
      if (!put.accepted) wrong(`no way back: ${put.reason}`)
    },
    keepStore: keepOnJournal(journal, 'l', 'keeps', bySwitch(journal, 'l')),
    reverseKeepStore: keepOnJournal(journal, 'l', 'keepsBack', bySwitch(journal, 'l')),
    store: failoverOnJournal(journal, 'l'),
    writers: [],
    waits: { stillMs: 60_000, drainMs: 60_000, everyMs: 0 },
    log: silentLogger,
    now: () => clock,
    newId: () => `op-${++ids}`,
  }
  return world
}

/** The journal's own rule, over a log that never fails; every command may be the last. */
function ruledJournal(tick: () => Promise<void>, definition: LinkDefinition): LinksJournal {
  let state = linksMachine.initial
  let offset = 0
  const submit = (command: LinksCommand): Outcome<LinksState> => {
    const meta = { offset: offset++, at: 0, writer: 'w', machineVersion: linksMachine.version }
    const applied = linksMachine.apply(state, structuredClone(command), meta)
    if (!applied.accepted) return { accepted: false, offset, reason: applied.reason, by: 'machine' }
    state = applied.state
    return { accepted: true, offset, version: offset, state }
  }
  submit({ kind: 'put', definition, expected: 0, owner: 'api', annotations: {}, kept: null, reverseOf: null })
  return {
    state: () => state,
    async sync() {
      await tick()
      return state
    },
    async submit(command) {
      await tick()
      const outcome = submit(command)
      await tick()
      return outcome
    },
  }
}

const done = <Item>(items: readonly Item[]) => items.map(item => ({ item, error: null as AjnaError | null }))

function simSide(
  cluster: SimCluster,
  tick: () => Promise<void>,
  newTopic: (partitions: number, settings?: Record<string, string>) => SimTopic,
  hasReader: () => boolean,
): FailoverSide {
  const described = (names: readonly string[] | 'all') =>
    [...cluster.topics]
      .filter(([name]) => names === 'all' || names.includes(name))
      .map(([name, { id, partitions }]) => ({
        name,
        id,
        internal: false,
        partitions: partitions.map((_, partition) => ({
          partition,
          leader: 1,
          leaderEpoch: 0,
          replicas: [1],
          isr: [1],
          offline: [],
        })),
      }))
  const admin: FailoverAdmin = {
    async brokers() {
      await tick()
      return [{ id: 1, host: 'h', port: 1, rack: null }]
    },
    async describeTopics(names) {
      await tick()
      return described(names)
    },
    async listOffsets(queries) {
      await tick()
      return queries.map(query => {
        const log = cluster.topics.get(query.topic)?.partitions[query.partition]
        return { ...query, offset: query.at === 'earliest' ? 0 : (log?.length ?? 0), error: null }
      })
    },
    async describeAcls() {
      await tick()
      return [...cluster.acls]
    },
    async createAcls(bindings) {
      await tick()
      const keys = new Set(cluster.acls.map(aclKey))
      cluster.acls.push(...bindings.filter(acl => !keys.has(aclKey(acl))))
      await tick()
      return done(bindings)
    },
    async deleteAcls(bindings) {
      await tick()
      const keys = new Set(bindings.map(aclKey))
      cluster.acls = cluster.acls.filter(acl => !keys.has(aclKey(acl)))
      await tick()
      return done(bindings)
    },
    describeQuotas: async () => [],
    alterQuotas: async changes => done(changes),
    async listGroups() {
      await tick()
      const state = hasReader() ? 'Stable' : 'Empty'
      return { groups: [{ id: GROUP, state, type: 'classic', protocol: 'consumer' }], unanswered: [] }
    },
    async groupPositions(groups) {
      await tick()
      return groups.map(group => ({
        group,
        positions:
          group === GROUP
            ? [...cluster.positions].map(([partition, offset]) => ({
                topic: TOPIC,
                partition,
                offset,
                metadata: '',
              }))
            : [],
        error: null,
      }))
    },
    async commitPositions(commits) {
      await tick()
      const fault = { code: 25, name: 'UNKNOWN_MEMBER_ID', class: 'fenced', words: '' } as const
      const outcomes = commits.map(item => {
        if (hasReader()) return { item, error: refused('commit', fault) }
        cluster.positions.set(item.partition, item.offset)
        return { item, error: null }
      })
      await tick()
      return outcomes
    },
    async describeConfigs(resources) {
      await tick()
      return resources.map(resource => {
        const own = Object.entries(cluster.topics.get(resource.name)?.settings ?? {})
        const entries = own.map(([name, value]): [string, ConfigEntry] => {
          return [name, { name, value, source: 'own', readOnly: false }]
        })
        return { resource, entries: new Map(entries), error: null }
      })
    },
    async alterConfigs(changes) {
      await tick()
      for (const { resource, set } of changes) {
        const settings = cluster.topics.get(resource.name)?.settings ?? {}
        for (const [name, value] of Object.entries(set))
          if (value === null) delete settings[name]
          else settings[name] = value
      }
      return done(changes)
    },
    async createTopics(topics) {
      await tick()
      for (const { name, layout, config } of topics)
        cluster.topics.set(name, newTopic('partitions' in layout ? layout.partitions : 1, { ...config }))
      await tick()
      return done(topics)
    },
    createPartitions: async more => done(more),
    async deleteTopics(topics) {
      await tick()
      for (const { name, id } of topics) if (cluster.topics.get(name)?.id === id) cluster.topics.delete(name)
      await tick()
      return done(topics)
    },
  }
  return { name: cluster.name, admin, wire: simWire(cluster, tick) }
}

/** As much of the data plane as comparing and salvaging take: one batch a record. */
function simWire(cluster: SimCluster, tick: () => Promise<void>): Wire {
  const missing = async (): Promise<never> => {
    throw new Error('not simulated')
  }
  return {
    throttled: () => undefined,
    metadata: missing,
    replicaLogEnds: missing,
    deleteRecords: missing,
    writeTxnMarkers: missing,
    describeProducers: missing,
    transactionalProducer: missing,
    group: () => ({ committed: missing, commit: missing }),
    joinGroup: () => {
      throw new Error('not simulated')
    },
    allocateProducerId: async () => 1n,
    positionedAppender: () => ({ append: missing }),
    async listOffsets(queries) {
      await tick()
      return queries.map(({ topic, partition }) => {
        const offset = cluster.topics.get(topic)?.partitions[partition]?.length ?? 0
        return { topic, partition, offset, timestamp: -1, leaderEpoch: 0 }
      })
    },
    fetch: ({ from }) => simFetch(cluster, from[0]!),
    async producer() {
      return {
        producerId: 1n,
        producerEpoch: 0,
        bufferedBytes: 0,
        async append(topic, partition, batch) {
          await tick()
          const log = cluster.topics.get(topic)!.partitions[partition]!
          const baseOffset = log.length
          for (let n = 0; n < batch.readInt32BE(57); n++) log.push(`salvaged-${baseOffset + n}`)
          await tick()
          return { baseOffset, logAppendTime: -1, logStartOffset: 0 }
        },
        flush: async () => undefined,
        [Symbol.asyncDispose]: async () => undefined,
      }
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function simFetch(
  cluster: SimCluster,
  { topic, partition, offset }: { topic: string; partition: number; offset: number },
): FetchStream {
  async function* events(): AsyncGenerator<FetchEvent> {
    const log = cluster.topics.get(topic)?.partitions[partition] ?? []
    for (let at = offset; at < log.length; at++) {
      const builder = new BatchBuilder()
      builder.add({ timestamp: 1, value: Buffer.from(log[at]!) })
      const bytes = builder.finish()
      bytes.writeBigInt64BE(BigInt(at), 0)
      yield {
        kind: 'batches',
        topic,
        partition,
        bytes,
        firstOffset: at,
        nextOffset: at + 1,
        highWatermark: log.length,
        lastStableOffset: log.length,
        logStartOffset: 0,
        hold: () => () => undefined,
        aborted: [],
      }
    }
    yield { kind: 'caught-up' }
  }
  return {
    reposition: () => undefined,
    remove: () => undefined,
    [Symbol.asyncIterator]: () => events(),
    [Symbol.asyncDispose]: async () => undefined,
  }
}
