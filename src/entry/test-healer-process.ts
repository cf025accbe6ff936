/**
 * A healer as a process of its own, for tests of what becomes of its act when it dies or freezes right before it. Its task
 * is the first line of its standard input; it ends once that is closed.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLogger } from '../foundation/log/log.ts'
import { hostAgent, hostAgents } from './control/host-agent.ts'
import { keepKeys } from './control/keys.ts'
import { healTested, type OtherHealerTask } from './test-healer.ts'

const lines = createInterface({ input: process.stdin })
lines.once('close', () => process.exit())
const [line] = (await once(lines, 'line')) as [string]
const { name, bootstrap, keys: kept, brokers, hosts, ends } = JSON.parse(line) as OtherHealerTask
const { signal } = new AbortController()
const keys = keepKeys({
  ...{ cluster: name, keptAt: 'keys', holder: `other ${process.pid}`, log: silentLogger },
  ...{ changed: () => undefined, signal },
  address: async () => ({ bootstrap: kept }),
})
while (keys.interlock() === undefined) await delay(50)
const agents = hosts.map(({ processes, address }) => ({ processes, agent: hostAgent(address) }))
let stalled = false
const healing = healTested({
  ...{ name, bootstrap, brokers, keys, book: keys.book, signal },
  agent: hostAgents(agents, signal),
  beforeAct() {
    if (stalled) return
    stalled = true
    writeSync(1, 'stalled\n')
    process.kill(process.pid, ends === 'healer-dies' ? 'SIGKILL' : 'SIGSTOP')
  },
})
writeSync(1, 'watching\n')
await healing
