import { describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { type SnapshotPart, snapshot } from '../../foundation/kafka/snapshot.ts'
import type { ActualCluster, ClusterDriver, ResolvedCluster } from './contract.ts'

/** What a plan looks at. */
const planParts: readonly SnapshotPart[] = [
  'cluster',
  'topics',
  'reassignments',
  'configs',
  'offsets',
  'quotas',
  'acls',
]

/** One declared cluster as it is; never rejects unless the signal aborts. */
export async function observeCluster(
  cluster: ResolvedCluster,
  admin: ClusterAdmin,
  driver: ClusterDriver,
  signal: AbortSignal,
): Promise<ActualCluster> {
  try {
    if (cluster.driver === 'local') {
      const state = await driver.state(cluster, signal)
      if (state !== 'running') return { kind: state }
    }
    const seen = await snapshot(admin, { signal, parts: planParts })
    if (!seen.cluster.ok && !seen.topics.ok) return { kind: 'unreachable', error: seen.cluster.error }
    return { kind: 'seen', snapshot: seen }
  } catch (error) {
    signal.throwIfAborted()
    const code = isAjnaError(error) ? error.code : 'OBSERVE_FAILED'
    return { kind: 'unreachable', error: { code, message: describeError(error) } }
  }
}
