/** Follows each of some directories by itself; which they are may change. */
export interface Followed<State> {
  /** From now on these, and no others. */
  follow(directories: readonly string[]): void
  of(directory: string): State | undefined
}

/** @param begin until the signal aborts; what it answers is told by `of` */
export function followEach<State>(begin: (directory: string, signal: AbortSignal) => State): Followed<State> {
  const followed = new Map<string, { readonly stop: AbortController; readonly state: State }>()
  return {
    follow(directories) {
      const wanted = new Set(directories)
      for (const [directory, { stop }] of followed)
        if (!wanted.has(directory)) {
          stop.abort()
          followed.delete(directory)
        }
      for (const directory of wanted) {
        if (followed.has(directory)) continue
        const stop = new AbortController()
        followed.set(directory, { stop, state: begin(directory, stop.signal) })
      }
    },
    of: directory => followed.get(directory)?.state,
  }
}
