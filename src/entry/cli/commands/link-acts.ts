import { userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import type { Activity } from '../../../operations/fleet/activity/contract.ts'
import { type ApiClient, dataOf } from '../../api/client.ts'
import type { LinkAct } from '../../api/models.ts'
import { connectApi } from '../api.ts'
import { printJson, say } from '../output.ts'

const LINK_ACT_FAILED = errorKind(
  'LINK_ACT_FAILED',
  'What was told to a link did not come about.',
  'The message says of which partition and why; `ajna link show NAME --state unhealthy --all` has all of them.',
)

const FOLLOW_MS = 300
const FOLLOW_FOR_MS = 60_000

/** Says what it will do, does it through the API, and waits for how it ends; exit code 3 when it is refused. */
export async function act(
  link: string,
  what: LinkAct,
  { reason, json }: { readonly reason: string; readonly json?: boolean },
): Promise<void> {
  const { api } = await connectApi()
  const path = { link, act: what }
  const preview = dataOf(await api.GET('/api/links/{link}/acts/{act}', { params: { path } }))
  if (preview.offer.allowed) for (const line of [preview.what, ...preview.effects]) say(line)
  const body = { reason, confirm: preview.confirm, by: userInfo().username }
  const begun = dataOf(await api.POST('/api/links/{link}/acts/{act}', { params: { path }, body }))
  const ended = await follow(api, begun)
  if (json === true) printJson(ended)
  if (ended.outcome === 'failed') throw new AjnaError(LINK_ACT_FAILED, ended.summary)
  say(ended.summary)
}

/** The entry at its end, or as it stood when nobody waits any longer. */
async function follow(api: ApiClient, begun: Activity): Promise<Activity> {
  const until = Date.now() + FOLLOW_FOR_MS
  for (let entry = begun; ; ) {
    if (entry.outcome !== 'running' || Date.now() > until) return entry
    await delay(FOLLOW_MS)
    entry = dataOf(await api.GET('/api/activity/{id}', { params: { path: { id: begun.id } } }))
  }
}
