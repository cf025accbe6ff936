import { z } from 'zod'

/** What a person is asked to decide, and the answer. Pure. */

const line = z.string().min(1).max(1_000)

export const verdicts = ['approve', 'decline'] as const
export type Verdict = (typeof verdicts)[number]

const answer = z.object({
  verdict: z.enum(verdicts),
  actor: line,
  reason: line,
  /** ms since the epoch. */
  at: z.int().nonnegative(),
})

export const proposal = z.object({
  /** One more each time it is proposed anew: whoever agrees, agrees to what they have read. */
  number: z.int().positive(),
  /** ms since the epoch. */
  at: z.int().nonnegative(),
  /** Of this proposal; null: none yet. */
  answer: answer.nullable(),
})
export type Proposal = Readonly<z.infer<typeof proposal>>

/** An answer on its way into the journal. */
export const answerOf = z.object({
  id: z.string().min(1).max(64),
  proposal: z.int().positive(),
  verdict: z.enum(verdicts),
  actor: line,
  reason: line,
})
export type AnswerOf = Readonly<z.infer<typeof answerOf>>

export const proposedAnew = (before: Proposal | undefined, at: number): Proposal => ({
  number: (before?.number ?? 0) + 1,
  at,
  answer: null,
})

/** Why an incident cannot be answered so; undefined: it can. One rule for the journal, the API and the console. */
export function whyNotAnswered(
  { state, proposal }: { readonly state: string; readonly proposal?: Proposal | undefined },
  asked: { readonly proposal: number; readonly verdict: Verdict },
): string | undefined {
  if (proposal === undefined) return 'nothing was proposed'
  if (state !== 'proposed' && state !== 'declined') return `it is ${state}: there is nothing to decide`
  if (state === 'declined' && asked.verdict === 'decline') return 'it was declined already'
  if (proposal.number !== asked.proposal)
    return `it was proposed anew meanwhile (proposal ${proposal.number}, not ${asked.proposal}): read it again`
  return undefined
}
