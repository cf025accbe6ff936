/** The two journals that another cluster keeps: commands are applied in the order in which they arrive, by the real rules. */
import type { Machine } from '../../../foundation/journal/contract.ts'
import type { InterlockCommand, InterlockState } from '../../fleet/interlock/contract.ts'
import type { IncidentsCommand, IncidentsState } from '../contract.ts'
import type { Rules } from './contract.ts'
import type { Dice, Schedule } from './schedule.ts'

export type Outcome =
  | { readonly kind: 'accepted'; readonly offset: number }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The wait is over; it may have happened, or happen yet. */
  | { readonly kind: 'unknown' }

export interface SimJournal<S, C> {
  state(): S
  submit(command: C, settle: (outcome: Outcome) => void): void
  /** Called for each accepted command, right after it was applied. */
  readonly observers: ((command: C, state: S) => void)[]
  /** What waited for the log is appended, if it flows. */
  flush(): void
}

export interface Keys {
  readonly leases: SimJournal<InterlockState, InterlockCommand>
  readonly incidents: SimJournal<IncidentsState, IncidentsCommand>
  /** Whether healers have them open. */
  isOpen(): boolean
  /** Told whenever the cluster that keeps them is another. */
  kept(): void
}

const WAIT_MS = 30_000
/** What takes no writes for so long counts as closed. */
const CLOSED_MS = 30_000
const APPEND_MS = [2, 40] as const

export function createKeys(
  { schedule, dice }: { readonly schedule: Schedule; readonly dice: Dice },
  rules: Rules,
  takesWrites: () => boolean,
): Keys {
  let stoodStillAt: number | null = null
  const leases = createJournal(schedule, dice, rules.interlock, takesWrites)
  const incidents = createJournal(schedule, dice, rules.incidents, takesWrites)
  return {
    leases,
    incidents,
    isOpen: () => stoodStillAt === null || schedule.now() - stoodStillAt < CLOSED_MS,
    kept() {
      const isStill = !takesWrites()
      stoodStillAt = isStill ? (stoodStillAt ?? schedule.now()) : null
      if (isStill) return
      leases.flush()
      incidents.flush()
    },
  }
}

function createJournal<S, C>(
  schedule: Schedule,
  dice: Dice,
  machine: Machine<S, C>,
  takesWrites: () => boolean,
): SimJournal<S, C> {
  let state = machine.initial
  let offset = 0
  let waiting: (() => void)[] = []
  const observers: ((command: C, state: S) => void)[] = []

  function apply(command: C): Outcome {
    const meta = { offset, at: schedule.now(), writer: 'simulated', machineVersion: machine.version }
    offset++
    const read = machine.command.safeParse(command)
    if (!read.success) return { kind: 'refused', reason: read.error.message }
    const applied = machine.apply(state, read.data, meta)
    if (!applied.accepted) return { kind: 'refused', reason: applied.reason }
    state = applied.state
    for (const observer of observers) observer(command, state)
    return { kind: 'accepted', offset: meta.offset }
  }

  const between = (): number => dice.between(...APPEND_MS)
  return {
    state: () => state,
    observers,
    submit(command, settle) {
      let isSettled = false
      /** Some writers are gone when the log flows again. */
      const comesLate = dice.chance(0.5)
      const settled = (outcome: Outcome): void => {
        if (isSettled) return
        isSettled = true
        settle(outcome)
      }
      const append = (): void => {
        if (!takesWrites()) {
          waiting.push(append)
          return
        }
        if (isSettled && !comesLate) return
        const outcome = apply(command)
        schedule.after(between(), () => settled(outcome))
      }
      schedule.after(between(), append)
      schedule.after(WAIT_MS, () => settled({ kind: 'unknown' }))
    },
    flush() {
      const held = waiting
      waiting = []
      for (const append of held) append()
    },
  }
}
