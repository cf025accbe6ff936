import { unregisterBrokerV0, updateFeaturesV1 } from '@platformatic/kafka'
import type { CallOptions, Calls } from './calls.ts'
import { codecs } from './connections.ts'
import { faultOf, refusalOf } from './errors.ts'

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
  /**
   * Raises features to these levels, all or none (KIP-584, KIP-1022): as `kafka-features upgrade`. Every broker and controller
   * must know them. What has its level already stays as it is; there is no way back. Needs Alter on the cluster.
   *
   * @throws AjnaError KAFKA_REFUSED, KAFKA_UNREACHABLE, KAFKA_UNSUPPORTED, KAFKA_DEADLINE
   */
  upgradeFeatures(levels: ReadonlyMap<string, number>, options?: CallOptions): Promise<void>
}

const UNREGISTER = codecs(unregisterBrokerV0.api)
const UPDATE_FEATURES = codecs(updateFeaturesV1.api)
const CONTROLLER_MS = 3_000
/** FeatureUpdate.UpgradeType: what lies below the present level is refused. */
const UPGRADE = 1 as const

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

    async upgradeFeatures(levels, options) {
      const updates = [...levels].map(([feature, maxVersionLevel]) => ({
        feature,
        maxVersionLevel,
        upgradeType: UPGRADE,
      }))
      await calls.ask(
        'raise features',
        { to: 'controller' },
        UPDATE_FEATURES,
        [CONTROLLER_MS, updates, false],
        options,
        ({ errorCode, errorMessage, results }) => {
          const failed = results.find(each => each.errorCode !== 0)
          return faultOf(failed?.errorCode ?? errorCode, failed?.errorMessage ?? errorMessage)
        },
      )
    },
  }
}
