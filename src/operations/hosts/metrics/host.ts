import si from 'systeminformation'

/** A measurement without what all of a round have in common. */
export interface Measured {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly unit: string
}

/** One group of the machine's figures: a call of systeminformation takes 3 to 310 ms (RECIPES), so each has its turn. */
export interface Probe {
  readonly name: string
  /** Every so many rounds. */
  readonly every: number
  measure(): Promise<Measured[]>
}

const gauge = (
  name: string,
  value: number | null | undefined,
  unit: string,
  labels: Record<string, string> = {},
): Measured[] => (typeof value === 'number' && Number.isFinite(value) ? [{ name, labels, value, unit }] : [])

const percent = (value: number | null | undefined): number | undefined =>
  typeof value === 'number' ? value / 100 : undefined

async function cpu(): Promise<Measured[]> {
  const load = await si.currentLoad()
  return [
    ...gauge('host_cpu_busy_ratio', percent(load.currentLoad), 'ratio'),
    ...gauge('host_cpu_user_ratio', percent(load.currentLoadUser), 'ratio'),
    ...gauge('host_cpu_system_ratio', percent(load.currentLoadSystem), 'ratio'),
    ...gauge('host_load_1m', load.avgLoad, ''),
  ]
}

async function memory(): Promise<Measured[]> {
  const { total, available, swaptotal, swapused } = await si.mem()
  return [
    ...gauge('host_memory_total_bytes', total, 'bytes'),
    ...gauge('host_memory_available_bytes', available, 'bytes'),
    ...gauge('host_swap_total_bytes', swaptotal, 'bytes'),
    ...gauge('host_swap_used_bytes', swapused, 'bytes'),
  ]
}

async function network(): Promise<Measured[]> {
  const interfaces = await si.networkStats('*')
  return interfaces.flatMap(({ iface, rx_bytes, tx_bytes, rx_errors, tx_errors }) => [
    ...gauge('host_network_received_bytes_total', rx_bytes, 'bytes', { interface: iface }),
    ...gauge('host_network_sent_bytes_total', tx_bytes, 'bytes', { interface: iface }),
    ...gauge('host_network_errors_total', rx_errors + tx_errors, '', { interface: iface }),
  ])
}

async function disks(): Promise<Measured[]> {
  const volumes = await si.fsSize()
  return volumes.flatMap(({ mount, size, available }) => [
    ...gauge('host_filesystem_size_bytes', size, 'bytes', { mount }),
    ...gauge('host_filesystem_available_bytes', available, 'bytes', { mount }),
  ])
}

async function io(): Promise<Measured[]> {
  const stats = await si.disksIO()
  // Null on machines whose block devices systeminformation does not recognise.
  if (stats === null) return []
  return [...gauge('host_disk_reads_total', stats.rIO, ''), ...gauge('host_disk_writes_total', stats.wIO, '')]
}

async function uptime(): Promise<Measured[]> {
  return gauge('host_uptime_seconds', si.time().uptime, 'seconds')
}

export const hostProbes: readonly Probe[] = [
  { name: 'cpu', every: 1, measure: cpu },
  { name: 'memory', every: 1, measure: memory },
  { name: 'network', every: 1, measure: network },
  { name: 'io', every: 2, measure: io },
  { name: 'disks', every: 5, measure: disks },
  { name: 'uptime', every: 5, measure: uptime },
]
