/** What is done to a broker's process and its registration. Each step needs the lease. */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Lease } from '../fleet/interlock/contract.ts'
import { demand } from './acts/demand.ts'
import { awayIn, electPreferred } from './acts/prefer.ts'
import { reReplicate } from './acts/re-replicate.ts'
import { affectedBy } from './affected.ts'
import { named } from './causes/signs.ts'
import { type BrokerSubject, type Diagnosis, type Incident, type Remedy, subjectText } from './contract.ts'
import { damageIntent } from './copied.ts'
import type { HealerOptions } from './ends.ts'
import { HEAL_ACT_FAILED } from './errors.ts'
import { controllerView } from './facts.ts'
import { assignmentEvidence, withdraw, withdrawn } from './withdraw.ts'

/** Unregistering may not be on its way any more when a successor of the dead process registers. */
const UNREGISTER_MS = 2_000
const KILLED_WITHIN_MS = 2_000

/** Of those, what is done to a broker. */
type BrokerRemedy = Exclude<Remedy, 'elect-most-advanced' | 'elect-preferred'>
type OfBroker = Diagnosis & { readonly subject: BrokerSubject }

export const isOfBroker = (diagnosis: Diagnosis): diagnosis is OfBroker => 'broker' in diagnosis.subject

/** What is to be done about a diagnosis, and how that is told. */
export interface Act {
  /** What must be known to make whole what it leaves behind when it is cut short. @throws what the cluster answers */
  intent(): Promise<Incident['evidence']>
  /** Answers with what was done. @throws AjnaError HEAL_ACT_FAILED; what the agent or the cluster answers */
  carryOut(lease: Lease): Promise<string>
}

/** Undefined: no such remedy for such a subject; and elections of who is not in sync, which are in `due.ts`. */
export function actFor(options: HealerOptions, diagnosis: Diagnosis, remedy: Remedy): Act | undefined {
  if (remedy === 'elect-most-advanced') return undefined
  if (remedy === 'elect-preferred')
    return { intent: async () => [], carryOut: lease => giveBack(options, lease) }
  if (!isOfBroker(diagnosis)) return undefined
  const { subject } = diagnosis
  return {
    async intent() {
      if (subject.kind === 'replica') return damageIntent(options, subject)
      return remedy === 'withdraw-replicas'
        ? assignmentEvidence(await withdrawn(options, subject.broker))
        : []
    },
    async carryOut(lease) {
      await act(options, diagnosis, remedy, lease)
      return doneText(diagnosis, remedy)
    },
  }
}

/** Whatever brokers should lead now, and others do. */
async function giveBack(options: HealerOptions, lease: Lease): Promise<string> {
  const view = await controllerView(options.admin, options.signal)
  const { elected, failed, why, left } = await electPreferred(options, awayIn(view), () => demand(lease))
  if (elected === 0 && failed > 0)
    throw new AjnaError(HEAL_ACT_FAILED, 'no leadership could be given back', { cause: why })
  const rest = failed + left === 0 ? '' : `; of ${failed + left} that is to come`
  return `the leadership of ${elected} partitions was given back${rest}`
}

/** @throws AjnaError HEAL_ACT_FAILED; what the agent or the cluster answers */
async function act(
  options: HealerOptions,
  { subject, pid, cause, dirs }: OfBroker,
  remedy: BrokerRemedy,
  lease: Lease,
): Promise<void> {
  const { agent, admin, brokers, signal } = options
  const { broker } = subject
  if (subject.kind === 'replica') return reReplicate(options, subject, lease)
  if (remedy === 'withdraw-replicas')
    return withdraw(options, await withdrawn(options, broker), broker, lease)
  const { process } = brokers.find(({ id }) => id === broker)!
  for (const path of remedy === 'restore-log-dir' ? (dirs ?? []) : []) {
    demand(lease)
    await agent.prepareLogDir(process, path, lease.fence, `heal: ${cause}`, signal)
  }
  if (remedy !== 'unregister') {
    demand(lease)
    await agent.kill(process, pid!, lease.fence, `heal: ${cause}`, signal)
    await untilDead(options, process, pid!)
  }
  if (remedy === 'kill') return
  await demandOthers(options, subject)
  demand(lease)
  await admin.unregisterBroker(broker, { signal, deadlineMs: UNREGISTER_MS })
}

/**
 * What was decided on is some moments old: meanwhile others may have left the ISR, and nobody else would be there to elect.
 */
async function demandOthers({ admin, signal }: HealerOptions, subject: BrokerSubject): Promise<void> {
  const { lastInSync } = affectedBy(await controllerView(admin, signal), subject)
  if (lastInSync.length === 0) return
  const what = `${subjectText(subject)} has become the only in-sync replica of ${named(lastInSync)}`
  throw new AjnaError(HEAL_ACT_FAILED, what)
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

function doneText({ subject, pid }: OfBroker, remedy: BrokerRemedy): string {
  const killed = `process ${pid} was killed`
  const unregistered = `broker ${subject.broker} was unregistered`
  const both = `${killed}, ${unregistered}`
  return {
    kill: killed,
    unregister: unregistered,
    'kill-and-unregister': both,
    'restore-log-dir': both,
    're-replicate': `${subjectText(subject)} was withdrawn, thrown away, and assigned anew`,
    'withdraw-replicas': `replicas that are offline on broker ${subject.broker} were withdrawn and assigned anew`,
  }[remedy]
}
