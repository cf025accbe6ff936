/** An incident of something that stands for a while: until it does not any more. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Chronicle } from '../chronicle.ts'
import type { Incident } from '../contract.ts'
import { isCurrent, type Work } from '../work.ts'
import { PATIENCE } from './facts.ts'

const LOOK_MS = 1_000

export async function watchCondition(
  work: Work,
  chronicle: Chronicle,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const { signal, now } = work
  const { calmMs } = { ...PATIENCE, ...work.patience }
  if (chronicle.now().cause === 'unclean-leader') {
    await chronicle.tell({ state: 'failed' }, 'nothing brings back what was lost: somebody has to look')
    return
  }
  let calmSince: number | undefined
  while (!signal.aborted && isCurrent(work, chronicle.now())) {
    if (work.stands(chronicle.now())) {
      calmSince = undefined
      await meanwhile()
    } else {
      calmSince ??= now()
      if (now() - calmSince >= calmMs) {
        await over(work, chronicle)
        return
      }
    }
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function over({ now }: Work, chronicle: Chronicle): Promise<void> {
  const at = now()
  const told: Partial<Incident> = {
    state: 'healed',
    availableAt: chronicle.now().availableAt ?? at,
    healedAt: at,
  }
  await chronicle.tell(told, 'it is not so any more')
}
