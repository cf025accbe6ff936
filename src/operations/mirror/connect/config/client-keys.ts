import { ignored, type KeyFacts, type KeySpec, oneOf, refused, understood } from './key.ts'

/** The settings of Kafka's clients (4.3.1), which connectors take under prefixes such as `consumer.`, and what a link makes of them. */

export const NO_METRIC_PLUGINS = 'a link’s figures are in Ajna’s metrics, in its status and on the console.'
export const NO_TIMES = 'a link has deadlines of its own, and tries on for as long as it takes.'
const NO_SIZES = 'a link sizes its requests and buffers itself, within its bound of memory.'
const NO_GROUPS = 'a link reads by offsets; no consumer group is involved.'
const NO_COMPRESSION = 'batches pass as they are, compressed or not.'
const NO_PARTITIONER = 'a record keeps its partition.'
const NO_TRANSACTIONS = 'copies are exactly once by their positions, without transactions.'
const NO_SASL = 'it is only read with SASL, which links do not speak.'
const NO_JVM = 'it names a part of a Java runtime.'

const START = {
  because: 'A link begins at the first record there is.',
  instead: 'To begin elsewhere, create it with initial_state STOPPED, PATCH its offsets, and resume it.',
}
const DESERIALIZER = {
  because: 'Records pass as bytes.',
  instead: 'Leave it out.',
  unless: ['org.apache.kafka.common.serialization.ByteArrayDeserializer'],
}
const SERIALIZER = {
  because: 'Records pass as bytes.',
  instead: 'Leave it out.',
  unless: ['org.apache.kafka.common.serialization.ByteArraySerializer'],
}
const INTERCEPTORS = {
  because: 'No foreign code runs in a link.',
  instead: 'Leave it out; what happens to records stands in the link’s status and metrics.',
}
const JVM_CLASS = {
  because: 'No Java classes are loaded.',
  instead: 'Leave it out; TLS comes from OpenSSL.',
}
export const NO_PROVIDERS = {
  because: 'No configuration providers are loaded.',
  instead: 'Write values themselves, and name secrets by the paths of files.',
}
const CONTROLLERS = {
  because: 'A link speaks to brokers.',
  instead: 'Name them by bootstrap.servers.',
}
const PROTOCOLS = {
  because: 'A link speaks TLS 1.2 and 1.3, the newer one where both sides know it.',
  instead: 'To allow only one of them, set ssl.enabled.protocols at the brokers.',
  unless: ['TLSv1.2,TLSv1.3', 'TLSv1.3,TLSv1.2'],
}
const CIPHERS = {
  because: 'Which ciphers are used is agreed with the brokers.',
  instead: 'To allow only some, set ssl.cipher.suites at the brokers.',
}
const NAMES_CHECKED = {
  because: 'A broker is only believed when its certificate names the address it was reached by.',
  instead: 'Give the brokers certificates with their names (subject alternative names).',
  unless: ['https', 'HTTPS'],
}
const KEY_ENCRYPTED = {
  because: 'A link reads private keys that are not encrypted, from files that only its process may read.',
  instead: 'openssl pkey -in KEY.pem -out PLAIN.pem && chmod 600 PLAIN.pem, and leave the password out.',
}

export const bootstrapKey = understood(
  ['bootstrap.servers', 'LIST', null, 'HIGH'],
  'the addresses by which a link finds the cluster, host:port.',
)

export const securityKeys: readonly KeySpec[] = [
  understood(
    ['security.protocol', 'STRING', 'PLAINTEXT', 'MEDIUM'],
    'PLAINTEXT, or SSL with certificates on both sides. SASL is refused.',
  ),
  ignored(
    ['ssl.protocol', 'STRING', 'TLSv1.3', 'MEDIUM'],
    'TLS 1.2 and 1.3 are spoken, the newer one where both sides know it.',
    { check: oneOf('TLSv1.3', 'TLSv1.2', 'TLS') },
  ),
  refused(['ssl.provider', 'STRING', null, 'MEDIUM'], JVM_CLASS),
  refused(['ssl.cipher.suites', 'LIST', '', 'LOW'], CIPHERS),
  refused(['ssl.enabled.protocols', 'LIST', 'TLSv1.2,TLSv1.3', 'MEDIUM'], PROTOCOLS),
  understood(
    ['ssl.keystore.type', 'STRING', 'JKS', 'MEDIUM'],
    'PEM. Other stores are refused with the command that converts them.',
  ),
  understood(
    ['ssl.keystore.location', 'STRING', null, 'HIGH'],
    'an absolute path: a PEM file with the link’s private key (PKCS#8, not encrypted) and its certificate chain.',
  ),
  ignored(['ssl.keystore.password', 'PASSWORD', null, 'HIGH'], 'PEM files have no password of their own.'),
  refused(['ssl.key.password', 'PASSWORD', null, 'HIGH'], KEY_ENCRYPTED),
  understood(
    ['ssl.keystore.key', 'PASSWORD', null, 'HIGH'],
    'the private key as PEM text; kept in a file (0600) of this machine, never in the journal.',
  ),
  understood(
    ['ssl.keystore.certificate.chain', 'PASSWORD', null, 'HIGH'],
    'the certificate chain as PEM text; kept in a file as the key is.',
  ),
  understood(
    ['ssl.truststore.certificates', 'PASSWORD', null, 'HIGH'],
    'the certificates of who issued the brokers’, as PEM text; kept in a file as the key is.',
  ),
  understood(
    ['ssl.truststore.type', 'STRING', 'JKS', 'MEDIUM'],
    'PEM. Other stores are refused with the command that converts them.',
  ),
  understood(
    ['ssl.truststore.location', 'STRING', null, 'HIGH'],
    'an absolute path: a PEM file with the certificates of who issued the brokers’.',
  ),
  ignored(['ssl.truststore.password', 'PASSWORD', null, 'HIGH'], 'PEM files have no password of their own.'),
  ignored(['ssl.keymanager.algorithm', 'STRING', 'SunX509', 'LOW'], NO_JVM),
  ignored(['ssl.trustmanager.algorithm', 'STRING', 'PKIX', 'LOW'], NO_JVM),
  refused(['ssl.endpoint.identification.algorithm', 'STRING', 'https', 'LOW'], NAMES_CHECKED),
  ignored(['ssl.secure.random.implementation', 'STRING', null, 'LOW'], NO_JVM),
  refused(['ssl.engine.factory.class', 'CLASS', null, 'LOW'], JVM_CLASS),
  ...(
    [
      ['sasl.kerberos.service.name', 'STRING', null, 'MEDIUM'],
      ['sasl.kerberos.kinit.cmd', 'STRING', '/usr/bin/kinit', 'LOW'],
      ['sasl.kerberos.ticket.renew.window.factor', 'DOUBLE', '0.8', 'LOW'],
      ['sasl.kerberos.ticket.renew.jitter', 'DOUBLE', '0.05', 'LOW'],
      ['sasl.kerberos.min.time.before.relogin', 'LONG', '60000', 'LOW'],
      ['sasl.login.refresh.window.factor', 'DOUBLE', '0.8', 'LOW'],
      ['sasl.login.refresh.window.jitter', 'DOUBLE', '0.05', 'LOW'],
      ['sasl.login.refresh.min.period.seconds', 'SHORT', '60', 'LOW'],
      ['sasl.login.refresh.buffer.seconds', 'SHORT', '300', 'LOW'],
      ['sasl.mechanism', 'STRING', 'GSSAPI', 'MEDIUM'],
      ['sasl.jaas.config', 'PASSWORD', null, 'MEDIUM'],
      ['sasl.client.callback.handler.class', 'CLASS', null, 'MEDIUM'],
      ['sasl.login.callback.handler.class', 'CLASS', null, 'MEDIUM'],
      ['sasl.login.class', 'CLASS', null, 'MEDIUM'],
      ['sasl.login.connect.timeout.ms', 'INT', null, 'LOW'],
      ['sasl.login.read.timeout.ms', 'INT', null, 'LOW'],
      ['sasl.login.retry.backoff.max.ms', 'LONG', '10000', 'LOW'],
      ['sasl.login.retry.backoff.ms', 'LONG', '100', 'LOW'],
      [
        'sasl.oauthbearer.jwt.retriever.class',
        'CLASS',
        'org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever',
        'MEDIUM',
      ],
      [
        'sasl.oauthbearer.jwt.validator.class',
        'CLASS',
        'org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator',
        'MEDIUM',
      ],
      ['sasl.oauthbearer.scope', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.client.credentials.client.id', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.client.credentials.client.secret', 'PASSWORD', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.algorithm', 'STRING', 'RS256', 'MEDIUM'],
      ['sasl.oauthbearer.assertion.claim.aud', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.claim.exp.seconds', 'INT', '300', 'LOW'],
      ['sasl.oauthbearer.assertion.claim.iss', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.claim.jti.include', 'BOOLEAN', 'false', 'MEDIUM'],
      ['sasl.oauthbearer.assertion.claim.nbf.seconds', 'INT', '60', 'LOW'],
      ['sasl.oauthbearer.assertion.claim.sub', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.file', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.private.key.file', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.private.key.passphrase', 'PASSWORD', null, 'MEDIUM'],
      ['sasl.oauthbearer.assertion.template.file', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.scope.claim.name', 'STRING', 'scope', 'LOW'],
      ['sasl.oauthbearer.sub.claim.name', 'STRING', 'sub', 'LOW'],
      ['sasl.oauthbearer.token.endpoint.url', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.jwks.endpoint.url', 'STRING', null, 'MEDIUM'],
      ['sasl.oauthbearer.jwks.endpoint.refresh.ms', 'LONG', '3600000', 'LOW'],
      ['sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms', 'LONG', '10000', 'LOW'],
      ['sasl.oauthbearer.jwks.endpoint.retry.backoff.ms', 'LONG', '100', 'LOW'],
      ['sasl.oauthbearer.clock.skew.seconds', 'INT', '30', 'LOW'],
      ['sasl.oauthbearer.expected.audience', 'LIST', '', 'HIGH'],
      ['sasl.oauthbearer.expected.issuer', 'STRING', null, 'HIGH'],
      ['sasl.oauthbearer.header.urlencode', 'BOOLEAN', 'false', 'LOW'],
    ] satisfies KeyFacts[]
  ).map(facts => ignored(facts, NO_SASL)),
]

const consumerOnly: readonly KeySpec[] = [
  bootstrapKey,
  ignored(['client.dns.lookup', 'STRING', 'use_all_dns_ips', 'MEDIUM'], NO_TIMES),
  ignored(['group.id', 'STRING', null, 'HIGH'], NO_GROUPS),
  ignored(['group.instance.id', 'STRING', null, 'MEDIUM'], NO_GROUPS),
  ignored(['session.timeout.ms', 'INT', '45000', 'HIGH'], NO_GROUPS),
  ignored(['heartbeat.interval.ms', 'INT', '3000', 'HIGH'], NO_GROUPS),
  ignored(
    [
      'partition.assignment.strategy',
      'LIST',
      'org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor',
      'MEDIUM',
    ],
    NO_GROUPS,
  ),
  ignored(['metadata.max.age.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  ignored(['enable.auto.commit', 'BOOLEAN', 'true', 'MEDIUM'], NO_GROUPS),
  ignored(['auto.commit.interval.ms', 'INT', '5000', 'LOW'], NO_GROUPS),
  ignored(['client.id', 'STRING', '', 'LOW'], 'a link’s clients are named after the link.'),
  ignored(['client.rack', 'STRING', '', 'LOW'], 'a link reads from leaders.'),
  ignored(['max.partition.fetch.bytes', 'INT', '1048576', 'HIGH'], NO_SIZES),
  ignored(['send.buffer.bytes', 'INT', '131072', 'MEDIUM'], NO_SIZES),
  ignored(['receive.buffer.bytes', 'INT', '65536', 'MEDIUM'], NO_SIZES),
  ignored(['fetch.min.bytes', 'INT', '1', 'HIGH'], NO_SIZES),
  ignored(['fetch.max.bytes', 'INT', '52428800', 'MEDIUM'], NO_SIZES),
  ignored(['fetch.max.wait.ms', 'INT', '500', 'LOW'], NO_TIMES),
  ignored(['reconnect.backoff.ms', 'LONG', '50', 'LOW'], NO_TIMES),
  ignored(['reconnect.backoff.max.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  ignored(['retry.backoff.ms', 'LONG', '100', 'LOW'], NO_TIMES),
  ignored(['retry.backoff.max.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  ignored(['enable.metrics.push', 'BOOLEAN', 'true', 'LOW'], NO_METRIC_PLUGINS),
  refused(['auto.offset.reset', 'STRING', 'earliest', 'MEDIUM'], START),
  ignored(
    ['check.crcs', 'BOOLEAN', 'true', 'LOW'],
    'the checksum of every batch is verified on its way in and out.',
  ),
  ignored(['metrics.sample.window.ms', 'LONG', '30000', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['metrics.num.samples', 'INT', '2', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['metrics.recording.level', 'STRING', 'INFO', 'LOW'], NO_METRIC_PLUGINS),
  ignored(
    ['metric.reporters', 'LIST', 'org.apache.kafka.common.metrics.JmxReporter', 'LOW'],
    NO_METRIC_PLUGINS,
  ),
  refused(['key.deserializer', 'CLASS', null, 'HIGH'], DESERIALIZER),
  refused(['value.deserializer', 'CLASS', null, 'HIGH'], DESERIALIZER),
  ignored(['request.timeout.ms', 'INT', '30000', 'MEDIUM'], NO_TIMES),
  ignored(['default.api.timeout.ms', 'INT', '60000', 'MEDIUM'], NO_TIMES),
  ignored(['socket.connection.setup.timeout.ms', 'LONG', '10000', 'MEDIUM'], NO_TIMES),
  ignored(['socket.connection.setup.timeout.max.ms', 'LONG', '30000', 'MEDIUM'], NO_TIMES),
  ignored(['connections.max.idle.ms', 'LONG', '540000', 'MEDIUM'], NO_TIMES),
  refused(['interceptor.classes', 'LIST', '', 'LOW'], INTERCEPTORS),
  ignored(['max.poll.records', 'INT', '500', 'MEDIUM'], NO_SIZES),
  ignored(['max.poll.interval.ms', 'INT', '300000', 'MEDIUM'], NO_GROUPS),
  ignored(
    ['exclude.internal.topics', 'BOOLEAN', 'true', 'MEDIUM'],
    'what a link copies is said by its topics.',
  ),
  ignored(
    ['internal.throw.on.fetch.stable.offset.unsupported', 'BOOLEAN', 'false', 'LOW'],
    'a link always asks for the last stable offset.',
  ),
  ignored(
    ['isolation.level', 'STRING', 'read_uncommitted', 'MEDIUM'],
    'a link copies what committed readers see, never what was aborted.',
    { check: oneOf('read_committed', 'read_uncommitted') },
  ),
  ignored(
    ['allow.auto.create.topics', 'BOOLEAN', 'true', 'MEDIUM'],
    'a link creates topics on purpose or not at all.',
  ),
  ignored(['group.protocol', 'STRING', 'classic', 'HIGH'], NO_GROUPS),
  ignored(['group.remote.assignor', 'STRING', null, 'MEDIUM'], NO_GROUPS),
  refused(['security.providers', 'STRING', null, 'LOW'], JVM_CLASS),
  ignored(['metadata.recovery.strategy', 'STRING', 'rebootstrap', 'LOW'], NO_TIMES),
  ignored(['metadata.recovery.rebootstrap.trigger.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  ignored(['share.acknowledgement.mode', 'STRING', 'implicit', 'MEDIUM'], NO_GROUPS),
  ignored(['share.acquire.mode', 'STRING', 'BATCH_OPTIMIZED', 'MEDIUM'], NO_GROUPS),
  refused(['config.providers', 'LIST', '', 'LOW'], NO_PROVIDERS),
]

const producerOnly: readonly KeySpec[] = [
  bootstrapKey,
  ignored(['client.dns.lookup', 'STRING', 'use_all_dns_ips', 'MEDIUM'], NO_TIMES),
  ignored(['buffer.memory', 'LONG', '33554432', 'HIGH'], NO_SIZES),
  ignored(['retries', 'INT', '2147483647', 'HIGH'], NO_TIMES),
  ignored(
    ['acks', 'STRING', 'all', 'LOW'],
    'a link counts a batch as written when all in-sync replicas have it.',
    { check: oneOf('all', '-1', '0', '1') },
  ),
  ignored(['compression.type', 'STRING', 'none', 'HIGH'], NO_COMPRESSION),
  ignored(['compression.gzip.level', 'INT', '-1', 'MEDIUM'], NO_COMPRESSION),
  ignored(['compression.lz4.level', 'INT', '9', 'MEDIUM'], NO_COMPRESSION),
  ignored(['compression.zstd.level', 'INT', '3', 'MEDIUM'], NO_COMPRESSION),
  ignored(['batch.size', 'INT', '16384', 'MEDIUM'], NO_SIZES),
  ignored(['partitioner.adaptive.partitioning.enable', 'BOOLEAN', 'true', 'LOW'], NO_PARTITIONER),
  ignored(['partitioner.availability.timeout.ms', 'LONG', '0', 'LOW'], NO_PARTITIONER),
  ignored(['partitioner.ignore.keys', 'BOOLEAN', 'false', 'MEDIUM'], NO_PARTITIONER),
  ignored(['linger.ms', 'LONG', '5', 'MEDIUM'], NO_TIMES),
  ignored(['delivery.timeout.ms', 'INT', '120000', 'MEDIUM'], NO_TIMES),
  ignored(['client.id', 'STRING', '', 'MEDIUM'], 'a link’s clients are named after the link.'),
  ignored(['send.buffer.bytes', 'INT', '131072', 'MEDIUM'], NO_SIZES),
  ignored(['receive.buffer.bytes', 'INT', '32768', 'MEDIUM'], NO_SIZES),
  ignored(['max.request.size', 'INT', '1048576', 'MEDIUM'], NO_SIZES),
  ignored(['reconnect.backoff.ms', 'LONG', '50', 'LOW'], NO_TIMES),
  ignored(['reconnect.backoff.max.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  ignored(['retry.backoff.ms', 'LONG', '100', 'LOW'], NO_TIMES),
  ignored(['retry.backoff.max.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  ignored(['enable.metrics.push', 'BOOLEAN', 'true', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['max.block.ms', 'LONG', '60000', 'MEDIUM'], NO_TIMES),
  ignored(['request.timeout.ms', 'INT', '30000', 'MEDIUM'], NO_TIMES),
  ignored(['metadata.max.age.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  ignored(['metadata.max.idle.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  ignored(['metrics.sample.window.ms', 'LONG', '30000', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['metrics.num.samples', 'INT', '2', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['metrics.recording.level', 'STRING', 'INFO', 'LOW'], NO_METRIC_PLUGINS),
  ignored(
    ['metric.reporters', 'LIST', 'org.apache.kafka.common.metrics.JmxReporter', 'LOW'],
    NO_METRIC_PLUGINS,
  ),
  ignored(['max.in.flight.requests.per.connection', 'INT', '5', 'LOW'], NO_SIZES),
  refused(['key.serializer', 'CLASS', null, 'HIGH'], SERIALIZER),
  refused(['value.serializer', 'CLASS', null, 'HIGH'], SERIALIZER),
  ignored(['socket.connection.setup.timeout.ms', 'LONG', '10000', 'MEDIUM'], NO_TIMES),
  ignored(['socket.connection.setup.timeout.max.ms', 'LONG', '30000', 'MEDIUM'], NO_TIMES),
  ignored(['connections.max.idle.ms', 'LONG', '540000', 'MEDIUM'], NO_TIMES),
  ignored(['partitioner.class', 'CLASS', null, 'MEDIUM'], NO_PARTITIONER),
  refused(['interceptor.classes', 'LIST', '', 'LOW'], INTERCEPTORS),
  refused(['security.providers', 'STRING', null, 'LOW'], JVM_CLASS),
  ignored(['enable.idempotence', 'BOOLEAN', 'true', 'LOW'], NO_TRANSACTIONS),
  ignored(['transaction.timeout.ms', 'INT', '60000', 'LOW'], NO_TIMES),
  ignored(['transactional.id', 'STRING', null, 'LOW'], NO_TRANSACTIONS),
  ignored(['transaction.two.phase.commit.enable', 'BOOLEAN', 'false', 'LOW'], NO_TRANSACTIONS),
  ignored(['metadata.recovery.strategy', 'STRING', 'rebootstrap', 'LOW'], NO_TIMES),
  ignored(['metadata.recovery.rebootstrap.trigger.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  refused(['config.providers', 'LIST', '', 'LOW'], NO_PROVIDERS),
]

const adminOnly: readonly KeySpec[] = [
  understood(
    ['bootstrap.servers', 'LIST', '', 'HIGH'],
    'the addresses by which a link finds the cluster, host:port.',
  ),
  refused(['bootstrap.controllers', 'LIST', '', 'HIGH'], CONTROLLERS),
  ignored(['client.id', 'STRING', '', 'MEDIUM'], 'a link’s clients are named after the link.'),
  ignored(['metadata.max.age.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  ignored(['send.buffer.bytes', 'INT', '131072', 'MEDIUM'], NO_SIZES),
  ignored(['receive.buffer.bytes', 'INT', '65536', 'MEDIUM'], NO_SIZES),
  ignored(['reconnect.backoff.ms', 'LONG', '50', 'LOW'], NO_TIMES),
  ignored(['reconnect.backoff.max.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  ignored(['retry.backoff.ms', 'LONG', '100', 'LOW'], NO_TIMES),
  ignored(['retry.backoff.max.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  ignored(['enable.metrics.push', 'BOOLEAN', 'false', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['request.timeout.ms', 'INT', '30000', 'MEDIUM'], NO_TIMES),
  ignored(['socket.connection.setup.timeout.ms', 'LONG', '10000', 'MEDIUM'], NO_TIMES),
  ignored(['socket.connection.setup.timeout.max.ms', 'LONG', '30000', 'MEDIUM'], NO_TIMES),
  ignored(['connections.max.idle.ms', 'LONG', '300000', 'MEDIUM'], NO_TIMES),
  ignored(['retries', 'INT', '2147483647', 'LOW'], NO_TIMES),
  ignored(['default.api.timeout.ms', 'INT', '60000', 'MEDIUM'], NO_TIMES),
  ignored(['metrics.sample.window.ms', 'LONG', '30000', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['metrics.num.samples', 'INT', '2', 'LOW'], NO_METRIC_PLUGINS),
  ignored(
    ['metric.reporters', 'LIST', 'org.apache.kafka.common.metrics.JmxReporter', 'LOW'],
    NO_METRIC_PLUGINS,
  ),
  ignored(['metrics.recording.level', 'STRING', 'INFO', 'LOW'], NO_METRIC_PLUGINS),
  ignored(['client.dns.lookup', 'STRING', 'use_all_dns_ips', 'MEDIUM'], NO_TIMES),
  refused(['security.providers', 'STRING', null, 'LOW'], JVM_CLASS),
  ignored(['metadata.recovery.strategy', 'STRING', 'rebootstrap', 'LOW'], NO_TIMES),
  ignored(['metadata.recovery.rebootstrap.trigger.ms', 'LONG', '300000', 'LOW'], NO_TIMES),
  refused(['config.providers', 'LIST', '', 'LOW'], NO_PROVIDERS),
]

export const consumerKeys: readonly KeySpec[] = [...consumerOnly, ...securityKeys]
export const producerKeys: readonly KeySpec[] = [...producerOnly, ...securityKeys]
export const adminKeys: readonly KeySpec[] = [...adminOnly, ...securityKeys]
/** What MirrorMaker 2 takes under `source.cluster.` and `target.cluster.`. */
export const clusterKeys: readonly KeySpec[] = [bootstrapKey, ...securityKeys]
