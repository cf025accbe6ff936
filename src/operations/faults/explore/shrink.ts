/** What is left of a failing sequence. */
export interface Shrunk<T> {
  readonly sequence: readonly T[]
  /** How often something was replayed. */
  readonly replays: number
  /** Without any one of its elements it does not fail; false: there was no more time to find out. */
  readonly isShortest: boolean
}

/**
 * Leaves out parts of a failing sequence, large ones first, as long as what is left still fails (Zeller's ddmin: the
 * complements only). Pure but for `fails`.
 *
 * @param most so often it is asked at the most
 */
export async function shrink<T>(
  failing: readonly T[],
  fails: (candidate: readonly T[]) => Promise<boolean>,
  most: number,
): Promise<Shrunk<T>> {
  let sequence = failing
  let replays = 0
  let parts = 2
  while (sequence.length > 1) {
    const size = Math.ceil(sequence.length / parts)
    let shorter: readonly T[] | undefined
    for (let from = 0; from < sequence.length; from += size) {
      if (replays >= most) return { sequence, replays, isShortest: false }
      const candidate = [...sequence.slice(0, from), ...sequence.slice(from + size)]
      replays++
      if (!(await fails(candidate))) continue
      shorter = candidate
      break
    }
    if (shorter !== undefined) {
      sequence = shorter
      parts = Math.max(2, parts - 1)
    } else if (size === 1) break
    else parts = Math.min(sequence.length, parts * 2)
  }
  return { sequence, replays, isShortest: true }
}
