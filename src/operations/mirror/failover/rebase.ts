import type { Wire } from '../../../foundation/wire/contract.ts'
import type { LinkStore } from '../contract.ts'
import { freshState } from '../state.ts'
import type { LogEnd } from './state.ts'

/**
 * Lets a link that is stopped go on at these ends of its target's logs, whoever wrote them. It gets producer ids that no
 * worker from before has: what such a one might still send is then a stranger's record, which is noticed, and not one of the
 * link's own in another's place, which would not be.
 *
 * @param target not as the link itself, which may write nowhere just then: producer ids are only for those who may
 * @param ends by the topics' names at the link's source
 * @param forget topics that are others at its source now
 */
export async function rebaseLink(
  store: LinkStore,
  target: Wire,
  ends: readonly LogEnd[],
  forget: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const [before, fresh] = [await store.load(), await freshState(target, signal)]
  const forgotten = new Set(forget)
  const topics = Object.entries(before?.topics ?? {}).filter(([name]) => !forgotten.has(name))
  await store.save({
    ...fresh,
    coordinatorEpoch: before?.coordinatorEpoch ?? 0,
    topics: Object.fromEntries(topics),
    missing: (before?.missing ?? []).filter(({ topic }) => !forgotten.has(topic)),
    bases: [...ends],
  })
}
