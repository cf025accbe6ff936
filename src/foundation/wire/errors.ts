import { errorKind } from '../errors/errors.ts'

export const WIRE_MALFORMED = errorKind(
  'WIRE_MALFORMED',
  'Bytes that should follow the Kafka protocol do not: a length, count or value is impossible where it stands.',
  'Check what is between this process and the broker (a proxy, a wrong port, TLS on one side only); if it is a log segment, check its disk.',
)

export const WIRE_TRUNCATED = errorKind(
  'WIRE_TRUNCATED',
  'Bytes that should follow the Kafka protocol end too early.',
  'Fetch them again; if they come from a file, the file was cut.',
)

export const BATCH_CORRUPT = errorKind(
  'BATCH_CORRUPT',
  'A record batch does not match its checksum, or its content contradicts its header.',
  'Fetch it again; if it stays so, compare it with another replica of the partition and check the disk it came from.',
)

export const BATCH_MAGIC_UNSUPPORTED = errorKind(
  'BATCH_MAGIC_UNSUPPORTED',
  'A record batch is of a format other than version 2 (Kafka 0.11 and later).',
  'Have the broker convert the topic to the current format: messages of magic 0 and 1 are no longer written since Kafka 4.0.',
)

export const BATCH_CODEC_UNKNOWN = errorKind(
  'BATCH_CODEC_UNKNOWN',
  'A record batch names a compression codec that does not exist.',
  'The producer is newer than this program or the batch is corrupt; compare it with another replica.',
)

export const BATCH_TOO_LARGE = errorKind(
  'BATCH_TOO_LARGE',
  'A record batch, compressed or not, exceeds the bound that was set for it.',
  'Raise the bound if the producer is trusted; otherwise treat the batch as hostile.',
)
