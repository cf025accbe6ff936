import { classify, isRetriable } from './api-errors.ts'
import { backoffMs, pause } from './backoff.ts'
import type { Cluster } from './cluster.ts'
import { brokerError, isTransportError } from './leaders.ts'
import { findCoordinator } from './requests/find-coordinator.ts'
import { type InitProducerIdResponse, initProducerId } from './requests/init-producer-id.ts'

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** Of transactions (transactions.ts); where none is begun the broker wants a bound all the same. */
const TRANSACTION_TIMEOUT_MS = 60_000

/** A fresh producer id. @throws AjnaError BROKER_ERROR; the signal's reason */
export function freshProducerId(cluster: Cluster, signal: AbortSignal): Promise<ProducerIdentity> {
  const request = { transactionalId: null, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS }
  return untilAnswered(
    'a fresh producer id',
    () => cluster.sendToAny(initProducerId, request, signal),
    signal,
  )
}

/**
 * The transactional id's producer id with its epoch raised: older holders are refused wherever the new epoch has written.
 *
 * @throws AjnaError BROKER_ERROR; the signal's reason
 */
export function nextEpoch(
  cluster: Cluster,
  transactionalId: string,
  signal: AbortSignal,
): Promise<ProducerIdentity> {
  const request = { transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS }
  const ask = async (): Promise<InitProducerIdResponse> => {
    const coordinator = await cluster.sendToAny(findCoordinator, { transactionalId }, signal)
    if (coordinator.errorCode !== 0)
      return { errorCode: coordinator.errorCode, producerId: -1n, producerEpoch: -1 }
    return cluster.send(coordinator.nodeId, 'control', initProducerId, request, { signal })
  }
  return untilAnswered(`the next epoch of transactional id ${transactionalId}`, ask, signal)
}

async function untilAnswered(
  what: string,
  ask: () => Promise<InitProducerIdResponse>,
  signal: AbortSignal,
): Promise<ProducerIdentity> {
  for (let failures = 1; ; failures++) {
    try {
      const { errorCode, producerId, producerEpoch } = await ask()
      if (errorCode === 0) return { producerId, producerEpoch }
      // A cold or moving coordinator answers 14, 15, 16, an older epoch's unfinished business 51.
      if (!isRetriable(classify(errorCode).class)) throw brokerError(errorCode, what)
    } catch (error) {
      if (!isTransportError(error)) throw error
    }
    await pause(backoffMs(failures), signal)
  }
}
