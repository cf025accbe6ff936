import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { readIfThere, writeWhole } from '../../foundation/files/whole.ts'
import { type Fence, fence } from '../fleet/interlock/contract.ts'
import { FENCING_KEEPERS_TOO_MANY, FENCING_STATE_DAMAGED, FENCING_TOKEN_STALE } from './errors.ts'
import { BEFORE_HOLDS_MS, judge, MOST_KEEPERS, NOTHING_OBEYED, type Obeyed } from './fencing.ts'

const { keeper, token } = fence.shape
const time = z.number().nonnegative()

const tokensFile = z.object({
  keepers: z.array(z.object({ keeper, token, at: time })).max(MOST_KEEPERS),
  before: z.object({ highest: token, until: time }).nullable(),
})
/** As it was written when keepers were not told apart. */
const earlierFile = z.object({ highest: token })

export interface FencingTokens {
  /**
   * Returns once the order may be carried out: what is to be remembered of it is on the disk.
   *
   * @throws AjnaError FENCING_TOKEN_STALE, FENCING_KEEPERS_TOO_MANY; what writing the file throws
   */
  obey(order: Fence): Promise<void>
}

/**
 * The highest fencing token of each keeper that this host has obeyed. A damaged file is an error: to guess would be to obey a
 * deposed owner.
 *
 * @throws AjnaError FENCING_STATE_DAMAGED; what writing the file throws
 */
export async function openTokens(path: string, now: () => number = Date.now): Promise<FencingTokens> {
  const text = await readIfThere(path)
  let obeyed = text === undefined ? NOTHING_OBEYED : parse(path, text, now())
  let saved: Obeyed | undefined = text === undefined ? obeyed : undefined
  let last: Promise<void> = Promise.resolve()

  // One after another: of two that are written at once the older could come to lie over the newer.
  function save(): Promise<void> {
    const mine = last.then(async () => {
      if (saved === obeyed) return
      const wanted = obeyed
      await mkdir(dirname(path), { recursive: true })
      await writeWhole(path, JSON.stringify(wanted))
      saved = wanted
    })
    last = mine.catch(() => undefined)
    return mine
  }

  // From when on an earlier version's file is forgotten is settled by its first reading.
  if (text !== undefined) await save()
  return {
    async obey(order) {
      const judged = judge(obeyed, order, now())
      if (judged.kind === 'stale') throw stale(order, judged.highest)
      if (judged.kind === 'full')
        throw new AjnaError(FENCING_KEEPERS_TOO_MANY, `${path} holds ${MOST_KEEPERS} keepers already`)
      obeyed = judged.obeyed
      await save()
    },
  }
}

const stale = ({ keeper: of, token: given }: Fence, highest: number): AjnaError =>
  new AjnaError(FENCING_TOKEN_STALE, `token ${given} of keeper ${of} comes after ${highest}`, {
    details: { keeper: of, given, highest },
  })

function parse(path: string, text: string, now: number): Obeyed {
  try {
    const json: unknown = JSON.parse(text)
    const earlier = earlierFile.safeParse(json)
    if (!earlier.success) return tokensFile.parse(json)
    return { keepers: [], before: { highest: earlier.data.highest, until: now + BEFORE_HOLDS_MS } }
  } catch (cause) {
    throw new AjnaError(FENCING_STATE_DAMAGED, `${path} does not hold tokens`, { cause })
  }
}
