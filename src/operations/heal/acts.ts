/** Remedies, carried out. Each needs the lease at every step. */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Lease } from '../fleet/interlock/contract.ts'
import type { Diagnosis, PartitionFacts, Remedy } from './contract.ts'
import type { HealerOptions } from './ends.ts'
import { HEAL_ACT_FAILED } from './errors.ts'
import { controllerView } from './facts.ts'
import { withdraw, withdrawals } from './withdraw.ts'

/** Unregistering may not be on its way any more when a successor of the dead process registers. */
const UNREGISTER_MS = 2_000
const KILLED_WITHIN_MS = 2_000

/** @throws AjnaError HEAL_ACT_FAILED; what the agent or the cluster answers */
export async function act(
  options: HealerOptions,
  { subject, pid, cause, dirs }: Diagnosis,
  remedy: Remedy,
  lease: Lease,
): Promise<void> {
  const { agent, admin, brokers, signal } = options
  const { broker } = subject
  if (remedy === 'withdraw-replicas')
    return withdraw(options, await withdrawn(options, broker), broker, lease)
  const { process } = brokers.find(({ id }) => id === broker)!
  for (const path of remedy === 'restore-log-dir' ? (dirs ?? []) : []) {
    demand(lease)
    await agent.prepareLogDir(process, path, lease.token, `heal: ${cause}`, signal)
  }
  if (remedy !== 'unregister') {
    demand(lease)
    await agent.kill(process, pid!, lease.token, `heal: ${cause}`, signal)
    await untilDead(options, process, pid!)
  }
  if (remedy === 'kill') return
  demand(lease)
  await admin.unregisterBroker(broker, { signal, deadlineMs: UNREGISTER_MS })
}

/** What would be withdrawn now. @throws what the cluster answers */
export async function withdrawn(
  { admin, signal }: HealerOptions,
  broker: number,
): Promise<readonly PartitionFacts[]> {
  return withdrawals((await controllerView(admin, signal)).partitions, broker)
}

function demand(lease: Lease): void {
  if (!lease.holds()) throw new AjnaError(HEAL_ACT_FAILED, 'the lease has ended')
}

async function untilDead({ agent, signal }: HealerOptions, process: string, pid: number): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(KILLED_WITHIN_MS)])
  for (let version = -1; ; ) {
    const list = await agent.processes(version, until)
    version = list.version
    if (list.processes.find(({ name }) => name === process)?.pid !== pid) return
    if (until.aborted) throw new AjnaError(HEAL_ACT_FAILED, `process ${pid} does not end, not even killed`)
  }
}

export function doneText({ subject, pid }: Diagnosis, remedy: Remedy): string {
  const killed = `process ${pid} was killed`
  const unregistered = `broker ${subject.broker} was unregistered`
  const both = `${killed}, ${unregistered}`
  return {
    kill: killed,
    unregister: unregistered,
    'kill-and-unregister': both,
    'restore-log-dir': both,
    'withdraw-replicas': `replicas that are offline on broker ${subject.broker} were withdrawn and assigned anew`,
  }[remedy]
}
