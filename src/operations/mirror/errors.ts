import { errorKind } from '../../foundation/errors/errors.ts'

export const LINK_STATE_INVALID = errorKind(
  'LINK_STATE_INVALID',
  "A link's stored state cannot be read.",
  'Restore it; without its producer ids the link would no longer be protected from what an older worker still has in flight.',
)

export const LINK_OWNED = errorKind(
  'LINK_OWNED',
  "The link is declared in the fleet's file, which alone may change or end it; or it is the way back of a link whose sides are switched.",
  'Change the file and apply it, or switch the sides back; pausing and restarting a declared link is possible here too.',
  3,
)

export const LINK_DEPOSED = errorKind(
  'LINK_DEPOSED',
  'A worker wanted to change what a link keeps, but another does that part of its work by now.',
  'Nothing: the other one goes on with it. If it persists, look at which workers take part (`ajna link list`).',
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

export const LINK_TARGET_UNSETTLED = errorKind(
  'LINK_TARGET_UNSETTLED',
  "A partition's log at the target has no leader, keeps growing, or is not replicated, while a link wants to know where it ends.",
  'Nothing, when it passes. If it persists, look at the brokers and disks that hold its replicas, or for what else writes to the copy.',
)

export const LINK_END_SILENT = errorKind(
  'LINK_END_SILENT',
  'One end of a link does not answer, or refuses, what the link has to know of it.',
  'The cause says which broker, and why. The link tries on, and reads its certificates anew each time: nothing needs a restart.',
)

export const LINK_BATCH_REFUSED = errorKind(
  'LINK_BATCH_REFUSED',
  'The target refuses what a link wants to write.',
  "The broker's error says why: an ACL of the link's principal is missing, or the copy's settings do not allow it.",
)

export const LINK_LOG_UNREADABLE = errorKind(
  'LINK_LOG_UNREADABLE',
  'A range of offsets that was to be compared is not in the log.',
  'Choose a range that both logs hold: from the higher log start to the lower log end.',
)

export const LINK_MAPPING_FULL = errorKind(
  'LINK_MAPPING_FULL',
  "A copy's offsets would differ from its source's in more places than are kept.",
  "Grant the link's principal ClusterAction at the target, so that gaps are filled instead; of what retention took at the target nothing is kept any more. Then restart the partition.",
)

export const LINK_INVALID = errorKind(
  'LINK_INVALID',
  'A link cannot be as it was asked for.',
  'Correct what the message names.',
  2,
)

export const LINK_UNKNOWN = errorKind(
  'LINK_UNKNOWN',
  'There is no link of this name.',
  'List the links to see their names.',
  2,
)

export const LINK_CHANGED = errorKind(
  'LINK_CHANGED',
  'A link was changed by somebody else in the meantime.',
  'Look at it again, and repeat what still applies.',
)

export const LINK_NOT_STOPPED = errorKind(
  'LINK_NOT_STOPPED',
  "A link's positions were to be changed while it may still copy.",
  'Stop the link first; paused is not enough.',
  3,
)

export const LINK_POSITION_REFUSED = errorKind(
  'LINK_POSITION_REFUSED',
  'A link cannot go on from where it was told to.',
  "Read what is said per partition. Where the copy's offsets need not be the source's, use `offsets: mapped`.",
  3,
)
