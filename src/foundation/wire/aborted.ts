import { type BatchHeader, batchesIn } from './batch.ts'
import type { FetchedBatches } from './contract.ts'

/** Which transactional batches of one fetch answer were aborted (KIP-98), as the answer's list tells. */
export class AbortedTransactions {
  readonly #upcoming: { readonly producerId: bigint; readonly firstOffset: number }[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]) {
    this.#upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** To be asked for each data batch, in order. */
  includes(header: Pick<BatchHeader, 'transactional' | 'producerId' | 'lastOffset'>): boolean {
    for (
      let next = this.#upcoming[0];
      next !== undefined && next.firstOffset <= header.lastOffset;
      next = this.#upcoming[0]
    ) {
      this.#open.add(next.producerId)
      this.#upcoming.shift()
    }
    return header.transactional && this.#open.has(header.producerId)
  }

  /** To be told of each transaction marker, in order. */
  ended(producerId: bigint): void {
    this.#open.delete(producerId)
  }
}

/** The data batches of a fetch answer, without markers, and without aborted transactions where it was read committed. */
export function* dataBatches({
  bytes,
  aborted,
}: Pick<FetchedBatches, 'bytes' | 'aborted'>): Generator<BatchHeader, void, undefined> {
  const transactions = new AbortedTransactions(aborted)
  for (const header of batchesIn(bytes)) {
    if (header.control) transactions.ended(header.producerId)
    else if (!transactions.includes(header)) yield header
  }
}
