import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { leastConfigs, pemDirectory, translated } from '../../../../../test/mirror/connector-configs.ts'
import { type LinkDefinition, linkDefinitionSchema } from '../../definition.ts'
import { connectorKind, translateConnector } from './connectors.ts'
import { configInfos } from './infos.ts'
import { LINK_CONNECTOR, linkConnectorConfig } from './link-connector.ts'
import { MIRUS_SOURCE } from './mirus.ts'
import { MIRROR_CHECKPOINT, MIRROR_HEARTBEAT, MIRROR_SOURCE } from './mm2.ts'

type Changes = Readonly<Record<string, string | undefined>>

function definedBy(connector: string, changes: Changes): LinkDefinition {
  const { definition, problems } = translated(connector, changes)
  assert.deepEqual(problems, [])
  return definition!
}

function problemsOf(connector: string, changes: Changes): string {
  const { definition, problems } = translated(connector, changes)
  assert.equal(definition, undefined)
  return problems.map(({ key, message }) => `${key}: ${message}`).join('\n')
}

const pem = (label: string): string => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`

describe('Mirus', () => {
  test('the quick start of its README makes a link', () => {
    const { definition, problems, config } = translateConnector(
      connectorKind('com.salesforce.mirus.MirusSourceConnector')!,
      quickStart,
      { pemDirectory, defaultTarget: null, trusted: true },
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(definition, {
      ...linkDefinitionSchema.parse({
        name: 'mirus-quickstart-source',
        source: { bootstrap: ['localhost:9092'], tls: null },
        target: { bootstrap: ['localhost:9092'], tls: null },
        topics: { include: ['test'] },
        rename: { suffix: '.mirror' },
      }),
      // It checks that test.mirror is there.
      onMissingTopic: 'wait',
    })
    assert.deepEqual(config, quickStart)
  })

  test('the destination takes over from the source what it does not say itself', () => {
    const { target } = definedBy(MIRUS_SOURCE, {
      'consumer.security.protocol': 'SSL',
      'consumer.ssl.truststore.type': 'PEM',
      'consumer.ssl.truststore.location': '/ca.pem',
      'consumer.ssl.keystore.type': 'PEM',
      'consumer.ssl.keystore.location': '/source.pem',
      'destination.consumer.ssl.keystore.location': '/target.pem',
    })
    assert.deepEqual(target, {
      bootstrap: ['b:9092'],
      tls: { ca: '/ca.pem', cert: '/target.pem', key: '/target.pem' },
    })
  })

  test('without a destination, the copies go to the cluster this server was given for that', () => {
    const { 'destination.consumer.bootstrap.servers': _, ...config } = leastConfigs[MIRUS_SOURCE]!
    const kind = connectorKind(MIRUS_SOURCE)!
    const { definition } = translateConnector(kind, config, {
      pemDirectory,
      defaultTarget: { cluster: 'hub' },
      trusted: true,
    })
    assert.deepEqual(definition!.target, { cluster: 'hub' })
  })

  test('asks for topics, whichever way they are chosen', () => {
    assert.match(
      problemsOf(MIRUS_SOURCE, { 'topics.whitelist': '' }),
      /^topics.whitelist: no topics are named/,
    )
    const { topics } = definedBy(MIRUS_SOURCE, { 'topics.whitelist': undefined, 'topics.regex': 'a.*' })
    assert.deepEqual(topics.include, ['a*'])
  })
})

const quickStart = {
  name: 'mirus-quickstart-source',
  'connector.class': 'com.salesforce.mirus.MirusSourceConnector',
  'tasks.max': '5',
  'topics.whitelist': 'test',
  'destination.topic.name.suffix': '.mirror',
  'destination.consumer.bootstrap.servers': 'localhost:9092',
  'consumer.bootstrap.servers': 'localhost:9092',
  'consumer.client.id': 'mirus-quickstart',
  'consumer.key.deserializer': 'org.apache.kafka.common.serialization.ByteArrayDeserializer',
  'consumer.value.deserializer': 'org.apache.kafka.common.serialization.ByteArrayDeserializer',
}

describe('MirrorMaker 2', () => {
  test('its own example for Connect, with the keys of all three connectors, makes a link', () => {
    const definition = definedBy(MIRROR_SOURCE, {
      'replication.factor': '1',
      'source.cluster.alias': 'backup',
      'target.cluster.alias': 'primary',
      topics: '.*test-topic-.*',
      groups: 'consumer-group-.*',
      'emit.checkpoints.interval.seconds': '1',
      'emit.heartbeats.interval.seconds': '1',
      'sync.topic.acls.enabled': 'false',
    })
    assert.deepEqual(definition.topics.include, ['*test-topic-*'])
    assert.deepEqual(definition.rename, { prefix: 'backup.', suffix: '' })
    assert.equal(definition.replicationFactor, 1)
  })

  test('never copies back what came from the target, nor anybody’s internal topics', () => {
    const { topics } = definedBy(MIRROR_SOURCE, { topics: '.*' })
    const isCopied = (topic: string): boolean =>
      topics.include.some(pattern => matches(pattern, topic)) &&
      !topics.exclude.some(pattern => matches(pattern, topic))
    assert.deepEqual(
      ['orders', 'c.orders', 'b', 'xb.orders', 'heartbeats', 'c.heartbeats'].filter(
        topic => !isCopied(topic),
      ),
      [],
    )
    assert.deepEqual(
      [
        'b.orders',
        'c.b.orders',
        'mm2-offset-syncs.b.internal',
        'x.replica',
        '__consumer_offsets',
        'x-internal',
      ].filter(isCopied),
      [],
    )
  })

  test('settings of a client win by how close they are to it, as in MirrorMaker', () => {
    const { source, target } = definedBy(MIRROR_SOURCE, {
      'consumer.bootstrap.servers': 'c:1',
      'source.consumer.bootstrap.servers': 's:1',
      'admin.bootstrap.servers': 'x:1',
      'producer.bootstrap.servers': 'p:1',
      'producer.override.bootstrap.servers': 'o:1',
    })
    assert.deepEqual(
      [source, target],
      [
        { bootstrap: ['s:1'], tls: null },
        { bootstrap: ['o:1'], tls: null },
      ],
    )
  })

  for (const connector of [MIRROR_CHECKPOINT, MIRROR_HEARTBEAT])
    test(`has nothing to run for ${connector.split('.').at(-1)}, and says what to do instead`, () => {
      const changes = { 'connector.class': connector, topics: undefined }
      assert.match(
        problemsOf(MIRROR_SOURCE, changes),
        /^connector.class: .+ is refused: .+ Leave the connector out/,
      )
    })
})

function matches(pattern: string, topic: string): boolean {
  const isRegex = pattern.startsWith('/')
  const body = isRegex ? pattern.slice(1, -1) : pattern.replaceAll('.', '\\.').replaceAll('*', '.*')
  return new RegExp(`^(?:${body})$`).test(topic)
}

describe('certificates', () => {
  const stores = {
    'source.cluster.security.protocol': 'SSL',
    'source.cluster.ssl.truststore.type': 'PEM',
    'source.cluster.ssl.truststore.location': '/ca.pem',
    'source.cluster.ssl.keystore.type': 'PEM',
    'source.cluster.ssl.keystore.location': '/me.pem',
  }
  const inline = {
    ...stores,
    'source.cluster.ssl.keystore.type': undefined,
    'source.cluster.ssl.keystore.location': undefined,
    'source.cluster.ssl.keystore.key': pem('PRIVATE KEY'),
    'source.cluster.ssl.keystore.certificate.chain': pem('CERTIFICATE'),
  }

  test('a key given as text becomes a file, and the configuration that is kept holds its path alone', () => {
    const { definition, files, config } = translated(LINK_CONNECTOR, inline)
    assert.equal(files.length, 1)
    assert.equal(files[0]!.text, pem('PRIVATE KEY') + pem('CERTIFICATE'))
    assert.ok(files[0]!.path.startsWith(`${pemDirectory}/`))
    assert.ok(!JSON.stringify(config).includes('PRIVATE'))
    const again = translated(LINK_CONNECTOR, { ...inline, ...removed(inline), ...config })
    assert.deepEqual(again.definition, definition)
    assert.deepEqual(again.files, [])
    assert.deepEqual(again.config, config)
  })

  test('a secret without effect is not kept', () => {
    const { config, problems } = translated(MIRROR_SOURCE, { 'sasl.jaas.config': 'hunter2' })
    assert.deepEqual(problems, [])
    assert.deepEqual(config, leastConfigs[MIRROR_SOURCE])
  })

  const removed = (changes: Changes): Changes =>
    Object.fromEntries(Object.keys(changes).map(key => [key, undefined]))

  const wrong: readonly (readonly [what: string, changes: Changes, says: RegExp])[] = [
    [
      'a JKS trust store',
      {
        ...stores,
        'source.cluster.ssl.truststore.type': undefined,
        'source.cluster.ssl.truststore.location': "/it's.jks",
      },
      /truststore.location: .*keytool -list -rfc -keystore '\/it'\\''s.jks' > store.pem; then set ssl.truststore.type=PEM/,
    ],
    [
      'a JKS key store',
      { ...stores, 'source.cluster.ssl.keystore.type': 'JKS' },
      /keystore.type: .*keytool -importkeystore -srckeystore '\/me.pem' .*openssl pkcs12/,
    ],
    [
      'a PKCS12 key store',
      { ...stores, 'source.cluster.ssl.keystore.type': 'PKCS12' },
      /openssl pkcs12 -in '\/me.pem' -nodes -out store.pem && chmod 600/,
    ],
    [
      'another store',
      { ...stores, 'source.cluster.ssl.keystore.type': 'BCFKS' },
      /"BCFKS" is none of PEM, JKS/,
    ],
    [
      'a relative path',
      { ...stores, 'source.cluster.ssl.keystore.location': 'me.pem' },
      /keystore.location: must be an absolute path/,
    ],
    [
      'SSL without stores',
      { 'source.cluster.security.protocol': 'SSL' },
      /truststore.location: must be given with SSL[\s\S]*keystore.location: must be given with SSL/,
    ],
    [
      'SASL',
      { 'source.cluster.security.protocol': 'SASL_SSL', 'source.cluster.sasl.jaas.config': 'secret' },
      /security.protocol: SASL_SSL is refused. A link shows who it is by a certificate/,
    ],
    ['nonsense', { 'source.cluster.security.protocol': 'TLS' }, /"TLS" is none of PLAINTEXT, SSL/],
    [
      'an encrypted key',
      { ...inline, 'source.cluster.ssl.keystore.key': pem('ENCRYPTED PRIVATE KEY') },
      /keystore.key: the private key is encrypted. Decrypt it: openssl pkey/,
    ],
    [
      'a key without a chain',
      { ...inline, 'source.cluster.ssl.keystore.certificate.chain': undefined },
      /certificate.chain: must hold a PEM certificate/,
    ],
    [
      'no key at all',
      { ...inline, 'source.cluster.ssl.keystore.key': 'x' },
      /keystore.key: must hold one PEM private key/,
    ],
    [
      'a trust store that holds none',
      { ...stores, 'source.cluster.ssl.truststore.certificates': 'x' },
      /truststore.certificates: holds no PEM certificate/,
    ],
  ]
  for (const [what, changes, says] of wrong)
    test(`${what} is told with what to do, and never with what is secret`, () => {
      const told = problemsOf(LINK_CONNECTOR, changes)
      assert.match(told, says)
      assert.ok(!told.includes('AAAA') && !told.includes('secret'))
    })
})

describe('transforms', () => {
  const router = (regex: string, replacement: string): Changes => ({
    transforms: 'r',
    'transforms.r.type': 'org.apache.kafka.connect.transforms.RegexRouter',
    'transforms.r.regex': regex,
    'transforms.r.replacement': replacement,
  })
  const renames: readonly (readonly [regex: string, replacement: string, prefix: string, suffix: string])[] =
    [
      ['(.*)', '$1.mirror', '', '.mirror'],
      ['.*', 'dr-$0', 'dr-', ''],
      ['^(.+)$', 'a.$1_b', 'a.', '_b'],
      ['(.*)', 'x\\.$0', 'x.', ''],
    ]
  for (const [regex, replacement, prefix, suffix] of renames)
    test(`RegexRouter ${regex} → ${replacement} is a prefix and a suffix`, () => {
      assert.deepEqual(definedBy(MIRUS_SOURCE, router(regex, replacement)).rename, { prefix, suffix })
    })

  test('what comes later sees the name that came out before', () => {
    const { rename } = definedBy(MIRUS_SOURCE, {
      ...router('.*', 'b.$0.b'),
      transforms: 'q,r',
      'transforms.q.type': 'RegexRouter',
      'transforms.q.regex': '.*',
      'transforms.q.replacement': 'a.$0.a',
      'destination.topic.name.prefix': 'm.',
      'destination.topic.name.suffix': '.m',
    })
    assert.deepEqual(rename, { prefix: 'b.a.m.', suffix: '.m.a.b' })
  })

  const refused: readonly (readonly [what: string, changes: Changes, says: RegExp])[] = [
    [
      'a router for some topics',
      router('logs\\.(.*)', '$1'),
      /transforms.r.regex: is refused: every copy is named/,
    ],
    ['a router that cuts', router('(.)(.*)', '$2'), /transforms.r.regex: is refused/],
    ['a router to one name', router('.*', 'all'), /transforms.r.replacement: is refused/],
    ['a group there is not', router('.*', '$1'), /transforms.r.replacement: is refused: .* as \$0/],
    ['a named group', router('(?<x>.*)', `\${x}`), /transforms.r.regex: is refused/],
    [
      'a router without replacement',
      { ...router('.*', ''), 'transforms.r.replacement': undefined },
      /replacement: must be given/,
    ],
    [
      'a router with a predicate',
      { ...router('.*', '$0'), 'transforms.r.predicate': 'p' },
      /predicate: is refused: all records/,
    ],
    [
      'another router',
      { ...router('', ''), 'transforms.r.type': 'org.apache.kafka.connect.transforms.TimestampRouter' },
      /one prefix and one suffix, which RegexRouter can say/,
    ],
    [
      'a mask',
      { ...router('', ''), 'transforms.r.type': 'org.apache.kafka.connect.transforms.MaskField$Value' },
      /it changes fields/,
    ],
    [
      'headers',
      { ...router('', ''), 'transforms.r.type': 'org.apache.kafka.connect.transforms.InsertHeader' },
      /it changes headers.*with Filter/,
    ],
    [
      'one’s own',
      { ...router('', ''), 'transforms.r.type': 'com.acme.Mine' },
      /no foreign code runs in a link/,
    ],
    ['one without a type', { transforms: 'x' }, /transforms.x.type: must be given/],
    [
      'a misspelt alias',
      { ...router('.*', '$0'), 'transforms.rr.regex': 'x' },
      /transforms.rr.regex: `transforms` names no such alias/,
    ],
    [
      'a filter of everything',
      { transforms: 'f', 'transforms.f.type': 'Filter' },
      /predicate: must be given: without one, no record/,
    ],
    [
      'a filter by an unknown predicate',
      { transforms: 'f', 'transforms.f.type': 'Filter', 'transforms.f.predicate': 'p' },
      /`predicates` names no "p"/,
    ],
    [
      'a filter by tombstones',
      {
        transforms: 'f',
        'transforms.f.type': 'Filter',
        'transforms.f.predicate': 'p',
        predicates: 'p',
        'predicates.p.type': 'RecordIsTombstone',
      },
      /predicates.p.type: "RecordIsTombstone" is refused/,
    ],
  ]
  for (const [what, changes, says] of refused)
    test(`${what} is refused by name`, () => assert.match(problemsOf(MIRUS_SOURCE, changes), says))
})

describe('what is wrong with a configuration', () => {
  const wrong: readonly (readonly [what: string, connector: string, changes: Changes, says: RegExp])[] = [
    [
      'a misspelt key',
      MIRUS_SOURCE,
      { 'topics.whitelst': 'x' },
      /^topics.whitelst: is no key of this connector; topics.whitelist is/,
    ],
    [
      'a misspelt client setting',
      MIRUS_SOURCE,
      { 'consumer.max.pol.records': '1' },
      /consumer.max.poll.records is, if that/,
    ],
    ['a key of nothing', MIRROR_SOURCE, { zzzzzz: '1' }, /^zzzzzz: is no key of this connector$/],
    ['no number', MIRROR_SOURCE, { 'tasks.max': 'x' }, /^tasks.max: "x" is not a whole number$/],
    [
      'a number too large',
      MIRROR_SOURCE,
      { 'tasks.max': '3000000000' },
      /^tasks.max: "3000000000" does not fit into 32 bits$/,
    ],
    ['a number too small', MIRROR_SOURCE, { 'tasks.max': '0' }, /^tasks.max: 0 is less than 1$/],
    [
      'no boolean',
      MIRUS_SOURCE,
      { 'enable.destination.topic.checking': 'ja' },
      /"ja" is neither true nor false/,
    ],
    ['no double', MIRROR_SOURCE, { 'sasl.kerberos.ticket.renew.jitter': 'x' }, /"x" is not a number/],
    [
      'a provider',
      MIRROR_SOURCE,
      { topics: `\${file:/x:topics}` },
      /topics: refers to a configuration provider/,
    ],
    ['a name no link can have', MIRROR_SOURCE, { name: 'x/y' }, /^name: letters, digits, dots/],
    ['an empty name', MIRROR_SOURCE, { name: ' ' }, /^name: must not be empty$/],
    [
      'no address',
      MIRROR_SOURCE,
      { 'source.cluster.bootstrap.servers': 'a' },
      /source.cluster.bootstrap.servers: "a" is not host:port/,
    ],
    [
      'no port',
      MIRROR_SOURCE,
      { 'source.cluster.bootstrap.servers': 'a:99999' },
      /"a:99999" is not host:port/,
    ],
    [
      'two sources',
      MIRROR_SOURCE,
      { 'ajna.source.cluster': 'edge' },
      /ajna.source.cluster: names the source a second time, besides source.cluster.bootstrap.servers/,
    ],
    [
      'a principal of nowhere',
      MIRROR_SOURCE,
      { 'ajna.source.principal': 'me' },
      /ajna.source.principal: needs ajna.source.cluster/,
    ],
    [
      'a malformed expression',
      MIRROR_SOURCE,
      { topics: '(a' },
      /topics: "\(a": at character 3: a group that is not closed/,
    ],
    [
      'a topic nobody can have',
      MIRUS_SOURCE,
      { 'topics.whitelist': 'a b' },
      /"a b" cannot be a topic’s name/,
    ],
    ['headers that are no JSON', MIRUS_SOURCE, { 'ajna.headers': '{' }, /ajna.headers: is no JSON list/],
    ['more fields that are no JSON', MIRUS_SOURCE, { 'ajna.more': '[]' }, /ajna.more: is no JSON object/],
    ['a field that is none', MIRUS_SOURCE, { 'ajna.more': '{"speed":1}' }, /ajna.more: .*speed/],
    [
      'a field with a key of its own',
      MIRUS_SOURCE,
      { 'ajna.more': '{"maxGap":1}' },
      /ajna.more: maxGap: has keys of its own/,
    ],
    ['topics that are no JSON', LINK_CONNECTOR, { topics: '[1]' }, /topics: begins like a JSON list/],
    [
      'starting at the end',
      MIRUS_SOURCE,
      { 'consumer.auto.offset.reset': 'latest' },
      /"latest" is refused. A link begins at the first record.*initial_state STOPPED/,
    ],
    [
      'brokers’ default replicas',
      MIRROR_SOURCE,
      { 'replication.factor': '-1' },
      /replication.factor: the brokers’ default cannot be asked for/,
    ],
    [
      'a policy of one’s own',
      MIRROR_SOURCE,
      { 'replication.policy.class': 'com.acme.Policy' },
      /"com.acme.Policy" is none of/,
    ],
    [
      'a separator no name can have',
      MIRROR_SOURCE,
      { 'replication.policy.separator': '/' },
      /replication.policy.separator: no part of a topic’s name/,
    ],
  ]
  for (const [what, connector, changes, says] of wrong)
    test(`${what}: told under its key`, () => assert.match(problemsOf(connector, changes), says))

  test('is told as Connect tells it: per key, counted, secrets hidden', () => {
    const kind = connectorKind(MIRROR_SOURCE)!
    const config = {
      ...leastConfigs[MIRROR_SOURCE],
      'tasks.max': 'x',
      nonsense: '1',
      'source.cluster.ssl.key.password': 'hunter2',
      'source.cluster.ssl.truststore.password': 'hunter2',
    }
    const { reading, problems } = translateConnector(kind, config, {
      pemDirectory,
      defaultTarget: null,
      trusted: true,
    })
    const infos = configInfos(kind, reading, problems)
    assert.equal(infos.name, MIRROR_SOURCE)
    assert.equal(infos.error_count, 3)
    assert.deepEqual(infos.groups, [
      'Common',
      'Transforms',
      'Predicates',
      'Error Handling',
      'Topic Creation',
      'Exactly Once Support',
      'offsets.topic',
    ])
    const of = (name: string) => infos.configs.find(each => each.value.name === name)!
    assert.deepEqual(of('tasks.max').value, {
      name: 'tasks.max',
      value: null,
      recommended_values: [],
      errors: ['tasks.max: "x" is not a whole number'],
      visible: true,
    })
    assert.match(of('nonsense').value.errors[0]!, /is no key of this connector/)
    assert.equal(of('nonsense').definition.name, 'nonsense')
    assert.equal(of('topics').value.value, 'orders')
    assert.equal(of('topics.exclude').value.value, 'mm2.*\\.internal,.*\\.replica,__.*')
    assert.equal(of('source.cluster.ssl.truststore.password').value.value, '[hidden]')
    assert.ok(!JSON.stringify(infos).includes('hunter2'))
  })
})

test('any link can be written as a connector and read again', () => {
  const tls = fc.constantFrom(null, { ca: '/ca.pem', cert: '/me.pem', key: '/me.pem' })
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z]$/)
  const end = fc.oneof(
    fc.record({ cluster: name }),
    fc.record({ cluster: name, principal: name }),
    fc.record({
      bootstrap: fc.array(
        name.map(host => `${host}:9092`),
        { minLength: 1, maxLength: 3 },
      ),
      tls,
    }),
  )
  const pattern = fc.oneof(
    name,
    name.map(text => `${text}*`),
    fc.constantFrom('/a{1,2}/', '/[a-c].*/', '*'),
  )
  const definition = fc.record({
    name,
    source: end,
    target: end,
    topics: fc.record({ include: fc.array(pattern, { minLength: 1 }), exclude: fc.array(pattern) }),
    rename: fc.record({ prefix: fc.constantFrom('', 'a.'), suffix: fc.constantFrom('', '.b') }),
    replicationFactor: fc.option(fc.integer({ min: 1, max: 9 })),
    onMissingTopic: fc.constantFrom('create' as const, 'wait' as const),
    onFewerPartitions: fc.constantFrom('widen' as const, 'halt' as const),
    onLoss: fc.constantFrom('halt' as const, 'continue' as const),
    onSourceDeleted: fc.constantFrom('halt' as const, 'delete' as const),
    maxGap: fc.nat(),
    offsets: fc.constantFrom('identity' as const, 'mapped' as const),
    rate: fc.record({
      link: fc.option(fc.integer({ min: 1_024 })),
      topic: fc.option(fc.integer({ min: 1_024 })),
    }),
    headers: fc.array(
      fc.record(
        { key: fc.string(), value: fc.string(), act: fc.constantFrom('drop' as const, 'keep' as const) },
        { requiredKeys: ['key', 'act'] },
      ),
    ),
  })
  fc.assert(
    fc.property(definition, input => {
      const link = linkDefinitionSchema.parse(input)
      const config = linkConnectorConfig(link)
      const kind = connectorKind(LINK_CONNECTOR)!
      const back = translateConnector(kind, config, { pemDirectory, defaultTarget: null, trusted: true })
      assert.deepEqual(back.problems, [])
      assert.deepEqual(back.definition, link)
    }),
    { numRuns: 500 },
  )
})
