/** Lets one part wait for what another does, without missing what happens between looking and waiting. */
export interface Changes {
  /** How many changes there were. */
  readonly count: number
  notify(): void
  /** Settles once there were more changes than `seen`, or after `ms`. */
  after(seen: number, ms: number): Promise<void>
}

export function createChanges(): Changes {
  let count = 0
  const waiting = new Set<() => void>()
  return {
    get count() {
      return count
    },
    notify() {
      count++
      for (const wake of waiting) wake()
    },
    after(seen, ms) {
      if (count > seen) return Promise.resolve()
      return new Promise(resolve => {
        const wake = (): void => {
          clearTimeout(timer)
          waiting.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, ms)
        waiting.add(wake)
      })
    },
  }
}
