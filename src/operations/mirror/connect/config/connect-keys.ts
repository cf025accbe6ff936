import {
  atLeast,
  ignored,
  type KeyFacts,
  type KeySpec,
  oneOf,
  refused,
  type Shelf,
  understood,
} from './key.ts'

/** The keys that Connect itself gives every source connector (4.3.1). */

const BYTES = {
  because: 'Records pass as bytes, without being converted.',
  instead: 'Leave it out; convert where records are read.',
  unless: [
    'org.apache.kafka.connect.converters.ByteArrayConverter',
    'com.salesforce.mirus.ByteArrayConverter',
  ],
}
export const byteConverter = (facts: KeyFacts, shelf?: Shelf): KeySpec =>
  refused(facts, BYTES, shelf === undefined ? {} : { shelf })

const ONE_VERSION = {
  because: 'Of each plugin there is one version, that of Ajna.',
  instead: 'Leave it out.',
}
const NOTHING_SKIPPED = {
  because: 'Nothing is ever left out because it makes trouble.',
  instead: 'Leave it out; a partition in trouble halts, says why, and the others go on.',
}
const LIKE_THE_SOURCE = {
  because: 'A link creates its topics like those at the source.',
  instead: 'Leave it out; replication.factor says how many replicas they get.',
}
const NO_TRANSACTIONS = 'copies are exactly once by their positions, without transactions.'

const common = (order: number, title: string, width: Shelf['width'] = 'SHORT'): { shelf: Shelf } => ({
  shelf: { group: 'Common', order, width, title },
})
const errors = (order: number, title: string, width: Shelf['width'] = 'SHORT'): { shelf: Shelf } => ({
  shelf: { group: 'Error Handling', order, width, title },
})
const exactlyOnce = (order: number, title: string): { shelf: Shelf } => ({
  shelf: { group: 'Exactly Once Support', order, width: 'SHORT', title },
})

const caseless =
  (...allowed: readonly string[]): NonNullable<KeySpec['check']> =>
  value =>
    oneOf(...allowed)(typeof value === 'string' ? value.toLowerCase() : value)

export const connectorKeys: readonly KeySpec[] = [
  understood(['name', 'STRING', null, 'HIGH'], 'the link’s name.', {
    required: true,
    ...common(1, 'Connector name', 'MEDIUM'),
  }),
  understood(['connector.class', 'STRING', null, 'HIGH'], 'whose keys these are.', {
    required: true,
    ...common(2, 'Connector class', 'LONG'),
  }),
  refused(
    ['connector.plugin.version', 'STRING', null, 'MEDIUM'],
    ONE_VERSION,
    common(3, 'Connector version', 'MEDIUM'),
  ),
  understood(
    ['tasks.max', 'INT', '1', 'HIGH'],
    'the link’s partitions are shown as at most so many tasks. How many workers copy them does not depend on it.',
    { check: atLeast(1), ...common(4, 'Tasks max') },
  ),
  ignored(
    ['tasks.max.enforce', 'BOOLEAN', 'true', 'LOW'],
    'there are never more tasks than tasks.max.',
    common(5, 'Enforce tasks max'),
  ),
  byteConverter(['key.converter', 'CLASS', null, 'LOW'], common(6, 'Key converter class').shelf),
  refused(
    ['key.converter.plugin.version', 'STRING', null, 'LOW'],
    ONE_VERSION,
    common(7, 'Key converter version'),
  ),
  byteConverter(['value.converter', 'CLASS', null, 'LOW'], common(8, 'Value converter class').shelf),
  refused(
    ['value.converter.plugin.version', 'STRING', null, 'LOW'],
    ONE_VERSION,
    common(9, 'Value converter version'),
  ),
  byteConverter(['header.converter', 'CLASS', null, 'LOW'], common(10, 'Header converter class').shelf),
  refused(
    ['header.converter.plugin.version', 'STRING', null, 'LOW'],
    ONE_VERSION,
    common(11, 'Header converter version'),
  ),
  understood(
    ['transforms', 'LIST', '', 'LOW'],
    'RegexRouter where it gives every topic the same prefix or suffix, Filter by HasHeaderKey. Others are refused one by one.',
    { shelf: { group: 'Transforms', order: 12, width: 'LONG', title: 'Transforms' } },
  ),
  understood(['predicates', 'LIST', '', 'LOW'], 'HasHeaderKey, for Filter.', {
    shelf: { group: 'Predicates', order: 13, width: 'LONG', title: 'Predicates' },
  }),
  ignored(
    ['config.action.reload', 'STRING', 'restart', 'LOW'],
    'no values come from configuration providers.',
    { check: oneOf('none', 'restart'), ...common(14, 'Reload Action', 'MEDIUM') },
  ),
  ignored(
    ['errors.retry.timeout', 'LONG', '0', 'MEDIUM'],
    'what may pass by itself is tried for as long as it takes.',
    errors(1, 'Retry Timeout for Errors', 'MEDIUM'),
  ),
  ignored(
    ['errors.retry.delay.max.ms', 'LONG', '60000', 'MEDIUM'],
    'delays between attempts are a link’s own.',
    errors(2, 'Maximum Delay Between Retries for Errors', 'MEDIUM'),
  ),
  refused(['errors.tolerance', 'STRING', 'none', 'MEDIUM'], NOTHING_SKIPPED, errors(3, 'Error Tolerance')),
  ignored(
    ['errors.log.enable', 'BOOLEAN', 'false', 'MEDIUM'],
    'what is wrong stands in the status and in the log, with its offsets.',
    errors(4, 'Log Errors'),
  ),
  ignored(
    ['errors.log.include.messages', 'BOOLEAN', 'false', 'MEDIUM'],
    'records never go into logs.',
    errors(5, 'Log Error Details'),
  ),
]

export const sourceConnectorKeys: readonly KeySpec[] = [
  refused(['topic.creation.groups', 'LIST', '', 'LOW'], LIKE_THE_SOURCE, {
    shelf: { group: 'Topic Creation', order: 1, width: 'LONG', title: 'Topic Creation Groups' },
  }),
  understood(
    ['exactly.once.support', 'STRING', 'requested', 'MEDIUM'],
    'given in any case: every record is copied exactly once.',
    { check: caseless('requested', 'required'), ...exactlyOnce(2, 'Exactly once support') },
  ),
  ignored(['transaction.boundary', 'STRING', 'poll', 'MEDIUM'], NO_TRANSACTIONS, {
    check: caseless('poll', 'interval', 'connector'),
    ...exactlyOnce(3, 'Transaction Boundary'),
  }),
  ignored(
    ['transaction.boundary.interval.ms', 'LONG', null, 'LOW'],
    NO_TRANSACTIONS,
    exactlyOnce(4, 'Transaction boundary interval'),
  ),
  ignored(
    ['offsets.storage.topic', 'STRING', null, 'LOW'],
    'where a link stands is read off the copy itself.',
    { shelf: { group: 'offsets.topic', order: 1, width: 'LONG', title: 'Offsets topic' } },
  ),
]
