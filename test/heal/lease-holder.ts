/**
 * Holds a lease as a process of its own, to be killed, frozen and woken. Its task is the first line of its standard input; at
 * the second one it orders what it holds the lease for, without another look at it: as one that was stopped between its look
 * and its order. It ends once its input is closed.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { hostAgent } from '../../src/entry/control/host-agent.ts'
import { openJournal } from '../../src/foundation/journal/journal.ts'
import { openKafkaLog } from '../../src/foundation/journal/kafka-log.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import type { Domain } from '../../src/operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../src/operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../src/operations/fleet/interlock/machine.ts'

export interface HolderTask {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly domain: Domain
  readonly leaseMs: number
  readonly lookMs: number
  readonly agent: { readonly port: number; readonly token: string }
  /** What it would kill. */
  readonly process: string
  readonly pid: number
}

/** One line each. */
export interface HolderSays {
  readonly token: number
  /** What became of its order; null: none was given yet. */
  readonly order: { readonly holds: boolean; readonly problem: string | null } | null
}

const lines = createInterface({ input: process.stdin })
lines.once('close', () => process.exit())
const [line] = (await once(lines, 'line')) as [string]
const task = JSON.parse(line) as HolderTask
const wire = openWire({ bootstrap: task.bootstrap, clientId: 'holder' })
const journal = await openJournal({
  log: openKafkaLog({ wire, topic: task.topic }),
  machine: interlockMachine,
})
const interlock = openInterlock({ journal, holder: `holder ${process.pid}`, lookMs: task.lookMs })
const { domain, leaseMs } = task
const answer = await interlock.acquire({ domain, leaseMs, purpose: 'a test' })
if (!answer.granted) throw new Error(answer.reason)
const { lease } = answer
const say = (order: HolderSays['order']): void =>
  void process.stdout.write(`${JSON.stringify({ token: lease.fence.token, order } satisfies HolderSays)}\n`)
const asked = once(lines, 'line')
say(null)
await asked
const holds = lease.holds()
const { signal } = new AbortController()
const problem = await hostAgent(task.agent)
  .kill(task.process, task.pid, lease.fence, 'a test', signal)
  .then(
    () => null,
    (error: unknown) => String(error),
  )
say({ holds, problem })
