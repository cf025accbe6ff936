import { AjnaError } from '../../src/foundation/errors/errors.ts'
import type { LoggedRecord, OrderedLog } from '../../src/foundation/journal/contract.ts'
import { JOURNAL_BEHIND } from '../../src/foundation/journal/errors.ts'

/** What happens to one append: as asked; not written; written but not said so; written twice. */
export type AppendFate = 'written' | 'lost' | 'unacknowledged' | 'twice'

/** A log in this process' memory: for tests of what stands on a journal. */
export interface MemoryTopic {
  /** Another reader and writer of the same log. */
  open(fate?: () => AppendFate): OrderedLog
  readonly records: readonly LoggedRecord[]
  /** Puts a record in directly, as another writer would. */
  put(value: Uint8Array): void
  /** Replays of every record ever put, deleted ones too, go through this. */
  readonly everything: readonly LoggedRecord[]
}

export function createMemoryTopic(name = 'memory'): MemoryTopic {
  const everything: LoggedRecord[] = []
  let start = 0
  let grown = Promise.withResolvers<void>()

  function put(value: Uint8Array): void {
    everything.push({ offset: everything.length, value })
    grown.resolve()
    grown = Promise.withResolvers()
  }

  async function append(values: readonly Uint8Array[], fate: AppendFate): Promise<void> {
    await Promise.resolve()
    const copies = { written: 1, unacknowledged: 1, twice: 2, lost: 0 }[fate]
    for (let copy = 0; copy < copies; copy++) values.forEach(put)
    if (fate === 'lost' || fate === 'unacknowledged') throw new Error(`append ${fate}`)
  }

  async function* read(from: number, signal: AbortSignal): AsyncGenerator<readonly LoggedRecord[]> {
    const aborted = new Promise<void>(resolve =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    )
    for (let next = from; !signal.aborted; ) {
      if (next < start) throw new AjnaError(JOURNAL_BEHIND, `${name}: ${next} lies before ${start}`)
      if (next === everything.length) await Promise.race([grown.promise, aborted])
      const group = everything.slice(next)
      next += group.length
      if (group.length > 0) yield group
    }
  }

  return {
    everything,
    get records() {
      return everything.slice(start)
    },
    put,
    open: (fate = () => 'written') => ({
      name,
      identity: async () => name,
      append: values => append(values, fate()),
      read,
      bounds: async () => ({ start, end: everything.length }),
      async deleteBefore(offset) {
        start = Math.max(start, offset)
      },
      async [Symbol.asyncDispose]() {},
    }),
  }
}
