import { errorKind } from '../../foundation/errors/errors.ts'

export const LINK_STATE_INVALID = errorKind(
  'LINK_STATE_INVALID',
  "A link's stored state cannot be read.",
  'Restore it; without its producer ids the link would no longer be protected from what an older worker still has in flight.',
)

export const LINK_TOPIC_REFUSED = errorKind(
  'LINK_TOPIC_REFUSED',
  'A cluster refused what a link needs done to a topic.',
  "The cluster's error says why; a missing ACL is granted to the link's principal.",
)

export const LINK_REBUILD_FAILED = errorKind(
  'LINK_REBUILD_FAILED',
  'A batch that cannot be copied as it is could not be built anew either.',
  'Look at the batch in the source (its offset is named): it contradicts itself.',
)
