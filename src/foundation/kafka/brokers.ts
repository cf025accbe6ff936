import { unregisterBrokerV0 } from '@platformatic/kafka'
import type { CallOptions, Calls } from './calls.ts'
import { codecs } from './connections.ts'
import { refusalOf } from './errors.ts'

export interface BrokerAdmin {
  /**
   * Takes a broker off the cluster's list of registered brokers (KIP-631): it leaves every ISR, and what it led has other
   * leaders at once. Meant for one that is dead: one that lives is never heard again until it is restarted. A dead one that
   * is started again registers anew. Needs Alter on the cluster.
   *
   * @returns false when no such broker was registered
   * @throws AjnaError KAFKA_REFUSED, KAFKA_UNREACHABLE, KAFKA_UNSUPPORTED, KAFKA_DEADLINE
   */
  unregisterBroker(broker: number, options?: CallOptions): Promise<boolean>
}

const UNREGISTER = codecs(unregisterBrokerV0.api)

export function brokerAdmin(calls: Calls): BrokerAdmin {
  return {
    async unregisterBroker(broker, options) {
      try {
        await calls.ask(
          `unregistering of broker ${broker}`,
          { to: 'controller' },
          UNREGISTER,
          [broker],
          options,
        )
        return true
      } catch (error) {
        if (refusalOf(error) === 'BROKER_ID_NOT_REGISTERED') return false
        throw error
      }
    },
  }
}
