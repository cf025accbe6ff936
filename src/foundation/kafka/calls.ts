import { findCoordinatorV4, metadataV11, metadataV12 } from '@platformatic/kafka'
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import {
  type Address,
  addressText,
  type Codecs,
  type Connections,
  codecs,
  type Lane,
  orAborted,
} from './connections.ts'
import {
  type ApiFault,
  faultOf,
  KAFKA_DEADLINE,
  KAFKA_UNREACHABLE,
  mayRetry,
  refusalOf,
  refused,
  unreachable,
} from './errors.ts'

/** Where requests go, how often they are tried, and when that ends. */

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** For the whole operation, retries included, ms; default 15,000. */
  readonly deadlineMs?: number | undefined
}

export const DEFAULT_DEADLINE_MS = 15_000

/** For work of several calls: each gets what is left of the time for the whole. */
export function budget(options: CallOptions = {}): () => CallOptions {
  const until = performance.now() + (options.deadlineMs ?? DEFAULT_DEADLINE_MS)
  return () => ({ signal: options.signal, deadlineMs: Math.max(1, Math.ceil(until - performance.now())) })
}

/** `controller`: whoever decides on metadata; in KRaft any broker passes such requests on. */
export type Target =
  | { readonly to: 'any' }
  | { readonly to: 'controller' }
  | { readonly to: 'broker'; readonly id: number }
  | { readonly to: 'coordinator'; readonly group: string }

const laneOf = (target: Target): Lane => (target.to === 'controller' ? 'forwarded' : 'direct')

/** One item of a request that has several, and what came of it. */
export interface ItemOutcome<Item> {
  readonly item: Item
  /** Null: done. */
  readonly error: AjnaError | null
}

export interface Broker {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/** Sends one request and answers the whole response; no repeats. */
export type Once = <Args extends unknown[], Response>(
  target: Target,
  apis: Codecs<Args, Response>,
  args: Args,
) => Promise<Response>

export interface Calls {
  /**
   * Asks until it is answered without a retriable error.
   *
   * @param fault the error that the answer as a whole carries, if any
   * @throws AjnaError KAFKA_REFUSED, KAFKA_UNREACHABLE, KAFKA_UNSUPPORTED, KAFKA_DEADLINE; the caller's abort reason
   */
  ask<Args extends unknown[], Response>(
    what: string,
    target: Target,
    apis: Codecs<Args, Response>,
    args: Args,
    options?: CallOptions,
    fault?: (response: Response) => ApiFault | undefined,
  ): Promise<Response>
  /**
   * Asks for several items at once, and again for those that failed for the moment. A lost answer may hide a success: the
   * repeat then finds it done already (TOPIC_ALREADY_EXISTS, say).
   *
   * @param attempt sends these items, each request once; answers the fault of each that failed
   * @throws only the caller's abort reason: every other failure is an outcome
   */
  each<Item>(
    what: (item: Item) => string,
    items: readonly Item[],
    options: CallOptions,
    attempt: (items: readonly Item[], once: Once) => Promise<(item: Item) => ApiFault | undefined>,
  ): Promise<readonly ItemOutcome<Item>[]>
  /** The brokers that are up as the cluster sees it; asks it. */
  brokers(options?: CallOptions): Promise<readonly Broker[]>
}

const METADATA = codecs(metadataV12.api, metadataV11.api)
const GROUP_KEY = 0

/** How long a broker that failed us is asked last, ms. */
const SUSPECT_MS = 10_000
/** One that has not answered for so long when its caller gave up has failed it too, ms. */
const SILENT_MS = 500

export function createCalls(connections: Connections, bootstrap: readonly Address[]): Calls {
  let brokers = new Map<number, Broker>()
  let controller: number | undefined
  let onlyController = false
  const suspects = new Map<string, number>()

  /** Addresses worth asking, best first: connected, then unknown, then those that failed lately. */
  function candidates(): Address[] {
    const all = new Map([...brokers.values(), ...bootstrap].map(each => [addressText(each), each]))
    const rank = (address: Address): number => {
      if ((suspects.get(addressText(address)) ?? 0) > Date.now()) return 2
      return connections.isConnected(address) ? 0 : 1
    }
    return [...all.values()].sort((a, b) => rank(a) - rank(b))
  }

  async function send<Args extends unknown[], Response>(
    address: Address,
    lane: Lane,
    apis: Codecs<Args, Response>,
    args: Args,
    signal: AbortSignal,
  ): Promise<Response> {
    const asked = performance.now()
    try {
      const response = await connections.request(address, lane, apis, args, signal)
      suspects.delete(addressText(address))
      return response
    } catch (error) {
      // A caller with less patience than a request has would else ask a frozen broker again and again.
      const silent = signal.aborted && performance.now() - asked > SILENT_MS
      if (silent || isAjnaError(error, KAFKA_UNREACHABLE))
        suspects.set(addressText(address), Date.now() + SUSPECT_MS)
      throw error
    }
  }

  async function refresh(signal: AbortSignal): Promise<void> {
    const answer = await send(candidates()[0]!, 'direct', METADATA, [[], false, false], signal)
    brokers = new Map(
      answer.brokers.map(each => [
        each.nodeId,
        { id: each.nodeId, host: each.host, port: each.port, rack: each.rack ?? null },
      ]),
    )
    controller = answer.controllerId
  }

  async function brokerAddress(id: number, signal: AbortSignal): Promise<Address> {
    if (!brokers.has(id)) await refresh(signal)
    const broker = brokers.get(id)
    if (broker === undefined) throw unreachable(`broker ${id}`, 'the cluster does not list it as up')
    return broker
  }

  async function resolve(target: Target, signal: AbortSignal): Promise<Address> {
    switch (target.to) {
      case 'any':
        return candidates()[0]!
      case 'controller':
        return (onlyController ? brokers.get(controller ?? -1) : undefined) ?? candidates()[0]!
      case 'broker':
        return brokerAddress(target.id, signal)
      case 'coordinator': {
        const apis = codecs(findCoordinatorV4.api)
        const { coordinators } = await send(
          candidates()[0]!,
          'direct',
          apis,
          [GROUP_KEY, [target.group]],
          signal,
        )
        const found = coordinators[0]!
        const fault = faultOf(found.errorCode, found.errorMessage)
        if (fault !== undefined) throw refused(`find the coordinator of group ${target.group}`, fault)
        return found
      }
    }
  }

  /** Before a repeat: whatever the failure says has moved is looked up anew. */
  async function prepareRepeat(error: unknown, signal: AbortSignal): Promise<void> {
    const kind = isAjnaError(error) ? error.details['class'] : undefined
    // ZooKeeper-mode brokers do not pass requests on.
    if (refusalOf(error) === 'NOT_CONTROLLER') onlyController = true
    if (
      isAjnaError(error, KAFKA_UNREACHABLE) ||
      kind === 'refresh-coordinator' ||
      kind === 'refresh-metadata'
    ) {
      // What stands in its way will show in the repeat itself.
      await refresh(signal).catch(() => {})
    }
  }

  return {
    ask(what, target, apis, args, options = {}, fault = () => undefined) {
      return bounded(what, options, signal =>
        persist(signal, prepareRepeat, async () => {
          const response = await send(await resolve(target, signal), laneOf(target), apis, args, signal)
          const found = fault(response)
          if (found !== undefined) throw refused(what, found)
          return response
        }),
      )
    },

    async each(what, items, options, attempt) {
      const outcomes = new Map<(typeof items)[number], AjnaError | null>()
      let pending = items
      let failure: AjnaError | undefined
      const run = (signal: AbortSignal) =>
        persist(signal, prepareRepeat, async () => {
          if (pending.length === 0) return
          const once: Once = async (target, apis, args) =>
            send(await resolve(target, signal), laneOf(target), apis, args, signal)
          const faultOfItem = await attempt(pending, once)
          for (const item of pending) {
            const fault = faultOfItem(item)
            outcomes.set(item, fault === undefined ? null : refused(what(item), fault))
          }
          pending = pending.filter(item => mayRetry(outcomes.get(item)))
          if (pending.length > 0) throw outcomes.get(pending[0]!)
        })
      try {
        await bounded('the cluster', options, run)
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!isAjnaError(error)) throw error
        failure = error
      }
      // An item the cluster spoke about keeps the cluster's words; one never answered gets the failure of the call.
      return items.map(item => ({ item, error: outcomes.has(item) ? outcomes.get(item)! : failure! }))
    },

    async brokers(options = {}) {
      await bounded('list the brokers', options, signal =>
        persist(
          signal,
          async () => {},
          () => refresh(signal),
        ),
      )
      return [...brokers.values()].sort((a, b) => a.id - b.id)
    },
  }
}

const MAX_REPEATS = 6

/** Repeats while it may help, a little later each time. */
async function persist<Value>(
  signal: AbortSignal,
  prepare: (error: unknown, signal: AbortSignal) => Promise<void>,
  attempt: () => Promise<Value>,
): Promise<Value> {
  let failed: unknown
  return retry(handleWhen(mayRetry), {
    maxAttempts: MAX_REPEATS,
    backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 1000 }),
  }).execute(async () => {
    signal.throwIfAborted()
    if (failed !== undefined) await prepare(failed, signal)
    try {
      return await attempt()
    } catch (error) {
      failed = error
      throw error
    }
  }, signal)
}

/** Runs with the caller's signal and a deadline; says which of the two ended it. */
async function bounded<Value>(
  what: string,
  options: CallOptions,
  run: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
  const deadline = AbortSignal.timeout(deadlineMs)
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
  try {
    return await orAborted(run(signal), signal)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (!deadline.aborted) throw error
    const message = `${what}: no answer within ${deadlineMs} ms`
    throw new AjnaError(KAFKA_DEADLINE, message, { cause: error, details: { deadlineMs } })
  }
}
