/** Rules of the platform about what may be declared; `check.ts` and `plan.ts` apply them. */

/** What a site's own cluster keeps unless the declaration says why it keeps a topic longer, ms: 4 days. */
export const LOCAL_RETENTION_MS = 4 * 86_400_000

/** Processes of one machine that work on links: more than a machine's cores are no use. */
export const MAX_MIRROR_WORKERS = 64

/** Kafka's spelling of no limit. */
export const UNLIMITED = -1

export const defaultReplicationFactor = (brokers: number | undefined): number => Math.min(3, brokers ?? 3)

/** One replica may be down while acks=all goes on. */
export const defaultMinInsync = (replicationFactor: number): number => Math.max(1, replicationFactor - 1)

/** Why a topic cannot, or must not, be spread like this over these brokers; undefined when it may. */
export function replicationFault(
  replicationFactor: number,
  racks: readonly (string | null)[],
): string | undefined {
  if (replicationFactor > racks.length) return `at most ${racks.length}, the number of brokers`
  const named = new Set(racks.filter(rack => rack !== null))
  if (named.size > 0 && replicationFactor > named.size) {
    return `at most ${named.size}, the number of racks: two replicas in one rack are lost together`
  }
  return undefined
}

/** Why acks=all with this min ISR would stop as soon as one replica is away; undefined when it would not. */
export function minInsyncFault(minInsync: number, replicationFactor: number): string | undefined {
  if (replicationFactor === 1) return minInsync > 1 ? 'at most 1, the replication factor' : undefined
  if (minInsync < replicationFactor) return undefined
  return `less than the replication factor ${replicationFactor}: else one broker away stops every acks=all write`
}
