import { AjnaError } from '../errors/errors.ts'
import { SHARDS_HANDLER_FAILED } from './errors.ts'

export interface WorkHandlers {
  /** Work on the shard begins; what it writes carries the token. */
  readonly gained?: (shard: number, token: number) => void | Promise<void>
  /**
   * Work on the shard ends; when the promise is kept nothing of it goes on any more. A shard that is given up for another
   * member waits for this; one whose owner was expelled is gone already.
   */
  readonly lost?: (shard: number, token: number) => void | Promise<void>
}

/** Calls the handlers so that per shard gained and lost alternate, never two at once. */
export interface Work {
  /** Ends what is not owned by the same token any more, begins what is owned and not worked on. */
  reconcile(owned: ReadonlyMap<number, number>): void
  /** Ends the work on these shards and waits until it has ended. */
  drain(shards: readonly number[]): Promise<void>
  idle(): Promise<void>
  working(): ReadonlyMap<number, number>
}

export function startWork({ gained, lost }: WorkHandlers, onFailure: (error: AjnaError) => void): Work {
  const tokens = new Map<number, number>()
  const underWay = new Map<number, Promise<void>>()

  function then(shard: number, what: () => void | Promise<void> | undefined): void {
    const step = (underWay.get(shard) ?? Promise.resolve()).then(what)
    const guarded = step.catch(error =>
      onFailure(
        new AjnaError(SHARDS_HANDLER_FAILED, `the work on shard ${shard} failed to begin or end`, {
          cause: error,
        }),
      ),
    )
    underWay.set(shard, guarded)
    void guarded.then(() => {
      if (underWay.get(shard) === guarded) underWay.delete(shard)
    })
  }

  function begin(shard: number, token: number): void {
    tokens.set(shard, token)
    then(shard, () => gained?.(shard, token))
  }

  function end(shard: number): void {
    const token = tokens.get(shard)
    if (token === undefined) return
    tokens.delete(shard)
    then(shard, () => lost?.(shard, token))
  }

  async function idle(shards: readonly number[] = [...underWay.keys()]): Promise<void> {
    await Promise.all(shards.map(shard => underWay.get(shard)))
  }

  return {
    reconcile(owned) {
      for (const [shard, token] of tokens) if (owned.get(shard) !== token) end(shard)
      for (const [shard, token] of owned) if (tokens.get(shard) !== token) begin(shard, token)
    },
    async drain(shards) {
      shards.forEach(end)
      await idle(shards)
    },
    idle,
    working: () => tokens,
  }
}
