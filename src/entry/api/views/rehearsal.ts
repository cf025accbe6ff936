/** A rehearsal as the API answers it: bounded, and with the command that carries it out. Pure. */
import { stepTexts } from '../../../operations/mirror/failover/plan.ts'
import type { Bound, Rehearsal } from '../../../operations/mirror/failover/rehearsal.ts'
import { tellingGroups, tellingPartitions } from '../../../operations/mirror/failover/render.ts'
import type { RehearsalAnswer } from '../models.ts'

const MAX_ROWS = 500

export function rehearsalAnswer(rehearsal: Rehearsal): RehearsalAnswer {
  const { partitions, groups, steps, forbids, notes, consents, writers, ...rest } = rehearsal
  const telling = tellingPartitions(partitions).toSorted((a, b) => most(b.lost) - most(a.lost))
  const moving = tellingGroups(groups).toSorted(
    (a, b) => most(b.skipped) + most(b.again) - most(a.skipped) - most(a.again),
  )
  return {
    ...rest,
    consents: [...consents],
    forbids: [...forbids],
    notes: [...notes],
    partitionsInAll: partitions.length,
    partitions: telling.slice(0, MAX_ROWS),
    positionsInAll: groups.length,
    groups: moving.slice(0, MAX_ROWS),
    writers: { closed: [...writers.closed], opened: [...writers.opened] },
    steps: steps.map(name => ({ name, text: stepTexts[name] })),
    command: commandOf(rehearsal),
    confirm: confirmationOf(rehearsal),
  }
}

/** For the order: what nobody can bound comes before every number. Finite, so that two of them can be compared. */
const most = ({ atMost }: Bound): number => atMost ?? Number.MAX_SAFE_INTEGER / 4

/** Typed by whoever has it carried out where it costs something; null: it costs nothing. */
export const confirmationOf = ({ link, lost, again, skipped, consents }: Rehearsal): string | null =>
  consents.length > 0 || [lost, again, skipped].some(({ atMost }) => atMost !== 0) ? link : null

/** What stands in the way, each with what it would help to say yes to. */
export const refusalsOf = ({ forbids, consents }: Rehearsal): string[] =>
  forbids
    .filter(({ unless }) => unless === null || !consents.includes(unless))
    .map(({ text, unless }) => (unless === null ? text : `${text} (unless: ${unless})`))

/** Links' names need no quotes. */
function commandOf({ link, action, planned, stay, consents }: Rehearsal): string {
  return [
    `./ajna link ${action} ${link}`,
    ...(action === 'promote' && !planned ? ['--unplanned'] : []),
    ...(action === 'failback' && stay ? ['--stay'] : []),
    ...consents.map(consent => `--${consent}`),
  ].join(' ')
}
