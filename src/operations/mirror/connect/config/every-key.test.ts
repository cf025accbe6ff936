import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { leastConfigs, pemDirectory, translated } from '../../../../../test/mirror/connector-configs.ts'
import { connectorKind } from './connectors.ts'
import type { KeySpec } from './key.ts'
import { LINK_CONNECTOR } from './link-connector.ts'
import { MIRUS_SOURCE } from './mirus.ts'
import { MIRROR_SOURCE } from './mm2.ts'
import { pemFile } from './pem.ts'
import type { KeyFamily } from './reading.ts'

/** Every key of every connector does what its spec says: the definition changes so, does not change, or the key is refused. */

type Changes = Readonly<Record<string, string | undefined>>

/** A value of the key's type that is not its default, where no example gives one. */
const OTHER_VALUES: Readonly<Record<string, string>> = {
  'ssl.protocol': 'TLSv1.2',
  'config.action.reload': 'none',
  'transaction.boundary': 'INTERVAL',
  'offset-syncs.topic.location': 'target',
  'replay.policy': 'FILTER',
  'isolation.level': 'read_committed',
  acks: '1',
}

function otherValue({ name, type, default: fallback }: KeySpec): string {
  const known = Object.entries(OTHER_VALUES).find(([key]) => name === key || name.endsWith(`.${key}`))
  if (known !== undefined) return known[1]
  switch (type) {
    case 'BOOLEAN':
      return fallback === 'true' ? 'false' : 'true'
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return '17'
    case 'DOUBLE':
      return '0.5'
    default:
      return 'some.other.Thing'
  }
}

/** What a key that is understood makes of the least configuration, with others that it needs. */
interface Example {
  readonly given: string
  readonly with?: Changes
  readonly gives: Readonly<Record<string, unknown>>
}

const pem = (...labels: readonly string[]): string =>
  labels.map(label => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`).join('')
const kept = (...labels: readonly string[]): string => pemFile(pemDirectory, pem(...labels)).path

function securityExamples(prefix: string, side: 'source' | 'target'): Record<string, Example> {
  const files = { ca: '/pem/ca.pem', cert: '/pem/me.pem', key: '/pem/me.pem' }
  const stores: Changes = {
    [`${prefix}security.protocol`]: 'SSL',
    [`${prefix}ssl.truststore.type`]: 'PEM',
    [`${prefix}ssl.truststore.location`]: files.ca,
    [`${prefix}ssl.keystore.type`]: 'PEM',
    [`${prefix}ssl.keystore.location`]: files.key,
  }
  const example = (given: string, tls: unknown, more: Changes = {}): Example => ({
    given,
    with: { ...stores, ...more },
    gives: { [side]: { bootstrap: [side === 'source' ? 'a:9092' : 'b:9092'], tls } },
  })
  const own = (path: string) => ({ ...files, cert: path, key: path })
  const chain = { [`${prefix}ssl.keystore.certificate.chain`]: pem('CERTIFICATE') }
  const key = { [`${prefix}ssl.keystore.key`]: pem('PRIVATE KEY') }
  return {
    [`${prefix}bootstrap.servers`]: {
      given: 'c:1, SSL://d:2',
      gives: { [side]: { bootstrap: ['c:1', 'd:2'], tls: null } },
    },
    [`${prefix}security.protocol`]: example('ssl', files),
    [`${prefix}ssl.truststore.type`]: example('pem', files),
    [`${prefix}ssl.truststore.location`]: example('/x.pem', { ...files, ca: '/x.pem' }),
    [`${prefix}ssl.keystore.type`]: example('PEM', files),
    [`${prefix}ssl.keystore.location`]: example('/x.pem', own('/x.pem')),
    [`${prefix}ssl.truststore.certificates`]: example(pem('CERTIFICATE'), {
      ...files,
      ca: kept('CERTIFICATE'),
    }),
    [`${prefix}ssl.keystore.key`]: example(
      pem('EC PRIVATE KEY'),
      own(kept('EC PRIVATE KEY', 'CERTIFICATE')),
      chain,
    ),
    [`${prefix}ssl.keystore.certificate.chain`]: example(
      pem('CERTIFICATE', 'CERTIFICATE').replaceAll('\n', ' '),
      own(kept('PRIVATE KEY', 'CERTIFICATE', 'CERTIFICATE')),
      key,
    ),
  }
}

const fleetEnd = (side: 'source' | 'target', key: string): Record<string, Example> => {
  const without = { [key]: undefined }
  return {
    [`ajna.${side}.cluster`]: { given: 'hub', with: without, gives: { [side]: { cluster: 'hub' } } },
    [`ajna.${side}.principal`]: {
      given: 'me',
      with: { ...without, [`ajna.${side}.cluster`]: 'hub' },
      gives: { [side]: { cluster: 'hub', principal: 'me' } },
    },
  }
}

const router = { 'transforms.r.type': 'RegexRouter', 'transforms.r.regex': '(.*)' }
const filter = {
  transforms: 'f',
  'transforms.f.type': 'org.apache.kafka.connect.transforms.Filter',
  'transforms.f.predicate': 'p',
  'predicates.p.type': 'HasHeaderKey',
  'predicates.p.name': 'test',
}
const dropped = { headers: [{ key: 'test', act: 'drop' }] }

/** The same for all connectors. */
const sharedExamples: Record<string, Example> = {
  name: { given: 'other', gives: { name: 'other' } },
  'tasks.max': { given: '4', gives: {} },
  'exactly.once.support': { given: 'REQUIRED', gives: {} },
  transforms: {
    given: 'r',
    with: { ...router, 'transforms.r.replacement': '$1.copy' },
    gives: {},
  },
  predicates: { given: 'p', with: filter, gives: dropped },
  'ajna.offsets': { given: 'mapped', gives: { offsets: 'mapped' } },
  'ajna.on.loss': { given: 'continue', gives: { onLoss: 'continue' } },
  'ajna.on.source.deleted': { given: 'delete', gives: { onSourceDeleted: 'delete' } },
  'ajna.on.fewer.partitions': { given: 'halt', gives: { onFewerPartitions: 'halt' } },
  'ajna.on.missing.topic': { given: 'wait', gives: { onMissingTopic: 'wait' } },
  'ajna.max.gap': { given: '5', gives: { maxGap: 5 } },
  'ajna.rate.link': { given: '1048576', gives: { rate: { link: 1_048_576, topic: null } } },
  'ajna.rate.topic': { given: '2048', gives: { rate: { link: null, topic: 2_048 } } },
  'ajna.more': { given: '{}', gives: {} },
  'ajna.headers': {
    given: '[{"key":"k","value":"v","act":"keep"}]',
    gives: { headers: [{ key: 'k', value: 'v', act: 'keep' }] },
  },
}

const renamed = (prefix: string, suffix: string) => ({ rename: { prefix, suffix } })
const nothing = { include: [], exclude: [] }
const allNames = { include: ['*'], exclude: [] }
const mm2Groups = (include: string[]) => ({ include, exclude: ['console-consumer-*', 'connect-*', '__*'] })
const keeps = (more: object) => ({
  keep: {
    acls: nothing,
    quotas: nothing,
    groups: nothing,
    foreignPositions: 'leave',
    everyMs: 5_000,
    ...more,
  },
})
const mm2Internals = ['__*', '.*', '*.internal', '*-internal']
const mm2Excluded = ['mm2*.internal', '*.replica', '__*', '.*', '*.internal', '*-internal']

const examples: Readonly<Record<string, Record<string, Example>>> = {
  [LINK_CONNECTOR]: {
    ...sharedExamples,
    'connector.class': { given: 'LinkConnector', gives: {} },
    topics: {
      given: '["a,b","/x{1,2}/"]',
      gives: { topics: { include: ['a,b', '/x{1,2}/'], exclude: [] } },
    },
    'topics.exclude': { given: 'x, y*', gives: { topics: { include: ['orders'], exclude: ['x', 'y*'] } } },
    'rename.prefix': { given: 'p.', gives: renamed('p.', '') },
    'rename.suffix': { given: '.s', gives: renamed('', '.s') },
    'replication.factor': { given: '3', gives: { replicationFactor: 3 } },
    ...securityExamples('source.cluster.', 'source'),
    ...securityExamples('target.cluster.', 'target'),
    ...fleetEnd('source', 'source.cluster.bootstrap.servers'),
    ...fleetEnd('target', 'target.cluster.bootstrap.servers'),
  },
  [MIRUS_SOURCE]: {
    ...sharedExamples,
    'connector.class': { given: 'MirusSource', gives: {} },
    'topics.whitelist': { given: 'a, b', gives: { topics: { include: ['a', 'b'], exclude: [] } } },
    'topics.regex': {
      given: 'logs\\.(a|b)',
      gives: { topics: { include: ['orders', '/logs\\.(?:a|b)/'], exclude: [] } },
    },
    'topics.regex.list': {
      given: '^x.*, y',
      gives: { topics: { include: ['orders', 'x*', 'y'], exclude: [] } },
    },
    'destination.topic.name.prefix': { given: 'p.', gives: renamed('p.', '') },
    'destination.topic.name.suffix': { given: '.s', gives: renamed('', '.s') },
    'enable.destination.topic.checking': { given: 'false', gives: { onMissingTopic: 'create' } },
    'destination.bootstrap.servers': {
      given: 'c:1',
      with: { 'destination.consumer.bootstrap.servers': undefined },
      gives: { target: { bootstrap: ['c:1'], tls: null } },
    },
    ...securityExamples('consumer.', 'source'),
    // The destination takes over what the source says; a test of its own shows that.
    ...Object.fromEntries(
      Object.entries(securityExamples('consumer.', 'source')).map(([key, example]) => [
        key,
        { ...example, gives: { source: example.gives['source'] } },
      ]),
    ),
    ...securityExamples('destination.consumer.', 'target'),
    ...securityExamples('producer.override.', 'target'),
    ...securityExamples('admin.override.', 'target'),
    ...fleetEnd('source', 'consumer.bootstrap.servers'),
    ...fleetEnd('target', 'destination.consumer.bootstrap.servers'),
  },
  [MIRROR_SOURCE]: {
    ...sharedExamples,
    'connector.class': { given: 'MirrorSourceConnector', gives: {} },
    topics: {
      given: 'a, b.*',
      gives: { topics: { include: ['a', 'b*'], exclude: [...mm2Excluded, 'b.*', '*.b.*'] } },
    },
    'topics.exclude': {
      given: 'x\\.y',
      gives: { topics: { include: ['orders'], exclude: ['x.y', ...mm2Internals, 'b.*', '*.b.*'] } },
    },
    'source.cluster.alias': { given: 'west', gives: renamed('west.', '') },
    'target.cluster.alias': {
      given: 'east',
      gives: {
        topics: {
          include: ['orders'],
          exclude: [...mm2Excluded, 'east.*', '*.east.*'],
        },
      },
    },
    'replication.policy.class': {
      given: 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
      gives: {
        ...renamed('', ''),
        topics: { include: ['orders'], exclude: [...mm2Excluded, 'heartbeats'] },
      },
    },
    'replication.policy.separator': {
      given: '_',
      gives: {
        ...renamed('a_', ''),
        topics: {
          include: ['orders'],
          exclude: [...mm2Excluded, '*_internal', 'b_*', '*_b_*'],
        },
      },
    },
    'replication.factor': { given: '3', gives: { replicationFactor: 3 } },
    'sync.topic.acls.enabled': { given: 'true', gives: keeps({ acls: allNames }) },
    'sync.topic.acls.interval.seconds': {
      given: '30',
      with: { 'sync.topic.acls.enabled': 'true' },
      gives: keeps({ acls: allNames, everyMs: 30_000 }),
    },
    'sync.group.offsets.enabled': {
      given: 'true',
      gives: keeps({ groups: mm2Groups(['*']), foreignPositions: 'advance' }),
    },
    'sync.group.offsets.interval.seconds': {
      given: '10',
      with: {
        'sync.group.offsets.enabled': 'true',
        'sync.topic.acls.enabled': 'true',
        'sync.topic.acls.interval.seconds': '600',
      },
      gives: keeps({
        acls: allNames,
        groups: mm2Groups(['*']),
        foreignPositions: 'advance',
        everyMs: 10_000,
      }),
    },
    groups: {
      given: 'app-.*, a b',
      with: { 'sync.group.offsets.enabled': 'true' },
      gives: keeps({ groups: mm2Groups(['app-*', '/a\\ b/']), foreignPositions: 'advance' }),
    },
    'groups.exclude': {
      given: 'x',
      with: { 'sync.group.offsets.enabled': 'true' },
      gives: keeps({ groups: { include: ['*'], exclude: ['x'] }, foreignPositions: 'advance' }),
    },
    ...securityExamples('source.cluster.', 'source'),
    ...securityExamples('consumer.', 'source'),
    ...securityExamples('source.consumer.', 'source'),
    ...securityExamples('target.cluster.', 'target'),
    ...securityExamples('admin.', 'target'),
    ...securityExamples('target.admin.', 'target'),
    ...securityExamples('producer.', 'target'),
    ...securityExamples('target.producer.', 'target'),
    ...securityExamples('producer.override.', 'target'),
    ...fleetEnd('source', 'source.cluster.bootstrap.servers'),
    ...fleetEnd('target', 'target.cluster.bootstrap.servers'),
  },
}

const transformExamples: Record<string, Example> = {
  'transforms.r.type': {
    given: 'RegexRouter',
    with: { transforms: 'r', ...router, 'transforms.r.replacement': '$0' },
    gives: {},
  },
  'transforms.r.regex': {
    given: '^.+$',
    with: { transforms: 'r', ...router, 'transforms.r.replacement': '$0' },
    gives: {},
  },
  'transforms.r.replacement': { given: '$1', with: { transforms: 'r', ...router }, gives: {} },
  'transforms.f.predicate': { given: 'p', with: { predicates: 'p', ...filter }, gives: dropped },
  'transforms.f.negate': {
    given: 'true',
    with: { predicates: 'p', ...filter },
    gives: { headers: [{ key: 'test', act: 'keep' }] },
  },
  'predicates.p.type': { given: 'HasHeaderKey', with: { predicates: 'p', ...filter }, gives: dropped },
  'predicates.p.name': {
    given: 'x',
    with: { predicates: 'p', ...filter },
    gives: { headers: [{ key: 'x', act: 'drop' }] },
  },
}

/** Prefixes of clients that a link does not have: keys are known, and nothing follows. */
const WITHOUT_EFFECT: Readonly<Record<string, readonly string[]>> = {
  [MIRROR_SOURCE]: ['target.consumer.', 'source.producer.', 'source.admin.', 'admin.override.'],
}

/** Every key a table knows, with the spec it is judged by. */
function everyKey(connector: string): readonly KeySpec[] {
  const { keys, also, families } = connectorKind(connector)!.table
  const inFamilies = families.flatMap(({ prefix, names, find }: KeyFamily) =>
    names.map(rest => ({ ...find(rest)!, name: prefix + rest, required: false })),
  )
  return [...keys, ...also, ...inFamilies]
}

for (const [connector, ofConnector] of Object.entries(examples))
  describe(connector, () => {
    const plain = translated(connector).definition
    const known = { ...ofConnector, ...transformExamples }

    const keys = everyKey(connector)
    const idle = ({ name }: KeySpec): boolean =>
      WITHOUT_EFFECT[connector]?.some(prefix => name.startsWith(prefix)) ?? false
    const ofFate = (wanted: KeySpec['fate']['kind']): readonly KeySpec[] =>
      keys.filter(spec => {
        const { kind } = spec.fate
        return wanted === (kind === 'understood' && idle(spec) ? 'ignored' : kind)
      })

    const ignored = ofFate('ignored')
    test(`${ignored.length} keys are accepted and have no effect`, () => {
      for (const spec of ignored) {
        const { definition, problems } = translated(connector, { [spec.name]: otherValue(spec) })
        assert.deepEqual(problems, [], spec.name)
        assert.deepEqual(definition, plain, spec.name)
      }
    })

    const refused = ofFate('refused')
    test(`${refused.length} keys are refused with the reason and what to do, unless they ask for what is done anyway`, () => {
      for (const spec of refused) {
        const { definition, problems } = translated(connector, { [spec.name]: otherValue(spec) })
        assert.equal(definition, undefined, spec.name)
        assert.deepEqual(
          problems.map(({ key }) => key),
          [spec.name],
        )
        assert.match(problems[0]!.message, / is refused\. .+\. .+/)
        const { unless } = spec.fate as Extract<KeySpec['fate'], { kind: 'refused' }>
        for (const accepted of [...unless, ...(spec.default === null ? [] : [spec.default])])
          assert.deepEqual(
            translated(connector, { [spec.name]: accepted }).definition,
            plain,
            `${spec.name}=${accepted}`,
          )
      }
    })

    const understood = ofFate('understood')
    test(`each of ${understood.length} keys that are understood has an example below`, () => {
      const without = understood.map(({ name }) => name).filter(name => !Object.hasOwn(known, name))
      assert.deepEqual(without, [])
    })

    for (const [name, { given, with: others = {}, gives }] of Object.entries(known))
      test(`${name} = ${JSON.stringify(given).slice(0, 60)}`, () => {
        const { definition, problems } = translated(connector, { ...others, [name]: given })
        assert.deepEqual(problems, [])
        const actual = definition as unknown as Record<string, unknown>
        for (const [field, value] of Object.entries(gives)) assert.deepEqual(actual[field], value, field)
      })

    test('what must be given is asked for', () => {
      for (const key of Object.keys(leastConfigs[connector]!)) {
        if (key === 'connector.class' || key === 'target.cluster.alias') continue
        if (key === 'topics' && connector === MIRROR_SOURCE) continue
        const { problems } = translated(connector, { [key]: undefined })
        assert.deepEqual(
          problems.map(each => each.key),
          [key],
        )
      }
    })
  })
