/**
 * Transactions (KIP-98), one after another, on top of the idempotent producer: partitions are told to the coordinator
 * before their first batch, all appends are acknowledged before it is asked to commit.
 */
import { AjnaError } from '../errors/errors.ts'
import { abortable } from './backoff.ts'
import { markTransactional } from './batch.ts'
import type { Cluster, Lane } from './cluster.ts'
import type { Appended, TransactionalProducer, TransactionalProducerOptions } from './contract.ts'
import { type CoordinatorCalls, coordinatorOf } from './coordinators.ts'
import { TRANSACTION_BROKEN } from './errors.ts'
import { byTopic, type PartitionKey, partitionKey } from './leaders.ts'
import { IdempotentProducer } from './producer.ts'
import { nextEpoch } from './producer-id.ts'
import { addPartitionsToTxn } from './requests/add-partitions-to-txn.ts'
import { endTxn } from './requests/end-txn.ts'

/** @throws AjnaError BROKER_ERROR; the signal's reason */
export async function openTransactional(
  cluster: Cluster,
  lane: Lane,
  options: TransactionalProducerOptions,
  signal: AbortSignal,
): Promise<TransactionalProducer> {
  const { transactionalId } = options
  const identity = await nextEpoch(cluster, transactionalId, signal)
  const producer = new IdempotentProducer(cluster, lane, identity, options, transactionalId)
  const coordinator = coordinatorOf(cluster, { transactionalId })
  const closing = new AbortController()
  const whose = { transactionalId, ...identity }
  let current = newTransaction()

  const enlist = (partitions: readonly PartitionKey[]): Promise<void> =>
    addPartitions(coordinator, { ...whose, topics: byTopic(partitions) }, closing.signal)

  async function end(commit: boolean, signalOfEnd: AbortSignal): Promise<void> {
    const ending = current
    await abortable(Promise.allSettled(ending.appends), signalOfEnd)
    if (commit && ending.failure !== undefined)
      throw new AjnaError(TRANSACTION_BROKEN, `a transaction of ${transactionalId} cannot be committed`, {
        cause: ending.failure,
      })
    current = newTransaction()
    if (ending.enlisted.size === 0) return
    const what = `${commit ? 'commit' : 'abort'} a transaction of ${transactionalId}`
    const request = { ...whose, commit }
    await coordinator.ask(what, endTxn, request, ({ errorCode }) => errorCode, signalOfEnd)
  }

  return {
    append(topic, partition, batch) {
      const transaction = current
      markTransactional(batch)
      const appending = enlisted(transaction, { topic, partition }, enlist).then(() =>
        producer.append(topic, partition, batch),
      )
      transaction.appends.add(appending)
      appending.then(
        () => void transaction.appends.delete(appending),
        error => {
          transaction.appends.delete(appending)
          transaction.failure ??= error
        },
      )
      return appending
    },
    commit: signalOfEnd => end(true, signalOfEnd),
    abort: signalOfEnd => end(false, signalOfEnd),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await producer[Symbol.asyncDispose]()
    },
  }
}

interface Transaction {
  /** The partitions the coordinator knows of, or is being told of. */
  readonly enlisted: Map<string, Promise<void>>
  /** Those it will be told of next, together. */
  waiting: { readonly partitions: PartitionKey[]; readonly told: Promise<void> } | undefined
  telling: Promise<void>
  readonly appends: Set<Promise<Appended>>
  failure: unknown
}

const newTransaction = (): Transaction => ({
  enlisted: new Map(),
  waiting: undefined,
  telling: Promise.resolve(),
  appends: new Set(),
  failure: undefined,
})

/** One request at a time: the coordinator refuses a second one while it works on the first. */
function enlisted(
  transaction: Transaction,
  partition: PartitionKey,
  enlist: (partitions: readonly PartitionKey[]) => Promise<void>,
): Promise<void> {
  const key = partitionKey(partition)
  const known = transaction.enlisted.get(key)
  if (known !== undefined) return known
  if (transaction.waiting === undefined) {
    const partitions: PartitionKey[] = []
    const told = transaction.telling.then(() => {
      transaction.waiting = undefined
      return enlist(partitions)
    })
    transaction.waiting = { partitions, told }
    transaction.telling = told
  }
  transaction.waiting.partitions.push(partition)
  const { told } = transaction.waiting
  transaction.enlisted.set(key, told)
  return told
}

async function addPartitions(
  coordinator: CoordinatorCalls,
  request: Parameters<typeof addPartitionsToTxn.encode>[0],
  signal: AbortSignal,
): Promise<void> {
  const what = `add partitions to a transaction of ${request.transactionalId}`
  // Of several errors the one that says why: the others are only told that nothing was attempted.
  const errorOf = (added: readonly { readonly errorCode: number }[]): number => {
    const codes = added.map(({ errorCode }) => errorCode).filter(code => code !== 0)
    return codes.find(code => code !== OPERATION_NOT_ATTEMPTED) ?? codes[0] ?? 0
  }
  await coordinator.ask(what, addPartitionsToTxn, request, errorOf, signal)
}

const OPERATION_NOT_ATTEMPTED = 55
