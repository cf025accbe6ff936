/** A link's worker as a process of its own, to be killed. Argument: its set-up as JSON. Says each change of the target's ends. */
import { createLogger } from '../../src/foundation/log/log.ts'
import { type LinkSetup, linkBetween } from './link.ts'

const setup = JSON.parse(process.argv[2]!) as LinkSetup
const link = await linkBetween(setup, createLogger('worker', 2, process.env['AJNA_LOG_LEVEL'] ?? 'error'))
let said = 0
setInterval(() => {
  const { partitions } = link.status()
  const records = partitions.reduce((sum, each) => sum + each.records, 0)
  if (records > said) process.stdout.write(`${JSON.stringify({ records })}\n`)
  said = records
}, 20)
await link.done
