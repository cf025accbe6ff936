import { z } from 'zod'
import { duration } from '../../foundation/config/units.ts'

/** Bounded quantities of a scenario; what is said of one that is out of bounds is what is allowed. */

/** A test is bounded, whatever its file says. */
export const MAX_TEST_MS = 30 * 60_000

export const wholeNumber = (from: number, to: number) => {
  const error = `a whole number from ${from.toLocaleString('en-US')} to ${to.toLocaleString('en-US')}`
  return z.int({ error }).min(from, { error }).max(to, { error })
}

export const between = (from: number, to: number, words: string) =>
  duration().refine(ms => ms >= from && ms <= to, { error: `a duration from ${words}` })
