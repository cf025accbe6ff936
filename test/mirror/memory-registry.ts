import { AjnaError } from '../../src/foundation/errors/errors.ts'
import type { LinkPartitionStatus, LinkStatus } from '../../src/operations/mirror/contract.ts'
import { linkDefinitionSchema } from '../../src/operations/mirror/definition.ts'
import { LINK_CHANGED, LINK_UNKNOWN } from '../../src/operations/mirror/errors.ts'
import type {
  LinkEntry,
  LinkPosition,
  LinkPositionChange,
  LinkRegistry,
} from '../../src/operations/mirror/registry.ts'

/** A registry in memory, with what its workers would say made up: for tests of what stands above it. */
export interface MemoryRegistry extends LinkRegistry {
  /** What was asked of it, in words, oldest first. */
  readonly calls: string[]
  /** What the workers say of a link from now on; undefined: nothing. */
  say(name: string, status: Partial<LinkStatus> | undefined): void
  /** They say what they would have without `say`. */
  unsay(name: string): void
}

export interface MemoryRegistryOptions {
  /** Every link is said to copy these, up to here. */
  readonly positions?: readonly LinkPosition[]
  readonly now?: () => number
}

export function memoryRegistry({
  positions = [],
  now = () => 0,
}: MemoryRegistryOptions = {}): MemoryRegistry {
  const links = new Map<string, LinkEntry>()
  const said = new Map<string, Partial<LinkStatus> | undefined>()
  const moved = new Map<string, LinkPosition[]>()
  const listeners = new Set<(name: string) => void>()
  const calls: string[] = []
  const known = (name: string): LinkEntry => {
    const entry = links.get(name)
    if (entry === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${name}`)
    return entry
  }
  const positionsOf = (name: string): LinkPosition[] => moved.get(name) ?? [...positions]
  const keep = (entry: LinkEntry): LinkEntry => {
    links.set(entry.definition.name, entry)
    for (const listener of listeners) listener(entry.definition.name)
    return entry
  }
  return {
    calls,
    say: (name, status) => void said.set(name, status),
    unsay: name => void said.delete(name),
    list: () => [...links.values()],
    get: name => links.get(name),
    async put(definition, { expected, owner = 'api', annotations = {} } = {}) {
      const before = links.get(definition.name)
      if (expected !== undefined && expected !== (before?.version ?? 0))
        throw new AjnaError(LINK_CHANGED, `link ${definition.name} has version ${before?.version ?? 0}`)
      calls.push(`put ${definition.name}`)
      const version = (before?.version ?? 0) + 1
      const parsed = linkDefinitionSchema.parse(definition)
      return keep({ definition: parsed, version, owner, annotations, reverseOf: null, sides: null })
    },
    async setDesired(name, desired) {
      calls.push(`${desired} ${name}`)
      const entry = known(name)
      return keep({ ...entry, version: entry.version + 1, definition: { ...entry.definition, desired } })
    },
    async remove(name) {
      known(name)
      calls.push(`remove ${name}`)
      links.delete(name)
    },
    async restart(name, { only, partitions }) {
      known(name)
      const which = partitions?.map(each => `${each.topic}-${each.partition}`).join(',')
      calls.push(['restart', name, only, which].filter(Boolean).join(' '))
    },
    status(name) {
      if (said.has(name)) {
        const status = said.get(name)
        return status === undefined ? undefined : { ...plainStatus(name, [], now()), ...status }
      }
      return plainStatus(name, positionsOf(name), now())
    },
    async positions(name) {
      known(name)
      return positionsOf(name)
    },
    async setPositions(name, changes) {
      known(name)
      calls.push(`positions ${name} ${changes.map(changeText).join(',')}`)
      const at = new Map(positionsOf(name).map(each => [`${each.topic}-${each.partition}`, each]))
      for (const { topic, partition, sourceOffset } of changes)
        at.set(`${topic}-${partition}`, {
          topic,
          partition,
          sourceOffset: sourceOffset ?? 0,
          targetOffset: at.get(`${topic}-${partition}`)?.targetOffset ?? 0,
        })
      moved.set(name, [...at.values()])
    },
    onChange(listener, signal) {
      listeners.add(listener)
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
  }
}

const changeText = ({ topic, partition, sourceOffset }: LinkPositionChange): string =>
  `${topic}-${partition}=${sourceOffset}`

const plainStatus = (link: string, positions: readonly LinkPosition[], now: number): LinkStatus => ({
  link,
  state: 'running',
  reason: '',
  startedAt: now,
  observedAt: now,
  partitions: positions.map(({ topic, partition, targetOffset }) =>
    partitionStatus(topic, partition, { targetEnd: targetOffset, records: targetOffset }),
  ),
})

export const partitionStatus = (
  topic: string,
  partition: number,
  more: Partial<LinkPartitionStatus> = {},
): LinkPartitionStatus => ({
  topic,
  partition,
  state: 'caught-up',
  halted: null,
  reason: '',
  since: 0,
  targetEnd: 0,
  sourceStart: 0,
  sourceEnd: 0,
  lagRecords: 0,
  lagMs: 0,
  records: 0,
  bytes: 0,
  rebuiltBatches: 0,
  filledOffsets: 0,
  missing: [],
  ...more,
})
