import { errorKind } from '../errors/errors.ts'

export const POSITION_MALFORMED = errorKind(
  'POSITION_MALFORMED',
  'A record carries a position header that does not follow its format.',
  'Find what else writes to the topic: shipped topics have one writer per site.',
)

export const AVRO_MALFORMED = errorKind(
  'AVRO_MALFORMED',
  'A record that should be an Avro single object is not, or does not fit its schema.',
  'Find what else writes to the topic; if it is a newer Ajna, upgrade this one.',
)

export const AVRO_SCHEMA_UNKNOWN = errorKind(
  'AVRO_SCHEMA_UNKNOWN',
  'An Avro single object names a schema this program does not know.',
  'The record was written by another version of Ajna: upgrade this one.',
)

export const INTERVALS_MALFORMED = errorKind(
  'INTERVALS_MALFORMED',
  'A stored interval set is damaged.',
  'Delete the state it came from: it is rebuilt from the topics.',
)
