import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { HOME_VARIABLE } from './schema.ts'
import { readSpec } from './spec.ts'

const base = `apiVersion: ajna/v1
fleet: test
sites:
  edge: {}
  hub:
clusters:
  edge:
    site: edge
    brokers: [{ id: 1, rack: a }, { id: 2, rack: b }, { id: 3, rack: c }]
  hub: { site: hub, brokers: 3, racks: [a, b, c] }
  other: { site: edge, driver: existing, bootstrap: [kafka.example:9092] }
tenants:
  platform: { description: ours }
topics:
  logs.edge: { cluster: edge, tenant: platform, retention: 4d }
  orders: { cluster: [edge, other], tenant: platform, config: { compression.type: lz4 } }
  state: { cluster: hub, tenant: platform, cleanup: compact }
principals:
  shop: { acls: [{ topic: orders, allow: [write] }], quota: { producerBytesPerSecond: 10MiB } }
  reader: { clusters: [hub], acls: [{ topic: 'logs.*', allow: [read] }, { group: reader, allow: [read] }] }
links:
  edge-to-hub: { from: edge, to: hub, topics: ['logs.*'] }
ship:
  - { site: edge, tenant: platform, topic: logs.edge, files: [/var/log/*.log] }
archive: { cluster: hub, topics: [logs.edge], objects: { driver: file } }
`

function problemsOf(text: string): string[] {
  try {
    readSpec(text, 'ajna.yaml')
  } catch (error) {
    assert.ok(isAjnaError(error, 'CONFIG_INVALID'), String(error))
    return error.message.split('\n').slice(1)
  }
  return []
}

test('the base the table below spoils is itself valid', () => assert.deepEqual(problemsOf(base), []))

test('the default fleet is valid', () => {
  const path = new URL('../../../config/two-sites.yaml', import.meta.url)
  assert.equal(readSpec(readFileSync(path, 'utf8'), 'two-sites.yaml').fleet, 'two-sites')
})

/** What is replaced in the base, by what, and every line of the error that follows. */
const wrong: readonly (readonly [string, string, ...string[]])[] = [
  [
    'archive: {',
    "notify: { webhooks: [{ url: 'https://a.example/x', secretFile: s, clusters: [egde] }, { url: 'ftp://a', secretFile: s }] }\narchive: {",
    'ajna.yaml:25:94 notify.webhooks[1].url: found "ftp://a"; allowed: an http or https URL',
  ],
  [
    'archive: {',
    "notify: { webhooks: [{ url: 'https://a.example/x', secretFile: s, clusters: [egde] }] }\narchive: {",
    'ajna.yaml:25:21 notify.webhooks: found webhooks without the topic ajna.notify.deliveries; allowed: webhooks where ajna.notify.deliveries is declared, on one cluster, as in config/two-sites.yaml',
    'ajna.yaml:25:78 notify.webhooks[0].clusters[0]: found the unknown cluster "egde"; allowed: edge, hub or other; did you mean edge?',
  ],
  [
    'apiVersion: ajna/v1',
    'apiVersion: ajna/v2',
    'ajna.yaml:1:13 apiVersion: found "ajna/v2"; allowed: ajna/v1',
  ],
  [
    'fleet: test',
    'fleet: My Fleet',
    'ajna.yaml:2:8 fleet: found "My Fleet"; allowed: a name of lower-case letters, digits and hyphens, at most 63, as in a host name',
  ],
  [
    'fleet: test',
    'flet: test',
    'ajna.yaml:1:1 fleet: found nothing; allowed: a name of lower-case letters, digits and hyphens, at most 63, as in a host name',
    'ajna.yaml:2:1 flet: found the unknown key "flet"; allowed: apiVersion, fleet, sites, clusters, tenants, topics, principals, links, ship, archive, connect, heal, mirror or notify; did you mean fleet?',
  ],
  [
    '  hub:\nclusters',
    '  hub_1:\nclusters',
    'ajna.yaml:5:3 sites.hub_1: found "hub_1"; allowed: a name of lower-case letters, digits and hyphens, at most 63, as in a host name',
  ],
  [
    'site: edge\n    brokers',
    'site: egde\n    brokers',
    'ajna.yaml:8:11 clusters.edge.site: found the unknown site "egde"; allowed: edge or hub; did you mean edge?',
  ],
  [
    '{ id: 2, rack: b }',
    '{ id: 1, rack: b }',
    'ajna.yaml:9:41 clusters.edge.brokers[1].id: found 1 a second time; allowed: each broker id once',
  ],
  [
    '{ id: 2, rack: b }',
    '{ id: 2 }',
    'ajna.yaml:9:35 clusters.edge.brokers[1].rack: found no rack; allowed: a rack for every broker or for none',
    'ajna.yaml:15:3 topics["logs.edge"].replicationFactor: found 3 replicas at cluster edge; allowed: at most 2, the number of racks: two replicas in one rack are lost together',
    'ajna.yaml:16:3 topics.orders.replicationFactor: found 3 replicas at cluster edge; allowed: at most 2, the number of racks: two replicas in one rack are lost together',
  ],
  [
    '{ id: 2, rack: b }',
    '{ id: 0, rack: b }',
    'ajna.yaml:9:41 clusters.edge.brokers[1].id: found 0; allowed: a whole number from 1 to 999',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'brokers: three, racks: [a, b, c]',
    'ajna.yaml:10:30 clusters.hub.brokers: found "three"; allowed: a whole number from 1 to 99 or a list',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'brokers: 0',
    'ajna.yaml:10:30 clusters.hub.brokers: found 0; allowed: a whole number from 1 to 99',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'brokers: 2, racks: [a, b, c]',
    'ajna.yaml:10:40 clusters.hub.racks: found 3 racks; allowed: at most 2, the number of brokers',
    'ajna.yaml:22:48 links.edge-to-hub.topics[0]: found logs.edge with 3 replicas at cluster hub; allowed: at most 2, the number of brokers',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'brokers: 3, racks: [a, b, c], version: 4.3.0',
    'ajna.yaml:10:60 clusters.hub.version: found "4.3.0"; allowed: 4.3.1, 4.2.2 or 3.9.2; did you mean 4.3.1?',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'brokers: 3, racks: [a, b, c], version: 2.8.2',
    'ajna.yaml:10:60 clusters.hub.version: found "2.8.2"; allowed: 4.3.1, 4.2.2 or 3.9.2',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'brokers: 3, racks: [a, b, c], heapMb: 64',
    'ajna.yaml:10:59 clusters.hub.heapMb: found 64; allowed: a whole number from 192 to 65,536',
  ],
  [
    'brokers: 3, racks: [a, b, c]',
    'bootstrap: [x:1]',
    'ajna.yaml:10:3 clusters.hub.brokers: found nothing; allowed: a whole number from 1 to 99 or a list',
    'ajna.yaml:10:21 clusters.hub.bootstrap: found the unknown key "bootstrap"; allowed: driver, site, tier, version, brokers, racks or heapMb',
  ],
  [
    'driver: existing',
    'driver: exsiting',
    'ajna.yaml:11:32 clusters.other.driver: found "exsiting"; allowed: local or existing; did you mean existing?',
  ],
  [
    'kafka.example:9092',
    'kafka.example',
    'ajna.yaml:11:54 clusters.other.bootstrap[0]: found "kafka.example"; allowed: an address, host:port',
  ],
  [
    'kafka.example:9092',
    'kafka.example:70000',
    'ajna.yaml:11:54 clusters.other.bootstrap[0]: found "kafka.example:70000"; allowed: an address, host:port',
  ],
  [
    '[kafka.example:9092]',
    '[kafka.example:9092, kafka.example:9092]',
    'ajna.yaml:11:74 clusters.other.bootstrap[1]: found kafka.example:9092, which is also an address of this cluster; allowed: each address once',
  ],
  [
    'logs.edge: { cluster: edge',
    'logs.edge: { cluster: egde',
    'ajna.yaml:15:25 topics["logs.edge"].cluster: found the unknown cluster "egde"; allowed: edge, hub or other; did you mean edge?',
  ],
  [
    'tenant: platform, retention: 4d',
    'tenant: plattform, retention: 4d',
    'ajna.yaml:15:39 topics["logs.edge"].tenant: found the unknown tenant "plattform"; allowed: platform',
  ],
  [
    'tenant: platform, retention: 4d',
    'retention: 4d',
    'ajna.yaml:15:3 topics["logs.edge"].tenant: found nothing; allowed: a name of lower-case letters, digits and hyphens, at most 63, as in a host name',
  ],
  [
    'retention: 4d',
    'retention: 4',
    'ajna.yaml:15:60 topics["logs.edge"].retention: found 4; allowed: a duration with its unit, such as 12h or 4d, or forever',
  ],
  [
    'retention: 4d',
    'retention: 5d',
    'ajna.yaml:15:60 topics["logs.edge"].retention: found 5d at the local cluster edge; allowed: at most 4d, or more with keptLonger saying why',
  ],
  [
    'retention: 4d',
    'retention: forever',
    'ajna.yaml:15:60 topics["logs.edge"].retention: found forever at the local cluster edge; allowed: at most 4d, or more with keptLonger saying why',
  ],
  [
    'retention: 4d',
    'partitions: 0',
    'ajna.yaml:15:61 topics["logs.edge"].partitions: found 0; allowed: a whole number from 1 to 10,000',
  ],
  [
    'retention: 4d',
    'partitions: 1.5',
    'ajna.yaml:15:61 topics["logs.edge"].partitions: found 1.5; allowed: a whole number from 1 to 10,000',
  ],
  [
    'retention: 4d',
    'partitons: 3',
    'ajna.yaml:15:49 topics["logs.edge"].partitons: found the unknown key "partitons"; allowed: cluster, tenant, partitions, replicationFactor, minInsyncReplicas, cleanup, retention, retentionSize, keptLonger or config; did you mean partitions?',
  ],
  [
    'retention: 4d',
    'replicationFactor: 4',
    'ajna.yaml:15:68 topics["logs.edge"].replicationFactor: found 4 replicas at cluster edge; allowed: at most 3, the number of brokers',
    'ajna.yaml:22:48 links.edge-to-hub.topics[0]: found logs.edge with 4 replicas at cluster hub; allowed: at most 3, the number of brokers',
  ],
  [
    'retention: 4d',
    'minInsyncReplicas: 3',
    'ajna.yaml:15:68 topics["logs.edge"].minInsyncReplicas: found 3; allowed: less than the replication factor 3: else one broker away stops every acks=all write',
  ],
  [
    'retention: 4d',
    'cleanup: purge',
    'ajna.yaml:15:58 topics["logs.edge"].cleanup: found "purge"; allowed: delete, compact or [compact, delete]',
  ],
  [
    'retention: 4d',
    'config: { retention.ms: 1 }',
    'ajna.yaml:15:59 topics["logs.edge"].config["retention.ms"]: found "retention.ms"; allowed: the topic\'s own field retention',
  ],
  [
    'retention: 4d',
    'config: { compresion.type: zstd }',
    'ajna.yaml:15:59 topics["logs.edge"].config["compresion.type"]: found the unknown setting "compresion.type"; allowed: cleanup.policy, compression.gzip.level, compression.lz4.level, compression.type, compression.zstd.level, delete.retention.ms, file.delete.delay.ms, flush.messages, flush.ms, follower.replication.throttled.replicas, index.interval.bytes, leader.replication.throttled.replicas, local.retention.bytes, local.retention.ms, max.compaction.lag.ms, max.message.bytes, message.timestamp.after.max.ms, message.timestamp.before.max.ms, message.timestamp.type, min.cleanable.dirty.ratio and 13 more; did you mean compression.type?',
  ],
  [
    'retention: 4d',
    'config: { unclean.leader.election.enable: true }',
    'ajna.yaml:15:91 topics["logs.edge"].config["unclean.leader.election.enable"]: found true; allowed: false: an unclean election discards acknowledged records without a word',
  ],
  [
    'retention: 4d',
    'config: { max.message.bytes: [1] }',
    'ajna.yaml:15:78 topics["logs.edge"].config["max.message.bytes"]: found a list; allowed: a text, a number, true or false',
  ],
  [
    'retention: 4d',
    'config: { message.timestamp.type: LogAppendTime }',
    'ajna.yaml:22:48 links.edge-to-hub.topics[0]: found logs.edge, whose message.timestamp.type is LogAppendTime; allowed: topics with CreateTime: a copy would get timestamps of its own',
  ],
  [
    '  orders:',
    '  or/ders:',
    'ajna.yaml:16:3 topics["or/ders"]: found "or/ders"; allowed: a topic name: at most 249 letters, digits, dots, hyphens and underscores, not starting with "__"',
  ],
  [
    '  orders:',
    '  __orders:',
    'ajna.yaml:16:3 topics.__orders: found "__orders"; allowed: a topic name: at most 249 letters, digits, dots, hyphens and underscores, not starting with "__"',
  ],
  [
    '  state:',
    '  logs_edge: { cluster: edge, tenant: platform }\n  state:',
    'ajna.yaml:17:3 topics.logs_edge: found logs_edge beside logs.edge at cluster edge; allowed: names that differ in more than dots and underscores',
  ],
  [
    '{ cluster: hub, tenant: platform, cleanup: compact }',
    '{ cluster: hub, tenant: platform }\n  logs.edge: { cluster: hub }',
    'ajna.yaml:18:3: found the key "logs.edge" a second time; allowed: each key once',
  ],
  [
    'topic: orders, allow: [write]',
    'topic: ordrs, allow: [write]',
    'ajna.yaml:19:27 principals.shop.acls[0].topic: found the unknown topic "ordrs"; allowed: logs.edge, orders or state; did you mean orders?',
  ],
  [
    'topic: orders, allow: [write]',
    'topic: orders, allow: [wirte]',
    'ajna.yaml:19:43 principals.shop.acls[0].allow[0]: found "wirte"; allowed: read, write, create, delete, alter, describe, describeConfigs, alterConfigs or all; did you mean write?',
  ],
  [
    'topic: orders, allow: [write]',
    'topic: orders, allow: []',
    'ajna.yaml:19:42 principals.shop.acls[0].allow: found an empty list; allowed: at least 1 entry',
  ],
  [
    'topic: orders, allow: [write]',
    'topic: orders, group: x, allow: [write]',
    'ajna.yaml:19:35 principals.shop.acls[0].group: found the unknown key "group"; allowed: topic or allow',
  ],
  [
    '{ group: reader, allow: [read] }',
    '{ group: reader, allow: [write] }',
    'ajna.yaml:20:98 principals.reader.acls[1].allow[0]: found "write"; allowed: read, describe, delete, describeConfigs, alterConfigs or all',
  ],
  [
    "{ topic: 'logs.*', allow: [read] }",
    "{ topic: 'logs.*', allow: [write] }",
    'ajna.yaml:20:46 principals.reader.acls[0].topic: found write on logs.*, which takes in logs.edge at cluster hub, a copy; allowed: writing only where a topic is not a copy: only its link writes those',
  ],
  [
    "{ topic: 'logs.*', allow: [read] }",
    '{ topic: logs.edge, allow: [all] }',
    'ajna.yaml:20:46 principals.reader.acls[0].topic: found all on logs.edge, which at hub is a copy; allowed: writing only where a topic is not a copy: only its link writes those',
  ],
  [
    '  reader: {',
    '  admin: {',
    'ajna.yaml:20:3 principals.admin: found "admin", which the platform keeps for itself; allowed: another name',
  ],
  [
    '  reader: {',
    '  "r d": {',
    'ajna.yaml:20:3 principals["r d"]: found "r d"; allowed: letters, digits, dots, hyphens and underscores, at most 64',
  ],
  [
    '  reader: {',
    '  reader: { role: agent,',
    'ajna.yaml:20:3 principals.reader: found a role without a site; allowed: role and site together, or neither',
  ],
  [
    'producerBytesPerSecond: 10MiB',
    'producerBytesPerSecond: 0',
    'ajna.yaml:19:87 principals.shop.quota.producerBytesPerSecond: found 0; allowed: a whole number from 1 to 9,007,199,254,740,991',
  ],
  [
    'producerBytesPerSecond: 10MiB',
    'producerBytesPerSecond: fast',
    'ajna.yaml:19:87 principals.shop.quota.producerBytesPerSecond: found "fast"; allowed: bytes a second, as a whole number from 1 or a size such as 10MiB',
  ],
  [
    'from: edge, to: hub',
    'from: edge, to: hubb',
    'ajna.yaml:22:34 links.edge-to-hub.to: found the unknown cluster "hubb"; allowed: edge, hub or other; did you mean hub?',
  ],
  [
    'from: edge, to: hub',
    'from: edge, to: edge',
    'ajna.yaml:22:34 links.edge-to-hub.to: found edge, where the link starts; allowed: another cluster than from',
  ],
  [
    "topics: ['logs.*']",
    "topics: ['lgs.*']",
    'ajna.yaml:22:48 links.edge-to-hub.topics[0]: found "lgs.*", which no topic at cluster edge matches; allowed: logs.edge or orders',
    'ajna.yaml:25:35 archive.topics[0]: found "logs.edge", which no topic at cluster hub matches; allowed: state',
  ],
  ...(
    [
      ['onLoss: skip', 'onLoss: found "skip"; allowed: halt or continue'],
      ['onSourceDeleted: drop', 'onSourceDeleted: found "drop"; allowed: halt or delete'],
      ['onFewerPartitions: 3', 'onFewerPartitions: found 3; allowed: widen or halt'],
      ['maxGap: -1', 'maxGap: found -1; allowed: a whole number from 0 to 9,007,199,254,740,991'],
      ['offsets: same', 'offsets: found "same"; allowed: identity or mapped'],
    ] as const
  ).map(
    ([setting, problem]) =>
      [
        "topics: ['logs.*'] }",
        `topics: ['logs.*'],\n    ${setting} }`,
        `ajna.yaml:23:${setting.indexOf(':') + 7} links.edge-to-hub.${problem}`,
      ] as const,
  ),
  [
    "topics: ['logs.*'] }",
    "topics: ['logs.*'],\n    rate: { link: 10B } }",
    'ajna.yaml:23:19 links.edge-to-hub.rate.link: found "10B"; allowed: at least 1KiB a second',
  ],
  [
    "topics: ['logs.*'] }",
    "topics: ['logs.*'],\n    headers: [{ key: a, act: skip }] }",
    'ajna.yaml:23:30 links.edge-to-hub.headers[0].act: found "skip"; allowed: drop or keep',
  ],
  [
    "topics: ['logs.*'] }",
    "topics: ['logs.*'],\n    replicationFactor: 9 }",
    'ajna.yaml:22:48 links.edge-to-hub.topics[0]: found logs.edge with 9 replicas at cluster hub; allowed: at most 3, the number of brokers',
  ],
  [
    "topics: ['logs.*']",
    'topics: []',
    'ajna.yaml:22:47 links.edge-to-hub.topics: found an empty list; allowed: at least 1 entry',
  ],
  [
    "topics: ['logs.*'] }",
    "topics: ['logs.*'] }\n  back: { from: hub, to: edge, topics: ['*'] }",
    'ajna.yaml:23:41 links.back.topics[0]: found logs.edge in a loop: edge → hub → edge; allowed: links that never bring a topic back',
  ],
  [
    "topics: ['logs.*'] }",
    "topics: ['logs.*'] }\n  twice: { from: edge, to: hub, topics: [logs.edge] }",
    'ajna.yaml:22:48 links.edge-to-hub.topics[0]: found logs.edge, which link twice writes at cluster hub as well; allowed: one writer per topic in each cluster',
    'ajna.yaml:23:42 links.twice.topics[0]: found logs.edge, which link edge-to-hub writes at cluster hub as well; allowed: one writer per topic in each cluster',
  ],
  [
    "topics: ['logs.*'] }",
    "topics: ['logs.*'] }\n  clash: { from: edge, to: other, topics: [orders] }",
    'ajna.yaml:23:44 links.clash.topics[0]: found orders, which producers write at cluster other as well; allowed: one writer per topic in each cluster',
  ],
  [
    'topic: logs.edge, files',
    'topic: state, files',
    'ajna.yaml:24:44 ship[0].topic: found state, which is not at site edge; allowed: a topic of one cluster of that site: a host ships to its own',
  ],
  [
    'files: [/var/log/*.log]',
    'files: [var/log/*.log]',
    `ajna.yaml:24:63 ship[0].files[0]: found "var/log/*.log"; allowed: an absolute path, * and ** as in a shell; it may start with ${HOME_VARIABLE}/`,
  ],
  [
    'files: [/var/log/*.log]',
    'files: []',
    'ajna.yaml:24:62 ship[0].files: found an empty list; allowed: files, metrics or both',
  ],
  [
    'files: [/var/log/*.log]',
    'metrics: { every: 5 }',
    'ajna.yaml:24:73 ship[0].metrics.every: found 5; allowed: a duration with its unit, such as 500ms, 90s, 12h or 4d',
  ],
  [
    'topics: [logs.edge], objects',
    "topics: ['metrics.*'], objects",
    'ajna.yaml:25:35 archive.topics[0]: found "metrics.*", which no topic at cluster hub matches; allowed: logs.edge or state',
  ],
  [
    'objects: { driver: file }',
    'objects: { driver: s3, endpoint: localhost, bucket: B }',
    'ajna.yaml:25:80 archive.objects.endpoint: found "localhost"; allowed: an http or https URL',
    'ajna.yaml:25:99 archive.objects.bucket: found "B"; allowed: an S3 bucket name',
  ],
  [
    'archive: { cluster: hub',
    'archive: { cluster: hup',
    'ajna.yaml:25:21 archive.cluster: found the unknown cluster "hup"; allowed: edge, hub or other; did you mean hub?',
  ],
  [
    'archive: { cluster: hub',
    'connect: { target: hup }\narchive: { cluster: hub',
    'ajna.yaml:25:20 connect.target: found the unknown cluster "hup"; allowed: edge, hub or other; did you mean hub?',
  ],
  [
    'archive: { cluster: hub',
    'connect: { access: all, port: 80 }\narchive: { cluster: hub',
    'ajna.yaml:25:20 connect.access: found "all"; allowed: token or machine',
    'ajna.yaml:25:31 connect.port: found 80; allowed: a whole number from 1,024 to 65,535',
  ],
  [
    'bootstrap: [kafka.example:9092] }',
    'bootstrap: [kafka.example:9092], hosts: { "*.Example": 10.0.0.1, b1.example: b2.example } }',
    'ajna.yaml:11:84 clusters.other.hosts["*.Example"]: found "*.Example"; allowed: a host name in lower-case letters, or *. and a domain for all names in it',
    'ajna.yaml:11:119 clusters.other.hosts["b1.example"]: found "b2.example"; allowed: an IP address',
  ],
  [
    'archive: { cluster: hub',
    'mirror: { workers: 0, threads: 2 }\narchive: { cluster: hub',
    'ajna.yaml:25:20 mirror.workers: found 0; allowed: a whole number from 1 to 64',
    'ajna.yaml:25:23 mirror.threads: found the unknown key "threads"; allowed: workers',
  ],
]

for (const [from, to, ...expected] of wrong) {
  test(`refuses ${JSON.stringify(to)}, saying where and what is allowed`, () => {
    assert.ok(base.includes(from), from)
    assert.deepEqual(problemsOf(base.replace(from, to)), expected)
  })
}
