/** What a task says of itself: Trogdor's status, any JSON. */
export type Status = string | Readonly<Record<string, unknown>>

export interface WorkContext {
  /** The task's. */
  readonly id: string
  readonly report: (status: Status) => void
  /** Aborted when the task's time is over, or it is stopped: that the work throws because of it is no failure. */
  readonly ending: AbortSignal
}

export const rounded = (value: number): number => Math.round(value * 1_000) / 1_000
