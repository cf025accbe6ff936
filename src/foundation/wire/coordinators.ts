/** Requests about groups and transactions, which only their coordinators answer. */
import { classify, isRetriable } from './api-errors.ts'
import { backoffMs, pause } from './backoff.ts'
import type { Cluster } from './cluster.ts'
import { brokerError, isTransportError } from './leaders.ts'
import { type FindCoordinatorRequest, findCoordinator } from './requests/find-coordinator.ts'
import type { Message } from './requests/message.ts'

export interface CoordinatorCalls {
  /**
   * Asks the coordinator, looked for anew after each failure, until it gives an answer that asking again would not better.
   * For requests that may be repeated.
   *
   * @param errorOf the answer's error, 0: none
   * @throws AjnaError BROKER_ERROR, with the broker's error; the signal's reason
   */
  ask<Request, Response>(
    what: string,
    message: Message<Request, Response>,
    request: Request,
    errorOf: (response: Response) => number,
    signal: AbortSignal,
  ): Promise<Response>
}

export function coordinatorOf(cluster: Cluster, whose: FindCoordinatorRequest): CoordinatorCalls {
  let node: number | undefined
  async function find(signal: AbortSignal): Promise<number> {
    const found = await cluster.sendToAny(findCoordinator, whose, signal)
    if (found.errorCode === 0) return found.nodeId
    const name = 'group' in whose ? `group ${whose.group}` : `transactional id ${whose.transactionalId}`
    throw brokerError(found.errorCode, `the coordinator of ${name}`, found.errorMessage)
  }
  return {
    async ask(what, message, request, errorOf, signal) {
      for (let failures = 1; ; failures++) {
        try {
          node ??= await find(signal)
          const response = await cluster.send(node, 'control', message, request, { signal })
          const code = errorOf(response)
          if (code === 0) return response
          throw brokerError(code, what)
        } catch (error) {
          node = undefined
          if (!mayPass(error)) throw error
        }
        await pause(backoffMs(failures), signal)
        // Whoever coordinates now may be a broker that was not there before.
        await cluster.refresh([], signal).catch(() => signal.throwIfAborted())
      }
    },
  }
}

function mayPass(error: unknown): boolean {
  if (isTransportError(error)) return true
  const code = brokerCodeOf(error)
  return code !== undefined && isRetriable(classify(code).class)
}

/** The broker's error in a BROKER_ERROR. */
export function brokerCodeOf(error: unknown): number | undefined {
  const code = (error as { details?: { code?: unknown } } | null)?.details?.code
  return typeof code === 'number' ? code : undefined
}
