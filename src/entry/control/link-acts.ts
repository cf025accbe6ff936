import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import type { LinkPartitionStatus, LinkStatus } from '../../operations/mirror/contract.ts'
import type { LinkRegistry } from '../../operations/mirror/registry.ts'
import { LINKS_AWAY } from '../api/errors.ts'
import type { LinkAct } from '../api/models.ts'
import type { Platform } from '../api/platform.ts'

export interface LinkActsOptions {
  /** Undefined while the journal cannot be read. */
  readonly registry: () => LinkRegistry | undefined
  readonly record: (entry: Activity) => Promise<Activity>
  readonly now: () => number
  readonly log: Logger
  /** How long workers may take to say that they took it up, ms. */
  readonly waitMs?: number
}

const WAIT_MS = 20_000
const LOOK_MS = 100

/** Pausing, resuming and restarting links. Whether it may be done is the API's rule (`can.ts`), and the journal's. */
export function linkActs(options: LinkActsOptions): Platform['links']['act'] {
  const { registry, record, now, log, waitMs = WAIT_MS } = options
  return async (link, act, why) => {
    const links = registry()
    if (links === undefined) throw new AjnaError(LINKS_AWAY, `link ${link} is told nothing`)
    const begun = await record({
      id: randomUUID(),
      revision: 0,
      at: now(),
      actor: why.actor,
      action: `link.${act}`,
      subject: { kind: 'link', name: link, cluster: null },
      summary: `${SUMMARIES[act]} ${link}`,
      reason: why.reason,
      outcome: 'running',
      evidence: [],
      endedAt: null,
    })
    carryOut(links, link, act)
      .catch((error): Ended => ({ outcome: 'failed', text: `failed: ${describeError(error)}`, evidence: [] }))
      .then(({ outcome, text, evidence }) =>
        record({
          ...begun,
          revision: 1,
          outcome,
          summary: `${begun.summary}: ${text}`,
          evidence,
          endedAt: now(),
        }),
      )
      .catch(error => log.error({ err: error, link, act }, 'how an act on a link ended cannot be recorded'))
    return begun
  }

  async function carryOut(links: LinkRegistry, link: string, act: LinkAct): Promise<Ended> {
    const before = links.status(link)
    if (act === 'restart-failed') await links.restart(link, { only: 'failed' })
    else await links.setDesired(link, act === 'pause' ? 'paused' : 'running')
    const toldAt = now()
    for (;;) {
      const said = links.status(link)
      if (said !== undefined && isTakenUp(act, before, said))
        return { ...endOf(act, before, said), evidence: evidenceOf(before, said, now() - toldAt) }
      if (now() - toldAt > waitMs)
        return {
          outcome: 'done',
          text: `it is in the links’ journal; not all workers said within ${waitMs / 1_000} s that they took it up`,
          evidence: evidenceOf(before, said, null),
        }
      await delay(LOOK_MS)
    }
  }
}

const SUMMARIES: Readonly<Record<LinkAct, string>> = {
  pause: 'pause of link',
  resume: 'resumption of link',
  'restart-failed': 'restart of what failed of link',
}

type Ended = Pick<Activity, 'evidence'> & { readonly outcome: 'done' | 'failed'; readonly text: string }

const isFailed = ({ state }: LinkPartitionStatus): boolean => state === 'halted' || state === 'blocked'
const nameOf = ({ topic, partition }: LinkPartitionStatus): string => `${topic}-${partition}`

/** Those that had failed, as they stand now; undefined: nobody speaks of it any more. */
const failedOnes = (before: LinkStatus | undefined, said: LinkStatus | undefined) =>
  (before?.partitions ?? []).filter(isFailed).map(was => ({
    was,
    is: said?.partitions.find(each => nameOf(each) === nameOf(was)),
  }))

/** Whether what the workers say comes from after they took it up. Pure. */
function isTakenUp(act: LinkAct, before: LinkStatus | undefined, said: LinkStatus): boolean {
  switch (act) {
    case 'pause':
      return said.state === 'paused'
    case 'resume':
      return said.state === 'running' && said.partitions.every(({ state }) => state !== 'paused')
    case 'restart-failed':
      // Each began anew, and has come past the looking.
      return failedOnes(before, said).every(
        ({ was, is }) => is === undefined || (is.since !== was.since && is.state !== 'starting'),
      )
    default:
      return act satisfies never
  }
}

function endOf(act: LinkAct, before: LinkStatus | undefined, said: LinkStatus): Omit<Ended, 'evidence'> {
  if (act !== 'restart-failed') return { outcome: 'done', text: act === 'pause' ? 'paused' : 'running' }
  const tried = failedOnes(before, said)
  const again = tried.flatMap(({ is }) => (is !== undefined && isFailed(is) ? [is] : []))
  if (again.length === 0) return { outcome: 'done', text: `${tried.length} begun anew, and well` }
  const first = again[0]!
  return {
    outcome: 'failed',
    text: `${again.length} of ${tried.length} failed again: ${nameOf(first)}: ${first.reason}`,
  }
}

const MAX_NAMED = 20

function evidenceOf(
  before: LinkStatus | undefined,
  said: LinkStatus | undefined,
  tookMs: number | null,
): Activity['evidence'] {
  return [
    { label: 'partitions', value: String(said?.partitions.length ?? 0) },
    ...(tookMs === null ? [] : [{ label: 'taken up after', value: `${(tookMs / 1_000).toFixed(1)} s` }]),
    ...failedOnes(before, said)
      .slice(0, MAX_NAMED)
      .map(({ was, is }) => ({
        label: nameOf(was).slice(0, 100),
        value: is === undefined ? 'not the link’s any more' : stateText(is).slice(0, 2_000),
      })),
  ]
}

const stateText = ({ state, reason }: LinkPartitionStatus): string =>
  reason === '' ? state : `${state}: ${reason}`
