import { errorKind } from '../../foundation/errors/errors.ts'

export const COMPLETENESS_STATE_UNREADABLE = errorKind(
  'COMPLETENESS_STATE_UNREADABLE',
  'The file with the completeness ledger is damaged.',
  'Move it away and start again: the ledger is rebuilt from the topics as far back as they are kept.',
)
