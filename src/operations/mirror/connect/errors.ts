import { errorKind } from '../../../foundation/errors/errors.ts'

export const CONNECT_PATTERN_UNSUPPORTED = errorKind(
  'CONNECT_PATTERN_UNSUPPORTED',
  'A regular expression is malformed, or uses what only Java knows.',
  'Write it without what is named; classes, groups, alternatives, repetitions and (?i) are all understood.',
  2,
)

export const CONNECT_CONFIG_INVALID = errorKind(
  'CONNECT_CONFIG_INVALID',
  'A connector’s configuration asks for what a link cannot do, or is malformed.',
  'Correct the keys that are named; docs/CONNECT.md says of every key what becomes of it.',
  2,
)

export const CONNECT_UNKNOWN = errorKind(
  'CONNECT_UNKNOWN',
  'There is no connector, task or plugin of this name.',
  'GET /connectors and /connector-plugins list what there is.',
  2,
)

export const CONNECT_EXISTS = errorKind(
  'CONNECT_EXISTS',
  'A connector of this name exists already.',
  'Change it with PUT /connectors/<name>/config, or choose another name.',
  2,
)

export const CONNECT_NOT_STOPPED = errorKind(
  'CONNECT_NOT_STOPPED',
  'Offsets can only be changed while a connector is stopped.',
  'PUT /connectors/<name>/stop first; pausing is not enough.',
  3,
)

export const CONNECT_OFFSETS_INVALID = errorKind(
  'CONNECT_OFFSETS_INVALID',
  'Offsets were not given in the form in which this connector shows them.',
  'GET /connectors/<name>/offsets shows the form; an offset of null forgets a partition.',
  2,
)

export const CONNECT_TOPIC_MISSING = errorKind(
  'CONNECT_TOPIC_MISSING',
  'A topic in which another replicator kept its offsets is not there.',
  'Name it with --offsets-topic, or --syncs-topic; `ajna topic list` shows what there is. MirrorMaker 2 by itself has mm2-offsets.<source alias>.internal at the target, a Connect worker its offset.storage.topic.',
  2,
)

export const CONNECT_POSITIONS_INVALID = errorKind(
  'CONNECT_POSITIONS_INVALID',
  'A file of positions is not in the format it was said to be in.',
  'Correct the line that is named, or say another format; exporting shows how each of them looks.',
  2,
)
