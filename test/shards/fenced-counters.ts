import { z } from 'zod'
import type { Machine } from '../../src/foundation/journal/contract.ts'
import {
  NO_SHARDS,
  type ShardsState,
  shardsCommand,
  shardsState,
} from '../../src/foundation/shards/contract.ts'
import { applyShards, mayWrite } from '../../src/foundation/shards/machine.ts'

/**
 * The smallest machine whose own commands are fenced by shard tokens in the same journal; the simulation and the chaos
 * test count with it.
 */
export interface CountersState {
  readonly shards: ShardsState
  /** By shard: how many writes, and the sum of their ids. */
  readonly counters: Readonly<Record<string, { readonly count: number; readonly sum: number }>>
}

const write = z.object({
  kind: z.literal('write'),
  instance: z.string(),
  shard: z.int(),
  token: z.int(),
  id: z.int(),
})
const countersCommand = z.discriminatedUnion('kind', [...shardsCommand.options, write])
export type CountersCommand = z.infer<typeof countersCommand>

export const fencedCounters: Machine<CountersState, CountersCommand> = {
  version: 1,
  initial: { shards: NO_SHARDS, counters: {} },
  command: countersCommand,
  state: z.object({
    shards: shardsState,
    counters: z.record(z.string(), z.object({ count: z.int(), sum: z.int() })),
  }),
  apply(state, command, meta) {
    if (command.kind !== 'write') {
      const applied = applyShards(state.shards, command, meta)
      return applied.accepted ? { accepted: true, state: { ...state, shards: applied.state } } : applied
    }
    const { shard, token, id } = command
    if (!mayWrite(state.shards, shard, token)) return { accepted: false, reason: `token ${token} is stale` }
    const { count, sum } = state.counters[shard] ?? { count: 0, sum: 0 }
    return {
      accepted: true,
      state: { ...state, counters: { ...state.counters, [shard]: { count: count + 1, sum: sum + id } } },
    }
  },
}
