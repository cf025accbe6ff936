/** What is known of a cluster (brokers, topics, leaders), and the connections to its brokers. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AjnaError, describeError } from '../errors/errors.ts'
import { type Logger, silentLogger } from '../log/log.ts'
import { classify } from './api-errors.ts'
import { abortable, hedged, pause } from './backoff.ts'
import { type Connection, connect, type SendOptions } from './connection.ts'
import type { Throttled, TopicMetadata, WireOptions } from './contract.ts'
import { BROKER_UNREACHABLE, WIRE_CLOSED } from './errors.ts'
import type { Message } from './requests/message.ts'
import { type MetadataResponse, type MetadataTopic, metadata } from './requests/metadata.ts'
import { remembering } from './requests/remembering.ts'

export interface Leader {
  readonly node: number
  readonly epoch: number
}

/** What the brokers last said about a topic. */
export type TopicState =
  | { readonly kind: 'known'; readonly topic: TopicMetadata }
  | { readonly kind: 'absent'; readonly errorCode: number; readonly sinceMs: number }

interface Address {
  readonly host: string
  readonly port: number
}

/** Connections of one lane are used for nothing else, so that a long poll never delays a produce. */
export type Lane = `${'control' | 'produce' | 'fetch'}${string}`

const CONTROL: Lane = 'control'
const CONNECT_TIMEOUT_MS = 2_000
const REQUEST_TIMEOUT_MS = 4_000
const REFRESH_PAUSE_MS = 100
/** A healthy broker answers Metadata in a few milliseconds. */
const HEDGE_AFTER_MS = 500
const SUSPECT_FOR_MS = 10_000
const RETIRED_IDS_KEPT = 16

export class Cluster {
  readonly log: Logger
  readonly requestTimeoutMs: number
  readonly #options: WireOptions
  readonly #bootstrap: readonly Address[]
  readonly #closing = new AbortController()
  readonly #connections = new Map<string, Promise<Connection>>()
  /** Those of them that are open. */
  readonly #open = new Map<string, Connection>()
  readonly #suspects = new Map<string, number>()
  readonly #topics = new Map<string, TopicState>()
  readonly #retiredIds = new Map<string, string[]>()
  #brokers: ReadonlyMap<number, Address> = new Map()
  readonly #metadata = remembering(metadata)
  #learned: MetadataResponse | undefined
  /**
   * Who was asked last, if that taught nothing. Somebody asked because what is known does not work; and a broker that is cut
   * off from its controller goes on telling what it knew.
   */
  #taughtNothing: Address | undefined
  #throttled: Throttled | undefined
  #refreshing: Promise<unknown> = Promise.resolve()
  #queuedRefresh: { readonly topics: Set<string>; readonly done: Promise<void> } | undefined

  constructor(options: WireOptions) {
    this.#options = options
    this.#bootstrap = options.bootstrap.map(parseAddress)
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
    this.log = options.log ?? silentLogger
  }

  /** The last that a broker said of holding this client back. */
  get throttled(): Throttled | undefined {
    return this.#throttled
  }

  topic(name: string): TopicState | undefined {
    return this.#topics.get(name)
  }

  leader(name: string, partition: number): Leader | undefined {
    const state = this.#topics.get(name)
    if (state?.kind !== 'known') return undefined
    const found = state.topic.partitions[partition]
    return found === undefined || found.leader < 0
      ? undefined
      : { node: found.leader, epoch: found.leaderEpoch }
  }

  /** Node id of a partition's leader, or -1 when none is known. */
  leaderNode(name: string, partition: number): number {
    const state = this.#topics.get(name)
    return state?.kind === 'known' ? (state.topic.partitions[partition]?.leader ?? -1) : -1
  }

  /** All topics there are. @throws AjnaError BROKER_UNREACHABLE; the signal's reason */
  async allTopics(signal: AbortSignal): Promise<readonly TopicMetadata[]> {
    const response = await abortable(this.#askAnyBroker(null), signal)
    return response.topics.flatMap(({ name }) => {
      const state = this.#topics.get(name)
      return state?.kind === 'known' ? [state.topic] : []
    })
  }

  /**
   * Asks for these topics anew. Calls while an earlier one is under way are answered together by one more request.
   *
   * @throws AjnaError BROKER_UNREACHABLE when no broker answers; the signal's reason
   */
  refresh(topics: Iterable<string>, signal: AbortSignal): Promise<void> {
    this.#queuedRefresh ??= this.#queueRefresh()
    for (const topic of topics) this.#queuedRefresh.topics.add(topic)
    return abortable(this.#queuedRefresh.done, signal)
  }

  /** @throws AjnaError BROKER_UNREACHABLE and what `Connection.send` throws; the signal's reason */
  send<Request, Response>(
    node: number,
    lane: Lane,
    message: Message<Request, Response>,
    request: Request,
    options: SendOptions & { readonly signal: AbortSignal },
  ): Promise<Response> {
    const open = this.#openConnection(node, lane)
    if (open !== undefined) return open.send(message, request, options)
    return this.connection(node, lane, options.signal).then(each => each.send(message, request, options))
  }

  /**
   * The lane's connection to a broker, opened if need be.
   *
   * @param allocate gives the memory for large responses; the same for all of a lane's calls
   */
  connection(
    node: number,
    lane: Lane,
    signal: AbortSignal,
    allocate?: (size: number) => Buffer,
  ): Promise<Connection> {
    const address = this.#brokers.get(node)
    if (address === undefined) {
      return Promise.reject(
        new AjnaError(BROKER_UNREACHABLE, `broker ${node} is not among those the cluster names`),
      )
    }
    return abortable(this.#connect(address, lane, allocate), signal)
  }

  /** The lane's connection to a broker if there is one: waiting for it would cost more than all else in sending. */
  #openConnection(node: number, lane: Lane): Connection | undefined {
    const address = this.#brokers.get(node)
    const found = address === undefined ? undefined : this.#open.get(connectionKey(lane, address))
    return found?.closed === false ? found : undefined
  }

  /** @throws AjnaError BROKER_UNREACHABLE when none answers */
  async sendToAny<Request, Response>(
    message: Message<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    return abortable(this.#ask(message, request), signal).then(({ response }) => response)
  }

  closeLane(lane: Lane): void {
    for (const [key, connection] of this.#connections) {
      if (!key.startsWith(`${lane}@`)) continue
      this.#connections.delete(key)
      this.#open.delete(key)
      connection.then(each => each.close()).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new AjnaError(WIRE_CLOSED, 'the client was closed'))
    const connections = [...this.#connections.values()]
    this.#connections.clear()
    this.#open.clear()
    for (const result of await Promise.allSettled(connections)) {
      if (result.status === 'fulfilled') result.value.close()
    }
  }

  #connect(address: Address, lane: Lane, allocate?: (size: number) => Buffer): Promise<Connection> {
    const key = connectionKey(lane, address)
    const open = this.#connections.get(key)
    if (open !== undefined) return open
    const { clientId, tls, hosts, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options
    const { requestTimeoutMs } = this
    const onThrottle = (ms: number): void => {
      this.#throttled = { ms, until: Date.now() + ms }
    }
    const options = {
      ...address,
      tls,
      hosts,
      clientId,
      connectTimeoutMs,
      requestTimeoutMs,
      allocate,
      onThrottle,
    }
    const opening = connect(options, this.#closing.signal)
    this.#connections.set(key, opening)
    const forget = (): void => {
      if (this.#connections.get(key) !== opening) return
      this.#connections.delete(key)
      this.#open.delete(key)
    }
    opening.then(
      connection => {
        this.#suspects.delete(printAddress(address))
        if (this.#connections.get(key) === opening) this.#open.set(key, connection)
        connection.onClose(forget)
      },
      () => {
        forget()
        this.#suspects.set(printAddress(address), Date.now())
      },
    )
    return opening
  }

  #queueRefresh(): { topics: Set<string>; done: Promise<void> } {
    const topics = new Set<string>()
    const run = async (): Promise<void> => {
      await this.#refreshing
      await nextTurn()
      this.#queuedRefresh = undefined
      const asking = this.#askAnyBroker([...topics])
      // The next refresh begins no sooner than a moment after this one ended, however many ask for it.
      this.#refreshing = asking
        .catch(() => undefined)
        .then(() => pause(REFRESH_PAUSE_MS, this.#closing.signal))
        .catch(() => undefined)
      await asking
    }
    const done = run()
    done.catch(() => undefined)
    return { topics, done }
  }

  async #askAnyBroker(topics: readonly string[] | null): Promise<MetadataResponse> {
    const { response, by } = await this.#ask(this.#metadata, { topics })
    this.#taughtNothing = by
    // What was learned last is still so; anything else that was learned since may have been the older news.
    if (response === this.#learned) return response
    this.#learned = response
    this.#brokers = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    for (const topic of response.topics) if (this.#learn(topic)) this.#taughtNothing = undefined
    return response
  }

  async #ask<Request, Response>(
    message: Message<Request, Response>,
    request: Request,
  ): Promise<{ response: Response; by: Address }> {
    this.#closing.signal.throwIfAborted()
    const attempts = this.#candidates().map(address => async () => {
      try {
        const connection = await this.#connect(address, CONTROL)
        const response = await connection.send(message, request, { signal: this.#closing.signal })
        return { response, by: address }
      } catch (error) {
        this.#suspects.set(printAddress(address), Date.now())
        throw error
      }
    })
    try {
      return await hedged(attempts, HEDGE_AFTER_MS)
    } catch (error) {
      this.#closing.signal.throwIfAborted()
      const reasons =
        error instanceof AggregateError ? error.errors.map(describeError) : [describeError(error)]
      const message = `none of ${this.#candidates().map(printAddress).join(', ')} answers: ${reasons.join('; ')}`
      throw new AjnaError(BROKER_UNREACHABLE, message)
    }
  }

  /** The brokers last heard of, then the bootstrap addresses; the one that taught nothing, and those that failed a moment ago, last. */
  #candidates(): Address[] {
    const unique = new Map(
      [...this.#brokers.values(), ...this.#bootstrap].map(each => [printAddress(each), each]),
    )
    const now = Date.now()
    const taughtNothing = this.#taughtNothing === undefined ? undefined : printAddress(this.#taughtNothing)
    const all = [...unique.keys()]
    // Each in turn.
    const first = taughtNothing === undefined ? 0 : all.indexOf(taughtNothing) + 1
    const suspect = (key: string): number => (now - (this.#suspects.get(key) ?? 0) < SUSPECT_FOR_MS ? 1 : 0)
    return [...all.slice(first), ...all.slice(0, first)]
      .sort((a, b) => suspect(a) - suspect(b))
      .map(key => unique.get(key)!)
  }

  /** Whether anything about its leaders is news. */
  #learn({ errorCode, name, id, partitions }: MetadataTopic): boolean {
    const before = this.#topics.get(name)
    if (errorCode !== 0 && classify(errorCode).name !== 'LEADER_NOT_AVAILABLE') {
      const sinceMs = before?.kind === 'absent' ? before.sinceMs : Date.now()
      this.#topics.set(name, { kind: 'absent', errorCode, sinceMs })
      return before?.kind !== 'absent'
    }
    const retired = this.#retiredIds.get(name) ?? []
    // A broker that lags behind may still speak of a topic that is known to have been replaced.
    if (retired.includes(id)) return false
    const old = before?.kind === 'known' ? before.topic : undefined
    if (old !== undefined && old.id !== id)
      this.#retiredIds.set(name, [...retired, old.id].slice(-RETIRED_IDS_KEPT))
    const topic = mergeTopic(old, { name, id, partitions })
    this.#topics.set(name, { kind: 'known', topic })
    return (
      old?.id !== id ||
      topic.partitions.some((each, index) => each.leaderEpoch !== old.partitions[index]?.leaderEpoch)
    )
  }
}

/** Of two views of a partition the one with the higher leader epoch is the newer, whichever arrived last (KIP-320). */
function mergeTopic(
  old: TopicMetadata | undefined,
  fresh: Pick<MetadataTopic, 'name' | 'id' | 'partitions'>,
): TopicMetadata {
  const known = old?.id === fresh.id ? old.partitions : []
  const partitions = fresh.partitions
    .map(({ partition, leader, leaderEpoch, replicas, isr }) => ({
      partition,
      leader,
      leaderEpoch,
      replicas,
      isr,
    }))
    .sort((a, b) => a.partition - b.partition)
    .map(each => {
      const before = known[each.partition]
      return before !== undefined && before.leaderEpoch > each.leaderEpoch ? before : each
    })
  return { name: fresh.name, id: fresh.id, partitions }
}

function connectionKey(lane: Lane, address: Address): string {
  return `${lane}@${printAddress(address)}`
}

function printAddress({ host, port }: Address): string {
  return `${host}:${port}`
}

/** @throws RangeError */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<name>[^:[\]]+)):(?<port>\d{1,5})$/.exec(text)
  const host = match?.groups?.['v6'] ?? match?.groups?.['name']
  const port = Number(match?.groups?.['port'])
  if (host === undefined || !(port >= 1 && port <= 65_535)) throw new RangeError(`"${text}" is not host:port`)
  return { host, port }
}
