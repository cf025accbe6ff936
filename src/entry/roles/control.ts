import { fileURLToPath } from 'node:url'
import { archiveStatuses } from '../../products/archive/routes.ts'
import { createApi } from '../api/api.ts'
import { healingStatuses } from '../control/heal.ts'
import { rehearsalStatuses } from '../control/link-rehearsals.ts'
import { switchStatuses } from '../control/link-switches.ts'
import { webhookStatuses } from '../control/notify.ts'
import { createPlatform } from '../control/platform.ts'
import type { RoleContext } from './context.ts'

const CONSOLE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../../dist/console' : '../../console', import.meta.url),
)

/** The API and the console. */
export async function controlRole(context: RoleContext): Promise<void> {
  const { session, log, signal, file } = context
  const api = createApi({
    platform: await createPlatform(context),
    session,
    log,
    console: CONSOLE,
    statuses: {
      ...archiveStatuses,
      ...healingStatuses,
      ...rehearsalStatuses,
      ...switchStatuses,
      ...webhookStatuses,
    },
  })
  const address = await api.listen(file.ports.console)
  log.info({ address }, 'listening')
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await api.close()
}
