/**
 * Causes that are not a failure in one moment but a state that has lasted for too long. One open incident for each cause and
 * subject of a cluster at a time; it ends when the state does.
 *
 * `leaders-unbalanced`: partitions are led by others than those they should be, though these are well. `quorum-at-risk`: one more
 * voter lost, and nobody decides on metadata. `under-replicated`: replicas on a broker are out of sync, though it is well.
 * `isr-flapping`: they leave and come back again and again. `data-movement`: replicas are being moved, and nobody here has
 * ordered it. `unclean-leader`: a replica that was not in sync was made leader, and nobody here has ordered it.
 */
export const standingCauses = [
  'leaders-unbalanced',
  'quorum-at-risk',
  'under-replicated',
  'isr-flapping',
  'data-movement',
  'unclean-leader',
] as const
export type StandingCause = (typeof standingCauses)[number]

export const isStanding = (cause: string): cause is StandingCause =>
  standingCauses.some(each => each === cause)
