import { readFileSync } from 'node:fs'
import { createLogger } from '../../../foundation/log/log.ts'
import { agentConfig } from '../contract.ts'
import { runAgent } from '../run.ts'

/** The agent as a process of its own, for tests that kill it: `node agent.ts <configuration file>`. */
const config = agentConfig.parse(JSON.parse(readFileSync(process.argv[2]!, 'utf8')))
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await runAgent(config, { signal: stop.signal, log: createLogger('agent') })
