import { errorKind } from '../../foundation/errors/errors.ts'

export const COMPLETENESS_STATE_UNREADABLE = errorKind(
  'COMPLETENESS_STATE_UNREADABLE',
  'The file with the completeness ledger is damaged.',
  'Move it away and start again: the ledger is rebuilt from the topics as far back as they are kept.',
)

export const AUDIT_TOPIC_MISSING = errorKind(
  'AUDIT_TOPIC_MISSING',
  'The topic for the auditors’ word does not exist at the site’s cluster.',
  'Declare `ajna.audit.<site>` in ajna.yaml and run `ajna apply`.',
)
