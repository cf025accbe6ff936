import type { Wire } from '../../foundation/wire/contract.ts'
import type { LinkState, LinkStore } from './contract.ts'
import type { Range } from './decide.ts'
import type { LinkIds } from './target-log.ts'

const MAX_MISSING_KEPT = 1_000

/** A link's state as its worker uses it: every change is kept before what follows from it is done. */
export interface KeptState {
  readonly ids: LinkIds
  readonly coordinatorEpoch: number
  /** Id of the topic at the source that is being copied under this name. */
  sourceIdOf(topic: string): string | undefined
  missingOf(topic: string, partition: number): readonly Range[]
  adopt(topic: string, sourceId: string): Promise<void>
  noteMissing(topic: string, partition: number, range: Range): Promise<void>
  /** Waits for what is being saved. */
  settled(): Promise<void>
}

/** Takes a link over: with an epoch above that of all workers before, kept before anything is written under it. */
export async function takeOver(store: LinkStore, target: Wire, signal: AbortSignal): Promise<KeptState> {
  const before = (await store.load()) ?? (await freshState(target, signal))
  let state: LinkState = { ...before, coordinatorEpoch: before.coordinatorEpoch + 1 }
  await store.save(state)
  let saving: Promise<void> = Promise.resolve()
  const change = (fields: Partial<LinkState>): Promise<void> => {
    state = { ...state, ...fields }
    const saved = state
    saving = saving.catch(() => undefined).then(() => store.save(saved))
    return saving
  }
  return {
    ids: {
      producerId: BigInt(state.producerId),
      fillerId: BigInt(state.fillerId),
      markerId: BigInt(state.markerId),
    },
    coordinatorEpoch: state.coordinatorEpoch,
    sourceIdOf: topic => state.topics[topic]?.sourceId,
    missingOf: (topic, partition) =>
      state.missing
        .filter(each => each.topic === topic && each.partition === partition)
        .map(({ from, to }) => ({ from, to })),
    adopt: (topic, sourceId) => change({ topics: { ...state.topics, [topic]: { sourceId } } }),
    noteMissing: (topic, partition, range) =>
      change({ missing: [...state.missing, { topic, partition, ...range }].slice(-MAX_MISSING_KEPT) }),
    settled: () => saving.catch(() => undefined),
  }
}

async function freshState(target: Wire, signal: AbortSignal): Promise<LinkState> {
  return {
    version: 1,
    producerId: String(await target.allocateProducerId(signal)),
    fillerId: String(await target.allocateProducerId(signal)),
    markerId: String(await target.allocateProducerId(signal)),
    coordinatorEpoch: 0,
    topics: {},
    missing: [],
  }
}
