import { errorKind } from '../errors/errors.ts'

export const JOURNAL_TOO_NEW = errorKind(
  'JOURNAL_TOO_NEW',
  'The journal holds a record written by a later version of the program, which this one cannot judge.',
  'Upgrade this process; until then it must not act on the journal.',
)

export const JOURNAL_DIVERGED = errorKind(
  'JOURNAL_DIVERGED',
  "A snapshot in the journal differs from this process' own state at the same offset: one of the two applied the log differently.",
  'Stop every process that uses this journal and start them on one version of the program; records that this snapshot covers were kept, so a fresh replay decides who was right. Report it: a rule was not deterministic.',
)

export const JOURNAL_BEHIND = errorKind(
  'JOURNAL_BEHIND',
  'The records this reader needs next were deleted behind a snapshot while it was away.',
  'None needed: the journal opens again from the snapshot.',
)

export const JOURNAL_LOG_LOST = errorKind(
  'JOURNAL_LOG_LOST',
  "The journal's log is not the one that was read before: truncated, deleted, re-created, or its head is gone without a snapshot.",
  'Check the topic (unclean election, retention, deletion). Restart the process to read what is there now.',
)

export const JOURNAL_OUTCOME_UNKNOWN = errorKind(
  'JOURNAL_OUTCOME_UNKNOWN',
  'The wait for a command ended before the command was read back: it may have happened or may still happen.',
  'Call sync() and look at the state before deciding again.',
)

export const JOURNAL_CLOSED = errorKind(
  'JOURNAL_CLOSED',
  'The journal was closed, or stopped for the reason given.',
  'Open it again.',
)

export const JOURNAL_TOO_LARGE = errorKind(
  'JOURNAL_TOO_LARGE',
  'A command or a snapshot of the state is larger than one record may be.',
  "Keep the state bounded, and large things in the object store with their name in the journal; or raise the topic's max.message.bytes.",
)

export const JOURNAL_REFUSED = errorKind(
  'JOURNAL_REFUSED',
  'The broker refused a record of the journal for good: it was not written.',
  "Check the principal's right to write the topic, and the topic's max.message.bytes.",
)

export const JOURNAL_NOT_SENT = errorKind(
  'JOURNAL_NOT_SENT',
  'The wait for a command ended before the command was sent: it has not happened and will not.',
  'Try again; if it persists, the brokers that hold the journal do not take writes (look for too few in-sync replicas).',
)
