/** Links in a process of their own, so that its CPU time and memory are theirs alone. It is told over IPC what to copy. */
import { describeError } from '../../../src/foundation/errors/errors.ts'
import type { Link } from '../../../src/operations/mirror/run.ts'
import { type LinkSetup, linkBetween } from '../../mirror/link.ts'

export type LinkRequest = { readonly kind: 'begin'; readonly setup: LinkSetup } | { readonly kind: 'end' }
export interface LinkReply {
  readonly error: string | null
}

let link: Link | undefined

async function carryOut(request: LinkRequest): Promise<void> {
  if (request.kind === 'begin') link = await linkBetween(request.setup)
  else await link?.[Symbol.asyncDispose]()
}

process.on('message', (request: LinkRequest) => {
  carryOut(request).then(
    () => process.send!({ error: null } satisfies LinkReply),
    (error: unknown) => process.send!({ error: describeError(error) } satisfies LinkReply),
  )
})
process.on('disconnect', () => process.exit(0))
