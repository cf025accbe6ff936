import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'

/** The agent as a process of its own, for tests that kill it: `node agent.ts <configuration file>`. */
enableCompileCache()
const { createLogger } = await import('../../../foundation/log/log.ts')
const { agentConfig } = await import('../contract.ts')
const { runAgent } = await import('../run.ts')

const config = agentConfig.parse(JSON.parse(readFileSync(process.argv[2]!, 'utf8')))
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await runAgent(config, { signal: stop.signal, log: createLogger('agent') })
