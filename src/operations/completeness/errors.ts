import { errorKind } from '../../foundation/errors/errors.ts'

export const AUDIT_TOPIC_MISSING = errorKind(
  'AUDIT_TOPIC_MISSING',
  'The topic for the auditors’ word does not exist at the site’s cluster.',
  'Declare `ajna.audit.<site>` in ajna.yaml and run `ajna apply`.',
)
