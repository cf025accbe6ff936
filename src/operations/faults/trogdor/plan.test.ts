import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestedCluster } from '../contract.ts'
import { type Plan, planOf } from './plan.ts'
import { parseCommentedJson } from './spec/json.ts'
import { readSpec } from './spec/spec.ts'
import * as specs from './testing/specs.ts'
import { cuts } from './workers/part-network.ts'
import { matching } from './workers/stop-process.ts'

function planned<Kind extends Plan['kind']>(
  text: string,
  kind: Kind,
  changes: object = {},
): Extract<Plan, { kind: Kind }> {
  const plan = planOf(readSpec({ ...(parseCommentedJson(text, 'spec.json') as object), ...changes }))
  assert.ok('kind' in plan && plan.kind === kind, JSON.stringify(plan))
  return plan as Extract<Plan, { kind: Kind }>
}

function refused(text: string, changes: object): string {
  const plan = planOf(readSpec({ ...(parseCommentedJson(text, 'spec.json') as object), ...changes }))
  assert.ok('refused' in plan, JSON.stringify(plan))
  return plan.refused
}

function clusterOf(nodes: number): TestedCluster {
  const node = (id: number) => ({
    id,
    settings: '/server.properties',
    process: {
      name: `kafka-c-${id}`,
      command: '/usr/bin/java',
      args: ['kafka.Kafka'],
      runDir: '/r',
      consoleFile: '/c',
    },
  })
  const ids = Array.from({ length: nodes }, (_, index) => index + 1)
  return { name: 'c', version: '4.3.1', bootstrap: [], nodes: ids.map(node) }
}

describe('what Trogdor’s specifications are done as', () => {
  test('ProduceBench: every partition of the active topics in turn; inactive topics are only made', () => {
    const plan = planned(specs.simpleProduceBench, 'produce')
    assert.deepEqual(
      plan.topics.map(({ name, layout }) => [name, layout]),
      [1, 2, 3, 4, 5].map(n => [`foo${n}`, { partitions: 10, replicationFactor: 1 }]),
    )
    assert.equal(plan.partitions.length, 30)
    assert.deepEqual(plan.client.bootstrap, ['localhost:9092'])
    assert.deepEqual(
      [plan.perSecond, plan.maxMessages, plan.byKey, plan.transactions],
      [10_000, 50_000, false, undefined],
    )
    const keyed = planned(specs.keyedProduceBench, 'produce')
    assert.deepEqual([keyed.byKey, keyed.key], [true, { type: 'sequential', size: 8, startOffset: 1 }])
    const transactional = planned(specs.transactionalProduceBench, 'produce')
    assert.deepEqual(transactional.transactions, { type: 'uniform', messagesPerTransaction: 50 })
  })

  test('topics are as Trogdor makes them: one partition, three replicas, unless it is said; assigned ones as assigned', () => {
    const topics = {
      plain: {},
      laid: { partitionAssignments: { 0: [1, 2], 1: [2, 3] }, configs: { 'retention.ms': '1' } },
    }
    const plan = planned(specs.simpleProduceBench, 'produce', { activeTopics: topics, inactiveTopics: {} })
    assert.deepEqual(plan.topics, [
      { name: 'plain', layout: { partitions: 1, replicationFactor: 3 }, config: {} },
      {
        name: 'laid',
        layout: {
          replicas: [
            [1, 2],
            [2, 3],
          ],
        },
        config: { 'retention.ms': '1' },
      },
    ])
    assert.match(
      refused(specs.simpleProduceBench, { activeTopics: { x: { partitionAssignments: { 1: [1] } } } }),
      /activeTopics\["x"\]\.partitionAssignments: found partitions 1, allowed: each from 0 on/,
    )
  })

  test('ConsumeBench: a group’s members, or partitions by name', () => {
    const plan = planned(specs.simpleConsumeBench, 'consume')
    assert.deepEqual(
      [plan.consumers, plan.group, plan.topics, plan.assigned, plan.perSecond],
      [5, 'cg', ['foo1', 'foo2', 'foo3'], undefined, 1_000],
    )
    const named = planned(specs.simpleConsumeBench, 'consume', {
      activeTopics: ['foo[1-2]:[0-1]', 'bar'],
      threadsPerWorker: 1,
      targetMessagesPerSec: -1,
    })
    assert.equal(named.assigned!.partitions.length, 4)
    assert.deepEqual([named.assigned!.whole, named.perSecond], [['bar'], undefined])
    assert.match(
      refused(specs.simpleConsumeBench, { activeTopics: ['foo:1'] }),
      /found partitions for several consumers of one group/,
    )
    assert.match(
      refused(specs.simpleConsumeBench, { activeTopics: ['a:1:2'] }),
      /found "a:1:2", allowed: topic or/,
    )
  })

  test('clients’ settings are applied, or said to change nothing, or refused: never dropped', () => {
    const plan = planned(specs.simpleProduceBench, 'produce', {
      commonClientConf: { 'compression.type': 'zstd', 'auto.offset.reset': 'latest', 'client.id': 'mine' },
      producerConf: { 'linger.ms': '20', 'batch.size': '100000', acks: 'all', 'max.block.ms': '1000' },
    })
    const { codec, lingerMs, batchBytes, clientId, notApplied } = plan.client
    assert.deepEqual([codec, lingerMs, batchBytes, clientId], ['zstd', 20, 100_000, 'mine'])
    assert.deepEqual(Object.keys(notApplied), ['producerConf.max.block.ms'])
    const settings = [
      [{ acks: '1' }, /^producerConf\["acks"\]: found "1", allowed: all or -1: it is never otherwise here/],
      [{ 'enable.idempotence': 'false' }, /allowed: true/],
      [{ 'batch.size': '-1' }, /allowed: a whole number from 0 to/],
      [{ 'security.protocol': 'SSL' }, /found "SSL", allowed: plaintext/],
      [{ 'transactional.id': 'x' }, /no counterpart here; leave it out/],
      [{ constructor: 'x' }, /no counterpart here/],
    ] as const
    for (const [producerConf, said] of settings)
      assert.match(refused(specs.simpleProduceBench, { producerConf }), said)
  })

  test('absurd and negative numbers are refused before anything is done, however large the range', () => {
    const absurd = [
      [
        specs.simpleProduceBench,
        { targetMessagesPerSec: -5 },
        /targetMessagesPerSec: found -5, allowed: 0 or more/,
      ],
      [specs.simpleProduceBench, { maxMessages: -1 }, /maxMessages: found -1/],
      [
        specs.simpleProduceBench,
        { activeTopics: { 'x[0-999999999]': {} } },
        /found 1001 topics or more, allowed: at most 1000/,
      ],
      [
        specs.simpleProduceBench,
        { activeTopics: { x: { numPartitions: 2 ** 31 - 1 } } },
        /numPartitions: found 2147483647, allowed: at most 10000/,
      ],
      [
        specs.simpleProduceBench,
        { activeTopics: { 'x[1-900]': { numPartitions: 100 } } },
        /found 90020 partitions in all/,
      ],
      [specs.simpleProduceBench, { bootstrapServers: '' }, /bootstrapServers: found ""/],
      [specs.simpleProduceBench, { producerNode: '' }, /producerNode: found nothing/],
      [
        specs.simpleConsumeBench,
        { threadsPerWorker: 1_000_000 },
        /threadsPerWorker: found 1000000, allowed: from 1 to 32/,
      ],
      [specs.simpleConsumeBench, { threadsPerWorker: -1 }, /threadsPerWorker: found -1/],
      [specs.simpleConsumeBench, { activeTopics: ['[0-999999999]:[0-999999999]'] }, /topics or more/],
      [
        specs.roundTripWorkload,
        { targetMessagesPerSec: 0 },
        /targetMessagesPerSec: found 0, allowed: 1 or more/,
      ],
      [
        specs.roundTripWorkload,
        { maxMessages: 2 ** 40 },
        /maxMessages: found 1099511627776, allowed: at most 2147483647/,
      ],
      [specs.connectionStress, { numThreads: 9_999 }, /numThreads: found 9999, allowed: at most 64/],
      [specs.processStop, { durationMs: 1e12 }, /durationMs: found 1000000000000, allowed for a fault/],
      [specs.processStop, { javaProcessName: '' }, /javaProcessName: found nothing/],
    ] as const
    for (const [text, changes, said] of absurd) assert.match(refused(text, changes), said)
  })

  test('faults that are not done here are refused with what is not done', () => {
    const files = {
      class: 'org.apache.kafka.trogdor.fault.FilesUnreadableFaultSpec',
      mountPath: '/x',
      nodeNames: ['a'],
    }
    assert.match(refused('{}', files), /faults of a disk are not done here yet/)
    const slow = { class: 'org.apache.kafka.trogdor.fault.DegradedNetworkFaultSpec', nodeSpecs: { a: {} } }
    assert.match(refused('{}', slow), /DegradedNetworkFault: not done here/)
  })

  test('NetworkPartitionFault: each pair of nodes in different sets is cut once', () => {
    const { partitions } = planned(specs.networkPartition, 'part-network')
    const cut = cuts(partitions, clusterOf(3)).map(({ node, from }) => [node.id, from])
    assert.deepEqual(cut, [
      [1, [3]],
      [2, [3]],
    ])
    const three = cuts([['1'], ['2'], ['3', '4']], clusterOf(5)).map(({ node, from }) => [node.id, from])
    assert.deepEqual(three, [
      [1, [2, 3, 4]],
      [2, [3, 4]],
    ])
    assert.match(
      refused(specs.networkPartition, { partitions: [['a'], ['a']] }),
      /found node a more than once/,
    )
    assert.match(refused(specs.networkPartition, { partitions: [['a']] }), /at least two lists/)
    assert.throws(
      () => cuts([['node1'], ['broker1']], clusterOf(2)),
      /broker 1 is named in more than one partition/,
    )
    assert.throws(() => cuts([['node1'], ['node7']], clusterOf(2)), /Unknown node names: node7/)
  })

  test('a specification that names no bootstrap servers means the cluster that was started for faults, if one was', () => {
    const spec = readSpec({
      ...(parseCommentedJson(specs.roundTripWorkload, 's') as object),
      bootstrapServers: '',
    })
    const plan = planOf(spec, ['127.0.0.1:1'])
    assert.ok('kind' in plan && plan.kind === 'round-trip')
    assert.deepEqual(plan.client.bootstrap, ['127.0.0.1:1'])
    assert.ok('refused' in planOf(spec))
  })

  test('a process to be stopped is one of the tested cluster’s, by its node’s name and its command line', () => {
    const cluster = clusterOf(2)
    const ids = (nodeNames: readonly string[], processName = 'kafka.Kafka') =>
      matching({ nodeNames, processName }, cluster).map(({ id }) => id)
    assert.deepEqual(ids(['node1']), [1])
    assert.deepEqual(ids(['broker2', 'kafka-c-2', '1']), [2, 1])
    assert.throws(() => ids(['node1', 'node9']), /Unknown node names: node9; those of c are node1, node2/)
    assert.throws(() => ids(['node1'], 'zookeeper'), /no process of node1 has "zookeeper"/)
  })
})
