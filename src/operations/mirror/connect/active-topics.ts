import type { LinkPartitionStatus, LinkStatus } from '../contract.ts'
import type { LinkDefinition } from '../definition.ts'

/** Which copies a connector has written to (KIP-558): since it began, or since somebody asked to count anew. */
export interface ActiveTopics {
  of(definition: LinkDefinition, status: LinkStatus | undefined): readonly string[]
  /** Counts anew; kept by this process alone. */
  reset(definition: LinkDefinition, status: LinkStatus | undefined): void
  /** Of a connector that is no more. */
  forget(name: string): void
}

export function activeTopics(): ActiveTopics {
  /** Where each copy ended when counting began. */
  const baselines = new Map<string, ReadonlyMap<string, number>>()
  const keyOf = ({ topic, partition }: LinkPartitionStatus): string => `${topic}-${partition}`
  return {
    of({ name, rename }, status) {
      const baseline = baselines.get(name)
      const isActive = (each: LinkPartitionStatus): boolean => {
        const end = each.targetEnd ?? 0
        // A copy that ends before that is another one by now.
        return end > 0 && end !== baseline?.get(keyOf(each))
      }
      const active = (status?.partitions ?? []).filter(isActive)
      return [...new Set(active.map(({ topic }) => rename.prefix + topic + rename.suffix))].sort()
    },
    reset({ name }, status) {
      baselines.set(name, new Map((status?.partitions ?? []).map(each => [keyOf(each), each.targetEnd ?? 0])))
    },
    forget: name => void baselines.delete(name),
  }
}
