import { AjnaError, describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { StatusTable } from '../../foundation/http/answer.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { TLS_CERT_MISSING } from '../../foundation/tls/errors.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import {
  FAILOVER_CHANGED,
  FAILOVER_REFUSED,
  FAILOVER_STUCK,
} from '../../operations/mirror/failover/errors.ts'
import { actionNames } from '../../operations/mirror/failover/plan.ts'
import type { FailoverAction } from '../../operations/mirror/failover/state.ts'
import { ADMIN_MISSING, SWITCH_AT_WORK, SWITCH_NOT_UNDER_WAY } from '../api/errors.ts'
import type { ActReason, Platform, SwitchRequest } from '../api/platform.ts'
import type { Home } from '../home.ts'
import { groupsMoved, type OpenSides, openSides } from '../link-sides.ts'
import { carryTold, type ToldSwitch } from '../link-switch.ts'

export const switchStatuses: StatusTable = {
  [FAILOVER_REFUSED.code]: 409,
  [FAILOVER_CHANGED.code]: 409,
  [FAILOVER_STUCK.code]: 409,
}

export interface LinkSwitchesOptions {
  /** A link's sides with the rights that a switch needs. */
  readonly open: (link: string, signal: AbortSignal) => Promise<Pick<OpenSides, 'context'> & AsyncDisposable>
  readonly record: (entry: Activity) => Promise<Activity>
  readonly known: (id: string) => Activity | undefined
  /** Ends what is under way between two looks; whoever calls again goes on with it. */
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface LinkSwitches {
  readonly carry: Platform['links']['switch']
  /** Whether this process is at work on a switch of the link. */
  atWork(link: string): boolean
}

interface Carried {
  readonly action: FailoverAction
  readonly stop: (reason: Error) => void
  readonly ended: Promise<void>
}

/**
 * Switches of sides as the API has them carried out: one a link at a time, in the background once it has begun. The same
 * call goes on with what was interrupted, be it by the end of this process; the opposite one takes it back.
 */
export function linkSwitches(options: LinkSwitchesOptions): LinkSwitches {
  const { log, signal } = options
  const carried = new Map<string, Carried>()

  async function carry(link: string, request: SwitchRequest, why: ActReason): Promise<Activity> {
    for (let other = carried.get(link); other !== undefined; other = carried.get(link)) {
      const { action, stop, ended } = other
      if (action === request.action)
        throw new AjnaError(SWITCH_AT_WORK, `a ${actionNames[action]} of ${link} is being carried out`)
      stop(new Error(`a ${actionNames[request.action]} takes it back`))
      await ended
    }
    const begun = Promise.withResolvers<Activity>()
    const stopping = new AbortController()
    const until = AbortSignal.any([signal, stopping.signal])
    const ended = work(link, request, why, begun.resolve, until).catch(error => {
      // Once it has begun, the link's state and the activity say how it stands.
      if (!until.aborted)
        log.warn({ link, action: request.action, reason: describeError(error) }, 'a switch ended')
      begun.reject(error)
    })
    // One that ends at once has been told of by its rejection.
    const gone = ended.finally(() => carried.delete(link))
    carried.set(link, { action: request.action, stop: reason => stopping.abort(reason), ended: gone })
    return begun.promise
  }

  async function work(
    link: string,
    { goOn, ...request }: SwitchRequest,
    { actor, reason }: ActReason,
    hasBegun: (entry: Activity) => void,
    until: AbortSignal,
  ): Promise<void> {
    await using sides = await options.open(link, until)
    const { context } = sides
    if (goOn && (await context.store.load())?.state.operation?.action !== request.action)
      throw new AjnaError(SWITCH_NOT_UNDER_WAY, `no ${actionNames[request.action]} of ${link} is under way`)
    let last: Activity | undefined
    const record: ToldSwitch['record'] = async entry => {
      last = await options.record(entry)
      return last
    }
    await carryTold(
      {
        context,
        link,
        options: request,
        actor,
        reason,
        record,
        known: options.known,
        onStep: (_step, _plan, entry) => hasBegun(entry),
      },
      until,
    )
    hasBegun(last!)
  }

  return { carry, atWork: link => carried.has(link) }
}

/**
 * As `admin`, whose certificate is read for this one switch.
 *
 * @throws AjnaError API_ADMIN_MISSING where this machine's state directory has none
 */
export function sidesOfAdmin({ home, log }: { readonly home: Home; readonly log: Logger }) {
  return async (link: string, signal: AbortSignal): Promise<OpenSides> => {
    try {
      return await openSides({
        home,
        link,
        keep: defined => groupsMoved(defined),
        writers: [],
        log,
        signal,
      })
    } catch (error) {
      if (!isAjnaError(error, TLS_CERT_MISSING)) throw error
      throw new AjnaError(ADMIN_MISSING, describeError(error), { cause: error })
    }
  }
}
