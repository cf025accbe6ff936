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

export const BROKER_UNREACHABLE = errorKind(
  'BROKER_UNREACHABLE',
  'No usable connection to a broker came about within the time allowed.',
  'Check the address, that the broker runs and answers, and that both sides use TLS or neither; the cause says what the socket reported.',
)

export const CONNECTION_LOST = errorKind(
  'CONNECTION_LOST',
  'A connection to a broker ended while a request was waiting on it; whether the broker acted on the request is unknown.',
  'Nothing, when it passes: the client connects again. If it persists, look at the broker and at what lies between.',
)

export const REQUEST_TIMED_OUT = errorKind(
  'REQUEST_TIMED_OUT',
  'A broker took a request and did not answer within its deadline; whether it acted on it is unknown.',
  'Nothing, when it passes: the connection was closed and another is opened. If it persists, the broker is frozen or overloaded.',
)

export const API_UNSUPPORTED = errorKind(
  'API_UNSUPPORTED',
  'A broker speaks no version of a request that this program speaks.',
  'Use a broker of Kafka 2.8 or later.',
)

export const BROKER_ERROR = errorKind(
  'BROKER_ERROR',
  'A broker refused a request; the error it gave is named.',
  "Look the broker's error up in Kafka's protocol documentation; authorisation errors mean that an ACL is missing.",
)

export const PARTITION_UNAVAILABLE = errorKind(
  'PARTITION_UNAVAILABLE',
  'A partition has no leader, or its topic does not exist.',
  'Check that the topic exists and that a replica of the partition is alive.',
)

export const PRODUCER_FENCED = errorKind(
  'PRODUCER_FENCED',
  'A newer process took over the transactional id of this producer.',
  'Nothing: the newer process does the work. Two processes that keep fencing each other were started by mistake.',
)

export const RECORD_REJECTED = errorKind(
  'RECORD_REJECTED',
  'A broker refused a record batch for good; nothing of it was written.',
  "The broker's error says why: too large, invalid, out of the allowed timestamps, or not authorised.",
)

export const DELIVERY_UNKNOWN = errorKind(
  'DELIVERY_UNKNOWN',
  'A record batch was not acknowledged in time; it may or may not have been written.',
  'Find out from the log before sending it again; the producer must be replaced.',
)

export const TRANSACTION_BROKEN = errorKind(
  'TRANSACTION_BROKEN',
  'A record batch of a transaction was not acknowledged, so the transaction cannot be committed.',
  'Abort it and begin it anew; the cause says what became of the batch.',
)

export const WIRE_CLOSED = errorKind(
  'WIRE_CLOSED',
  'A client, producer or stream was used after it had been closed.',
  'This is a mistake in the program, or work that was cut short by a shutdown.',
)
