/**
 * Specifications of the shapes that Kafka's own have (tests/spec/*.json and trogdor/README.md of Kafka 4.3), as text, for
 * tests. Their comments are part of the shape.
 */

const COMMENT = `// An example of a task specification.
// See "trogdor/README.md" for details.
/* Not a line comment. */
`

/** simple_produce_bench.json */
export const simpleProduceBench = `${COMMENT}
{
  "class": "org.apache.kafka.trogdor.workload.ProduceBenchSpec",
  "durationMs": 10000000,
  "producerNode": "node0",
  "bootstrapServers": "localhost:9092",
  "targetMessagesPerSec": 10000,
  "maxMessages": 50000,
  "activeTopics": {
    "foo[1-3]": {
      "numPartitions": 10,
      "replicationFactor": 1
    }
  },
  "inactiveTopics": {
    "foo[4-5]": {
      "numPartitions": 10,
      "replicationFactor": 1
    }
  }
}
`

/** README.md: keys in sequence, Kafka's partitioner. */
export const keyedProduceBench = `{
  "class": "org.apache.kafka.trogdor.workload.ProduceBenchSpec",
  "durationMs": 10000000,
  "producerNode": "node0",
  "bootstrapServers": "localhost:9092",
  "targetMessagesPerSec": 10000,
  "maxMessages": 50000,
  "activeTopics": { "foo[1-3]": { "numPartitions": 10, "replicationFactor": 1 } },
  "inactiveTopics": { "foo[4-5]": { "numPartitions": 10, "replicationFactor": 1 } },
  "keyGenerator": { "type": "sequential", "size": 8, "offset": 1 },
  "useConfiguredPartitioner": true
}`

/** transactional-produce-bench.json */
export const transactionalProduceBench = `${COMMENT}
{
  "class": "org.apache.kafka.trogdor.workload.ProduceBenchSpec",
  "durationMs": 10000000,
  "producerNode": "node0",
  "bootstrapServers": "localhost:9092",
  "targetMessagesPerSec": 100,
  "maxMessages": 500,
  "transactionGenerator" : {
    "type" : "uniform",
    "messagesPerTransaction" : 50
  },
  "activeTopics": { "foo[1-3]": { "numPartitions": 3, "replicationFactor": 1 } },
  "inactiveTopics": { "foo[4-5]": { "numPartitions": 3, "replicationFactor": 1 } }
}
`

/** simple_consume_bench_spec.json */
export const simpleConsumeBench = `${COMMENT}
{
  "class": "org.apache.kafka.trogdor.workload.ConsumeBenchSpec",
  "durationMs": 10000000,
  "consumerNode": "node0",
  "bootstrapServers": "localhost:9092",
  "targetMessagesPerSec": 1000,
  "threadsPerWorker": 5,
  "consumerGroup": "cg",
  "maxMessages": 10000,
  "activeTopics": [ "foo[1-3]" ]
}
`

/** round_trip.json */
export const roundTripWorkload = `${COMMENT}
{
  "class": "org.apache.kafka.trogdor.workload.RoundTripWorkloadSpec",
  "durationMs": 10000000,
  "clientNode": "node0",
  "bootstrapServers": "localhost:9092",
  "targetMessagesPerSec": 1000,
  "maxMessages": 100,
  "activeTopics": {
    "round_trip_topic[0-1]": {
      "numPartitions": 2,
      "replicationFactor": 1
    }
  }
}
`

/** connection_stress_test.json */
export const connectionStress = `${COMMENT}
{
  "class": "org.apache.kafka.trogdor.workload.ConnectionStressSpec",
  "durationMs": 60000,
  "clientNode": "node0",
  "bootstrapServers": "localhost:9092",
  "targetConnectionsPerSec": 100,
  "numThreads": 10,
  "action": "CONNECT"
}
`

/** README.md */
export const networkPartition = `{
  "class": "org.apache.kafka.trogdor.fault.NetworkPartitionFaultSpec",
  "startMs": 1000,
  "durationMs": 30000,
  "partitions": [["node1", "node2"], ["node3"]]
}`

export const processStop = `{
  "class": "org.apache.kafka.trogdor.fault.ProcessStopFaultSpec",
  "durationMs": 30000,
  "nodeNames": ["node1"],
  "javaProcessName": "kafka.Kafka"
}`
