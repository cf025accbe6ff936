/** Progress of a start or a stop: one line a step with its time, on standard error. */
export interface Steps {
  /** Runs one step, printing its name and how long it took (or that it failed). */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  note(text: string): void
  /** Every step so far with its duration in ms. */
  readonly taken: readonly { readonly name: string; readonly ms: number }[]
  readonly totalMs: number
}

export function createSteps(
  write: (line: string) => void,
  now: () => number = () => performance.now(),
): Steps {
  const began = now()
  const taken: { name: string; ms: number }[] = []
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(6)} s`
  return {
    async step(name, work) {
      const from = now()
      try {
        const result = await work()
        taken.push({ name, ms: now() - from })
        write(`${seconds(now() - began)}  ✓ ${name}  (${((now() - from) / 1000).toFixed(1)} s)`)
        return result
      } catch (error) {
        write(`${seconds(now() - began)}  ✗ ${name}`)
        throw error
      }
    },
    note: text => write(`          ${text}`),
    taken,
    get totalMs() {
      return now() - began
    },
  }
}
