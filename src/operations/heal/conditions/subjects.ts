import { z } from 'zod'

/** What an incident is about that is neither one broker's process nor some partitions by name. */
export const clusterWide = [
  z.object({ kind: z.literal('leaders') }),
  z.object({ kind: z.literal('quorum') }),
  z.object({ kind: z.literal('movement') }),
  /** Those that one broker has, whichever they are. */
  z.object({ kind: z.literal('replicas'), on: z.int().nonnegative() }),
] as const
type ClusterWide = Readonly<z.infer<(typeof clusterWide)[number]>>

export const wideKey = (subject: ClusterWide): string =>
  subject.kind === 'replicas' ? `replicas-${subject.on}` : subject.kind

/** For people. */
export function wideText(subject: ClusterWide): string {
  switch (subject.kind) {
    case 'leaders':
      return 'preferred leaders'
    case 'quorum':
      return 'the controller quorum'
    case 'movement':
      return 'reassignments'
    case 'replicas':
      return `replicas on broker ${subject.on}`
    default:
      return subject satisfies never
  }
}
