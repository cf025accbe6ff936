/**
 * Rules of the Prometheus JMX exporter: few, since every scrape walks what they let through (wide rules cost 0.3 s and
 * 550 KB a scrape). Values stay Kafka's; a name ends in its unit where the exporter can know it.
 */
export const jmxRules = `lowercaseOutputName: true
includeObjectNames:
  - "kafka.server:type=BrokerTopicMetrics,name=*"
  - "kafka.server:type=ReplicaManager,name=*"
  - "kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent"
  - "kafka.server:type=raft-metrics"
  - "kafka.server:type=broker-metadata-metrics"
  - "kafka.network:type=SocketServer,name=NetworkProcessorAvgIdlePercent"
  - "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=Produce"
  - "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=FetchConsumer"
  - "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=FetchFollower"
  - "kafka.controller:type=KafkaController,name=*"
  - "kafka.log:type=LogManager,name=OfflineLogDirectoryCount"
  - "java.lang:type=Memory"
  - "java.lang:type=OperatingSystem"
  - "java.lang:type=GarbageCollector,name=*"
rules:
  - pattern: 'kafka.server<type=BrokerTopicMetrics, name=(BytesIn|BytesOut|MessagesIn|BytesRejected|FailedProduceRequests|FailedFetchRequests)PerSec><>Count'
    name: kafka_$1_total
    type: COUNTER
  - pattern: 'kafka.server<type=ReplicaManager, name=(UnderReplicatedPartitions|UnderMinIsrPartitionCount|OfflineReplicaCount|PartitionCount|LeaderCount)><>Value'
    name: kafka_$1
    type: GAUGE
  - pattern: 'kafka.server<type=ReplicaManager, name=(IsrShrinks|IsrExpands)PerSec><>Count'
    name: kafka_$1_total
    type: COUNTER
  - pattern: 'kafka.server<type=KafkaRequestHandlerPool, name=RequestHandlerAvgIdlePercent><>OneMinuteRate'
    name: kafka_request_handler_idle_ratio
    type: GAUGE
  - pattern: 'kafka.network<type=SocketServer, name=NetworkProcessorAvgIdlePercent><>Value'
    name: kafka_network_processor_idle_ratio
    type: GAUGE
  - pattern: 'kafka.network<type=RequestMetrics, name=TotalTimeMs, request=(\\w+)><>(50thPercentile|99thPercentile)'
    name: kafka_request_ms
    type: GAUGE
    labels:
      request: '$1'
      quantile: '$2'
  - pattern: 'kafka.controller<type=KafkaController, name=(ActiveControllerCount|ActiveBrokerCount|FencedBrokerCount|GlobalTopicCount|GlobalPartitionCount|OfflinePartitionsCount|PreferredReplicaImbalanceCount)><>Value'
    name: kafka_controller_$1
    type: GAUGE
  - pattern: 'kafka.log<type=LogManager, name=OfflineLogDirectoryCount><>Value'
    name: kafka_offline_log_directories
    type: GAUGE
  - pattern: 'kafka.server<type=raft-metrics><>(current-epoch|current-leader|high-watermark|commit-latency-avg)'
    name: kafka_raft_$1
    type: GAUGE
  - pattern: 'kafka.server<type=broker-metadata-metrics><>(last-applied-record-lag-ms|metadata-apply-error-count)'
    name: kafka_metadata_$1
    type: GAUGE
  - pattern: 'java.lang<type=Memory><(HeapMemoryUsage|NonHeapMemoryUsage)>(used|max)'
    name: jvm_memory_bytes
    type: GAUGE
    labels:
      area: '$1'
      kind: '$2'
  - pattern: 'java.lang<type=OperatingSystem><>(OpenFileDescriptorCount|MaxFileDescriptorCount)'
    name: process_$1
    type: GAUGE
  - pattern: 'java.lang<type=OperatingSystem><>ProcessCpuTime'
    name: process_cpu_ns_total
    type: COUNTER
  - pattern: 'java.lang<type=GarbageCollector, name=(.+)><>CollectionTime'
    name: jvm_gc_ms_total
    type: COUNTER
    labels:
      collector: '$1'
`
