import { byteConverter } from './connect-keys.ts'
import { ignored, type KeySpec, oneOf, understood } from './key.ts'

/** The keys of Mirus' MirusSourceConnector (0.6). */
export const mirusKeys: readonly KeySpec[] = [
  understood(['topics.whitelist', 'LIST', '', 'HIGH'], 'names of topics to copy.'),
  understood(['topics.regex', 'STRING', '', 'HIGH'], 'topics whose whole name it matches are copied.'),
  understood(
    ['topics.regex.list', 'LIST', '', 'HIGH'],
    'topics whose whole name one of them matches are copied.',
  ),
  ignored(
    ['monitor.poll.wait.ms', 'LONG', '60000', 'HIGH'],
    'new topics and partitions are taken up within seconds.',
  ),
  ignored(['poll.timeout.ms', 'LONG', '1000', 'HIGH'], 'a link waits for data by long polls of its own.'),
  understood(['destination.topic.name.prefix', 'STRING', '', 'MEDIUM'], 'prefix of the copies’ names.'),
  understood(['destination.topic.name.suffix', 'STRING', '', 'MEDIUM'], 'suffix of the copies’ names.'),
  ignored(
    ['enable.partition.matching', 'BOOLEAN', 'false', 'MEDIUM'],
    'a record always keeps its partition.',
  ),
  understood(
    ['enable.destination.topic.checking', 'BOOLEAN', 'true', 'LOW'],
    'true: a topic is copied once its copy exists, by its name there. false: the link creates the copy.',
  ),
  byteConverter([
    'source.key.converter',
    'CLASS',
    'org.apache.kafka.connect.converters.ByteArrayConverter',
    'MEDIUM',
  ]),
  byteConverter([
    'source.value.converter',
    'CLASS',
    'org.apache.kafka.connect.converters.ByteArrayConverter',
    'MEDIUM',
  ]),
  byteConverter([
    'source.header.converter',
    'CLASS',
    'org.apache.kafka.connect.converters.ByteArrayConverter',
    'MEDIUM',
  ]),
  ignored(
    ['commit.failure.restart.ms', 'LONG', '300000', 'MEDIUM'],
    'a link tries on by itself, partition by partition.',
  ),
  understood(
    ['destination.bootstrap.servers', 'STRING', '', 'HIGH'],
    'the target’s addresses, unless destination.consumer.bootstrap.servers says them.',
  ),
  ignored(['replay.policy', 'STRING', 'IGNORE', 'LOW'], 'nothing is ever copied twice.', {
    check: oneOf('IGNORE', 'FILTER'),
  }),
  ignored(['replay.window.records', 'LONG', '50000', 'LOW'], 'nothing is ever copied twice.'),
]
