/** The metrics a person looks at first, in that order, and what they are called; the rest follow under their own names. */
const KNOWN: readonly (readonly [name: string, title: string])[] = [
  ['host_cpu_busy_ratio', 'CPU busy'],
  ['host_load_1m', 'Load over 1 minute'],
  ['host_memory_available_bytes', 'Memory available'],
  ['host_filesystem_available_bytes', 'File systems, free'],
  ['host_network_received_bytes_total', 'Network in'],
  ['host_network_sent_bytes_total', 'Network out'],
  ['host_network_errors_total', 'Network errors'],
  ['host_disk_reads_total', 'Disk reads'],
  ['host_disk_writes_total', 'Disk writes'],
  ['kafka_underreplicatedpartitions', 'Partitions under-replicated'],
  ['kafka_underminisrpartitioncount', 'Partitions under min ISR'],
  ['kafka_controller_offlinepartitionscount', 'Partitions offline'],
  ['kafka_offline_log_directories', 'Log directories offline'],
  ['kafka_messagesin_total', 'Records in'],
  ['kafka_bytesin_total', 'Bytes in'],
  ['kafka_bytesout_total', 'Bytes out'],
  ['kafka_request_ms', 'Request time'],
  ['kafka_request_handler_idle_ratio', 'Request handlers idle'],
  ['kafka_network_processor_idle_ratio', 'Network threads idle'],
  ['kafka_isrshrinks_total', 'ISR shrinks'],
  ['kafka_isrexpands_total', 'ISR expansions'],
  ['kafka_failedproducerequests_total', 'Failed produce requests'],
  ['kafka_failedfetchrequests_total', 'Failed fetch requests'],
  ['jvm_memory_bytes', 'JVM memory'],
  ['jvm_gc_ms_total', 'JVM garbage collection'],
  ['agent_lag_bytes', 'Read but not yet shipped'],
  ['agent_spool_bytes', 'In the spool'],
  ['agent_at_risk_bytes', 'At risk of being lost'],
  ['agent_lost_bytes_total', 'Lost'],
  ['agent_records_total', 'Records shipped'],
  ['agent_bytes_total', 'Bytes shipped'],
  ['agent_quarantined_records_total', 'Records quarantined'],
]

const rank = new Map(KNOWN.map(([name], i) => [name, i]))
const titles = new Map(KNOWN)

export const byImportance = (a: string, b: string): number =>
  (rank.get(a) ?? KNOWN.length) - (rank.get(b) ?? KNOWN.length) || (a < b ? -1 : 1)

/** `kafka_controller_activecontrollercount` → `controller activecontrollercount`, where nobody has said it better. */
export function titleOf(name: string): string {
  const known = titles.get(name)
  if (known !== undefined) return known
  return name
    .replace(/^(host|kafka|ajna)_/, '')
    .replace(/_(total|bytes|ratio|seconds|ms)(?=_|$)/g, '')
    .replaceAll('_', ' ')
    .replace(/\b(cpu|jvm|gc|isr)\b/g, word => word.toUpperCase())
}
