import { AjnaError } from '../../foundation/errors/errors.ts'
import type { StatusTable } from '../../foundation/http/answer.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { LINK_UNKNOWN } from '../../operations/mirror/errors.ts'
import { rehearseSwitch } from '../../operations/mirror/failover/run.ts'
import { REHEARSALS_BUSY } from '../api/errors.ts'
import type { Platform } from '../api/platform.ts'
import type { Home } from '../home.ts'
import { groupsMoved, LINK_ENDS_FOREIGN, openSides } from '../link-sides.ts'
import { LINKS_JOURNAL_MISSING } from '../links.ts'

export const rehearsalStatuses: StatusTable = {
  [LINK_UNKNOWN.code]: 404,
  [LINK_ENDS_FOREIGN.code]: 409,
  [LINKS_JOURNAL_MISSING.code]: 409,
}

/** Each has connections of its own to both sides, and may compare logs. */
const AT_ONCE = 2

/** Rehearsals as the API gives them: looked at with control's own rights, which allow no change at either side. */
export function linkRehearsals({
  home,
  log,
}: {
  readonly home: Home
  readonly log: Logger
}): Platform['links']['rehearse'] {
  let underWay = 0
  return async (link, options, signal) => {
    if (underWay >= AT_ONCE) throw new AjnaError(REHEARSALS_BUSY, `${underWay} are under way`)
    underWay++
    try {
      await using sides = await openSides({
        home,
        link,
        keep: defined => groupsMoved(defined),
        writers: [],
        looking: true,
        log,
        signal,
      })
      return await rehearseSwitch(sides.context, options, signal)
    } finally {
      underWay--
    }
  }
}
