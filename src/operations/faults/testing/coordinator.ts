import { enableCompileCache } from 'node:module'
import type { FaultKind, TestedCluster } from '../contract.ts'

/**
 * A coordinator as a process of its own, for tests that kill it in the middle of a fault:
 * `node coordinator.ts <folder> <cluster as JSON> <broker> <kind> <lease, ms>`. Says `begun` once the fault is done.
 */
enableCompileCache()
const { armFault } = await import('../inject.ts')

const [folder, described, broker, kind, leaseMs] = process.argv.slice(2) as [
  string,
  string,
  string,
  FaultKind,
  string,
]
const cluster = JSON.parse(described) as TestedCluster
const fault = await armFault({
  folder,
  cluster,
  node: cluster.nodes.find(({ id }) => id === Number(broker))!,
  plan: {
    kind,
    times: 3,
    everyMs: 100,
    skewMs: 600_000,
    ...(kind === 'partition' ? { network: { way: 'both', from: [2], act: { kind } } } : {}),
    ...(kind === 'delay'
      ? { network: { way: 'both', from: [2], act: { kind, byMs: 50, jitterMs: 10, seed: 7 } } }
      : {}),
  },
  purpose: 'a coordinator that will be killed',
  leaseMs: Number(leaseMs),
})
await fault.begin(new AbortController().signal)
process.stdout.write('begun\n')
setInterval(() => undefined, 1_000)
