/** The archive role as a process, to be killed. Arguments: bootstrap addresses, the configuration as JSON. */
import { randomBytes } from 'node:crypto'
import { sessionOf } from '../../src/foundation/http/session.ts'
import { createLogger } from '../../src/foundation/log/log.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { archiveConfig } from '../../src/products/archive/config.ts'
import { runArchive } from '../../src/products/archive/run.ts'

const [bootstrap = '', config = ''] = process.argv.slice(2)
const running = await runArchive({
  config: archiveConfig.parse(JSON.parse(config)),
  wire: openWire({ bootstrap: bootstrap.split(','), clientId: 'archive' }),
  session: sessionOf(randomBytes(32).toString('base64url')),
  port: 0,
  version: 'test',
  log: createLogger('archive', 2, process.env['AJNA_LOG_LEVEL'] ?? 'fatal'),
  signal: new AbortController().signal,
})
process.stdout.write(`${running.url}\n`)
await running.done
