import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentConfigInput, AgentStatus } from '../contract.ts'

const AGENT = new URL('./agent.ts', import.meta.url).pathname
const TOKEN = 'a-token-for-tests-a-token-for-tests-a-token'

/** An agent as a process of its own, on a directory of its own, that a test may kill and start again. */
export interface TestAgent extends AsyncDisposable {
  readonly root: string
  /** Where the files lie that it ships (`*.log`). */
  readonly logs: string
  readonly topic: string
  readonly streamsTopic: string
  readonly logFile: string
  start(): void
  /** Ends it and waits for its end. */
  kill(signal: NodeJS.Signals): Promise<void>
  status(): Promise<AgentStatus>
  post(path: string, body: unknown): Promise<Response>
  /** Waits until the status is as wanted. */
  until(what: string, wanted: (status: AgentStatus) => boolean, withinMs?: number): Promise<AgentStatus>
}

export async function testAgent(
  name: string,
  bootstrap: readonly string[],
  more: Partial<AgentConfigInput> = {},
): Promise<TestAgent> {
  const root = await mkdtemp(join(tmpdir(), `ajna-${name}-`))
  const logs = join(root, 'logs')
  await mkdir(logs)
  const id = `${name}-${randomBytes(4).toString('hex')}`
  const [topic, streamsTopic] = [`logs.${id}`, `ajna.streams.${id}`]
  const config: AgentConfigInput = {
    site: name,
    host: 'h1',
    directory: join(root, 'agent'),
    runDirectory: join(root, 'run'),
    bootstrap: [...bootstrap],
    transactionalId: `agent-${id}`,
    sources: [{ tenant: 'test', topic, files: [join(logs, '*.log')] }],
    streamsTopic,
    tail: { discoverMs: 200, pollMs: 20, partialLineMs: 500, releaseMs: 1_000 },
    status: { port: 0, token: TOKEN },
    ...more,
  }
  const configFile = join(root, 'agent.json')
  await writeFile(configFile, JSON.stringify(config))
  const logFile = join(root, 'agent.log')
  const output = openSync(logFile, 'a')
  let child: ChildProcess | undefined

  /** The address that the last start has logged. */
  function address(): string | undefined {
    const said = readFileSync(logFile, 'utf8').matchAll(/"pid":(\d+),.*"address":"([^"]+)"/g)
    return [...said].findLast(([, pid]) => Number(pid) === child?.pid)?.[2]
  }

  const ask = (path: string, init: RequestInit = {}): Promise<Response> => {
    const at = address()
    if (at === undefined) throw new Error('the agent does not listen yet')
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    return fetch(`${at}${path}`, { ...init, headers })
  }

  async function kill(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async function status(): Promise<AgentStatus> {
    const response = await ask('/api/status')
    if (!response.ok) throw new Error(`status answers ${response.status}: ${await response.text()}`)
    return (await response.json()) as AgentStatus
  }

  return {
    root,
    logs,
    topic,
    streamsTopic,
    logFile,
    start() {
      child = spawn(process.execPath, [AGENT, configFile], { stdio: ['ignore', output, output] })
    },
    kill,
    status,
    post: (path, body) => ask(path, { method: 'POST', body: JSON.stringify(body) }),
    async until(what, wanted, withinMs = 60_000) {
      let last: AgentStatus | undefined
      let problem: unknown
      for (const end = Date.now() + withinMs; Date.now() < end; await delay(50)) {
        try {
          last = await status()
          if (wanted(last)) return last
        } catch (error) {
          problem = error // it is not up yet
        }
      }
      throw new Error(`not within ${withinMs} ms: ${what}; last: ${JSON.stringify(last ?? String(problem))}`)
    },
    async [Symbol.asyncDispose]() {
      await kill('SIGTERM')
      await rm(root, { recursive: true, force: true })
    },
  }
}
