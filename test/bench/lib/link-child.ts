/** Links in a process of their own, so that its CPU time and memory are theirs alone. It is told over IPC what to copy. */
import { describeError } from '../../../src/foundation/errors/errors.ts'
import type { Link } from '../../../src/operations/mirror/run.ts'
import { type LinkSetup, linkBetween } from '../../mirror/link.ts'

export type LinkRequest =
  | { readonly kind: 'begin'; readonly setup: LinkSetup }
  | { readonly kind: 'summary' }
  | { readonly kind: 'end' }

export interface LinkSummary {
  readonly partitions: number
  readonly caughtUp: number
  readonly records: number
}

export interface LinkReply extends LinkSummary {
  readonly error: string | null
}

let link: Link | undefined

async function carryOut(request: LinkRequest): Promise<void> {
  if (request.kind === 'begin') link = await linkBetween(request.setup)
  if (request.kind !== 'end') return
  await link?.[Symbol.asyncDispose]()
  link = undefined
}

function summary(): LinkSummary {
  const partitions = link?.status().partitions ?? []
  return {
    partitions: partitions.length,
    caughtUp: partitions.filter(({ state }) => state === 'caught-up').length,
    records: partitions.reduce((sum, { records }) => sum + records, 0),
  }
}

process.on('message', (request: LinkRequest) => {
  carryOut(request).then(
    () => process.send!({ error: null, ...summary() } satisfies LinkReply),
    (error: unknown) => process.send!({ error: describeError(error), ...summary() } satisfies LinkReply),
  )
})
process.on('disconnect', () => process.exit(0))
