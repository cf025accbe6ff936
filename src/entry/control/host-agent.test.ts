import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostAgent } from '../../operations/heal/ends.ts'
import type { ProcessList, ProcessStatus } from '../../operations/hosts/contract.ts'
import { hostAgents } from './host-agent.ts'

const status = (name: string, pid: number | null): ProcessStatus => ({
  name,
  dirs: [],
  corrupt: [],
  state: pid === null ? 'waiting' : 'ready',
  pid,
  since: pid,
  lastEnd: null,
  starts: 1,
})

/** An agent that says what it is told to, until it is gone. */
function scripted(name: string) {
  let list: ProcessList = { version: 1, processes: [status(name, 1)] }
  let isGone = false
  let news = Promise.withResolvers<void>()
  const change = (): void => {
    news.resolve()
    news = Promise.withResolvers()
  }
  const killed: number[] = []
  const agent: HostAgent = {
    async processes(after, signal) {
      const aborted = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
      while (!isGone && after === list.version && !signal.aborted) await Promise.race([news.promise, aborted])
      if (isGone) throw new Error('nothing answers')
      return list
    },
    ran: async () => ({ pid: 1, ran: true }),
    replicas: async () => undefined,
    verify: async () => undefined,
    kill: async (_, pid) => void killed.push(pid),
    prepareLogDir: async () => undefined,
  }
  return {
    host: { processes: [name], agent },
    killed,
    set(pid: number | null) {
      list = { version: list.version + 1, processes: [status(name, pid)] }
      change()
    },
    die() {
      isGone = true
      change()
    },
  }
}

test('of several hosts each process is known, changes are told, and a host whose agent is gone says nothing', async () => {
  const stop = new AbortController()
  const [a, b] = [scripted('a'), scripted('b')]
  const agents = hostAgents([a.host, b.host], stop.signal)
  let version = -1
  async function until(expected: readonly (readonly [string, number | null])[]): Promise<void> {
    for (;;) {
      const list = await agents.processes(version, AbortSignal.timeout(10_000))
      version = list.version
      const found = list.processes.map(({ name, pid }) => [name, pid]).sort()
      if (JSON.stringify(found) === JSON.stringify(expected)) return
    }
  }
  await until([
    ['a', 1],
    ['b', 1],
  ])
  a.set(null)
  await until([
    ['a', null],
    ['b', 1],
  ])
  b.die()
  await until([['a', null]])
  const fence = { keeper: 'hub', token: 7 }
  await agents.kill('a', 1, fence, 'a test', stop.signal)
  assert.deepEqual([a.killed, b.killed], [[1], []])
  await assert.rejects(agents.kill('nobody', 1, fence, 'a test', stop.signal), { code: 'AGENT_UNREACHABLE' })
  stop.abort()
})
