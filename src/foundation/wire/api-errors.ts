/**
 * Kafka's error codes (org.apache.kafka.common.protocol.Errors, 4.3.1) and what a client does about each: the one place
 * where that is decided.
 */

/**
 * - `retry`: ask the same broker again after a pause
 * - `refresh-metadata`: leaders or topics have moved: refresh, then ask again
 * - `refresh-coordinator`: the coordinator or controller has moved: find it, then ask again
 * - `throttle`: a quota was exceeded: ask again after the time the answer names
 * - `fenced`: somebody newer holds this identity (producer, member, coordinator): stop
 * - `out-of-sequence`: the log does not end where an idempotent producer thinks: look at the log end before going on
 * - `out-of-range`: the position asked for does not exist (any more): the reader decides where to go on
 * - `poison`: these records will never be accepted, others may be
 * - `unauthorized`: an operator must grant something first
 * - `fatal`: the same request will get the same answer
 */
export type ErrorClass =
  | 'none'
  | 'retry'
  | 'refresh-metadata'
  | 'refresh-coordinator'
  | 'throttle'
  | 'fenced'
  | 'out-of-sequence'
  | 'out-of-range'
  | 'poison'
  | 'unauthorized'
  | 'fatal'

export interface ApiError {
  readonly code: number
  /** As Kafka spells it, e.g. `NOT_LEADER_OR_FOLLOWER`. */
  readonly name: string
  readonly class: ErrorClass
}

const TABLE: readonly (readonly [code: number, name: string, kind: ErrorClass])[] = [
  [-1, 'UNKNOWN_SERVER_ERROR', 'fatal'],
  [0, 'NONE', 'none'],
  [1, 'OFFSET_OUT_OF_RANGE', 'out-of-range'],
  [2, 'CORRUPT_MESSAGE', 'retry'],
  [3, 'UNKNOWN_TOPIC_OR_PARTITION', 'refresh-metadata'],
  [4, 'INVALID_FETCH_SIZE', 'fatal'],
  [5, 'LEADER_NOT_AVAILABLE', 'refresh-metadata'],
  [6, 'NOT_LEADER_OR_FOLLOWER', 'refresh-metadata'],
  [7, 'REQUEST_TIMED_OUT', 'retry'],
  [8, 'BROKER_NOT_AVAILABLE', 'refresh-metadata'],
  [9, 'REPLICA_NOT_AVAILABLE', 'refresh-metadata'],
  [10, 'MESSAGE_TOO_LARGE', 'poison'],
  [11, 'STALE_CONTROLLER_EPOCH', 'fenced'],
  [12, 'OFFSET_METADATA_TOO_LARGE', 'fatal'],
  [13, 'NETWORK_EXCEPTION', 'refresh-metadata'],
  [14, 'COORDINATOR_LOAD_IN_PROGRESS', 'retry'],
  [15, 'COORDINATOR_NOT_AVAILABLE', 'refresh-coordinator'],
  [16, 'NOT_COORDINATOR', 'refresh-coordinator'],
  [17, 'INVALID_TOPIC_EXCEPTION', 'fatal'],
  [18, 'RECORD_LIST_TOO_LARGE', 'poison'],
  [19, 'NOT_ENOUGH_REPLICAS', 'retry'],
  [20, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'retry'],
  [21, 'INVALID_REQUIRED_ACKS', 'fatal'],
  [22, 'ILLEGAL_GENERATION', 'fenced'],
  [23, 'INCONSISTENT_GROUP_PROTOCOL', 'fatal'],
  [24, 'INVALID_GROUP_ID', 'fatal'],
  [25, 'UNKNOWN_MEMBER_ID', 'fenced'],
  [26, 'INVALID_SESSION_TIMEOUT', 'fatal'],
  [27, 'REBALANCE_IN_PROGRESS', 'retry'],
  [28, 'INVALID_COMMIT_OFFSET_SIZE', 'fatal'],
  [29, 'TOPIC_AUTHORIZATION_FAILED', 'unauthorized'],
  [30, 'GROUP_AUTHORIZATION_FAILED', 'unauthorized'],
  [31, 'CLUSTER_AUTHORIZATION_FAILED', 'unauthorized'],
  [32, 'INVALID_TIMESTAMP', 'poison'],
  [33, 'UNSUPPORTED_SASL_MECHANISM', 'fatal'],
  [34, 'ILLEGAL_SASL_STATE', 'fatal'],
  [35, 'UNSUPPORTED_VERSION', 'fatal'],
  [36, 'TOPIC_ALREADY_EXISTS', 'fatal'],
  [37, 'INVALID_PARTITIONS', 'fatal'],
  [38, 'INVALID_REPLICATION_FACTOR', 'fatal'],
  [39, 'INVALID_REPLICA_ASSIGNMENT', 'fatal'],
  [40, 'INVALID_CONFIG', 'fatal'],
  [41, 'NOT_CONTROLLER', 'refresh-coordinator'],
  [42, 'INVALID_REQUEST', 'fatal'],
  [43, 'UNSUPPORTED_FOR_MESSAGE_FORMAT', 'fatal'],
  [44, 'POLICY_VIOLATION', 'fatal'],
  [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'out-of-sequence'],
  [46, 'DUPLICATE_SEQUENCE_NUMBER', 'out-of-sequence'],
  [47, 'INVALID_PRODUCER_EPOCH', 'fenced'],
  [48, 'INVALID_TXN_STATE', 'fatal'],
  [49, 'INVALID_PRODUCER_ID_MAPPING', 'fenced'],
  [50, 'INVALID_TRANSACTION_TIMEOUT', 'fatal'],
  [51, 'CONCURRENT_TRANSACTIONS', 'retry'],
  [52, 'TRANSACTION_COORDINATOR_FENCED', 'fenced'],
  [53, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'unauthorized'],
  [54, 'SECURITY_DISABLED', 'unauthorized'],
  [55, 'OPERATION_NOT_ATTEMPTED', 'retry'],
  [56, 'KAFKA_STORAGE_ERROR', 'refresh-metadata'],
  [57, 'LOG_DIR_NOT_FOUND', 'fatal'],
  [58, 'SASL_AUTHENTICATION_FAILED', 'unauthorized'],
  [59, 'UNKNOWN_PRODUCER_ID', 'out-of-sequence'],
  [60, 'REASSIGNMENT_IN_PROGRESS', 'retry'],
  [61, 'DELEGATION_TOKEN_AUTH_DISABLED', 'fatal'],
  [62, 'DELEGATION_TOKEN_NOT_FOUND', 'fatal'],
  [63, 'DELEGATION_TOKEN_OWNER_MISMATCH', 'fatal'],
  [64, 'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED', 'fatal'],
  [65, 'DELEGATION_TOKEN_AUTHORIZATION_FAILED', 'unauthorized'],
  [66, 'DELEGATION_TOKEN_EXPIRED', 'unauthorized'],
  [67, 'INVALID_PRINCIPAL_TYPE', 'fatal'],
  [68, 'NON_EMPTY_GROUP', 'fatal'],
  [69, 'GROUP_ID_NOT_FOUND', 'fatal'],
  [70, 'FETCH_SESSION_ID_NOT_FOUND', 'retry'],
  [71, 'INVALID_FETCH_SESSION_EPOCH', 'retry'],
  [72, 'LISTENER_NOT_FOUND', 'refresh-metadata'],
  [73, 'TOPIC_DELETION_DISABLED', 'fatal'],
  [74, 'FENCED_LEADER_EPOCH', 'refresh-metadata'],
  [75, 'UNKNOWN_LEADER_EPOCH', 'retry'],
  [76, 'UNSUPPORTED_COMPRESSION_TYPE', 'fatal'],
  [77, 'STALE_BROKER_EPOCH', 'fenced'],
  [78, 'OFFSET_NOT_AVAILABLE', 'retry'],
  [79, 'MEMBER_ID_REQUIRED', 'fatal'],
  [80, 'PREFERRED_LEADER_NOT_AVAILABLE', 'refresh-metadata'],
  [81, 'GROUP_MAX_SIZE_REACHED', 'fatal'],
  [82, 'FENCED_INSTANCE_ID', 'fenced'],
  [83, 'ELIGIBLE_LEADERS_NOT_AVAILABLE', 'refresh-metadata'],
  [84, 'ELECTION_NOT_NEEDED', 'fatal'],
  [85, 'NO_REASSIGNMENT_IN_PROGRESS', 'fatal'],
  [86, 'GROUP_SUBSCRIBED_TO_TOPIC', 'fatal'],
  [87, 'INVALID_RECORD', 'poison'],
  [88, 'UNSTABLE_OFFSET_COMMIT', 'retry'],
  [89, 'THROTTLING_QUOTA_EXCEEDED', 'throttle'],
  [90, 'PRODUCER_FENCED', 'fenced'],
  [91, 'RESOURCE_NOT_FOUND', 'fatal'],
  [92, 'DUPLICATE_RESOURCE', 'fatal'],
  [93, 'UNACCEPTABLE_CREDENTIAL', 'fatal'],
  [94, 'INCONSISTENT_VOTER_SET', 'fatal'],
  [95, 'INVALID_UPDATE_VERSION', 'fatal'],
  [96, 'FEATURE_UPDATE_FAILED', 'fatal'],
  [97, 'PRINCIPAL_DESERIALIZATION_FAILURE', 'fatal'],
  [98, 'SNAPSHOT_NOT_FOUND', 'fatal'],
  [99, 'POSITION_OUT_OF_RANGE', 'out-of-range'],
  [100, 'UNKNOWN_TOPIC_ID', 'refresh-metadata'],
  [101, 'DUPLICATE_BROKER_REGISTRATION', 'fatal'],
  [102, 'BROKER_ID_NOT_REGISTERED', 'fatal'],
  [103, 'INCONSISTENT_TOPIC_ID', 'refresh-metadata'],
  [104, 'INCONSISTENT_CLUSTER_ID', 'fatal'],
  [105, 'TRANSACTIONAL_ID_NOT_FOUND', 'fatal'],
  [106, 'FETCH_SESSION_TOPIC_ID_ERROR', 'retry'],
  [107, 'INELIGIBLE_REPLICA', 'fatal'],
  [108, 'NEW_LEADER_ELECTED', 'refresh-metadata'],
  [109, 'OFFSET_MOVED_TO_TIERED_STORAGE', 'out-of-range'],
  [110, 'FENCED_MEMBER_EPOCH', 'fenced'],
  [111, 'UNRELEASED_INSTANCE_ID', 'fatal'],
  [112, 'UNSUPPORTED_ASSIGNOR', 'fatal'],
  [113, 'STALE_MEMBER_EPOCH', 'retry'],
  [114, 'MISMATCHED_ENDPOINT_TYPE', 'fatal'],
  [115, 'UNSUPPORTED_ENDPOINT_TYPE', 'fatal'],
  [116, 'UNKNOWN_CONTROLLER_ID', 'fatal'],
  [117, 'UNKNOWN_SUBSCRIPTION_ID', 'fatal'],
  [118, 'TELEMETRY_TOO_LARGE', 'fatal'],
  [119, 'INVALID_REGISTRATION', 'fatal'],
  [120, 'TRANSACTION_ABORTABLE', 'fatal'],
  [121, 'INVALID_RECORD_STATE', 'fatal'],
  [122, 'SHARE_SESSION_NOT_FOUND', 'retry'],
  [123, 'INVALID_SHARE_SESSION_EPOCH', 'retry'],
  [124, 'FENCED_STATE_EPOCH', 'fenced'],
  [125, 'INVALID_VOTER_KEY', 'fatal'],
  [126, 'DUPLICATE_VOTER', 'fatal'],
  [127, 'VOTER_NOT_FOUND', 'fatal'],
  [128, 'INVALID_REGULAR_EXPRESSION', 'fatal'],
  [129, 'REBOOTSTRAP_REQUIRED', 'refresh-metadata'],
  [130, 'STREAMS_INVALID_TOPOLOGY', 'fatal'],
  [131, 'STREAMS_INVALID_TOPOLOGY_EPOCH', 'fatal'],
  [132, 'STREAMS_TOPOLOGY_FENCED', 'fenced'],
  [133, 'SHARE_SESSION_LIMIT_REACHED', 'retry'],
]

const byCode: ReadonlyMap<number, ApiError> = new Map(
  TABLE.map(([code, name, kind]) => [code, Object.freeze({ code, name, class: kind })]),
)

/** A code this table does not know is `fatal`, as for Kafka's own clients (they take it for UNKNOWN_SERVER_ERROR). */
export function classify(code: number): ApiError {
  return byCode.get(code) ?? { code, name: `UNKNOWN_CODE_${code}`, class: 'fatal' }
}

/** Whether asking again, after what the class demands, may succeed. */
export function isRetriable(kind: ErrorClass): boolean {
  return (
    kind === 'retry' || kind === 'refresh-metadata' || kind === 'refresh-coordinator' || kind === 'throttle'
  )
}

export function knownApiErrors(): readonly ApiError[] {
  return [...byCode.values()]
}
