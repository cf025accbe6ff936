/** The steps of a switch, in order, and what each is. Pure. */
import type { FailoverFacts } from './facts.ts'
import type { RehearsalOptions } from './rehearsal.ts'
import { type Relations, topicsToRecreate } from './relation.ts'
import type { FailoverAction, FailoverState, StepName } from './state.ts'

const PLANNED: readonly StepName[] = [
  'seal-source',
  'settle-source',
  'catch-up-target',
  'stop-link',
  'fence-link',
  'equal-ends',
  'drain-source-groups',
  'move-groups-to-target',
  'open-target',
]

const UNPLANNED: readonly StepName[] = ['stop-link', 'fence-link', 'note-ends', 'open-target']

/** The target holds nothing of its own. */
const BACK_AT_ONCE: readonly StepName[] = [
  'seal-target',
  'untouched-target',
  'drain-target-groups',
  'move-groups-to-source',
  'reserve-target',
  'admit-link',
  'open-source',
  'start-link',
]

/** A promotion that had begun to open the target. */
const TAKEN_BACK: readonly StepName[] = [
  'seal-target',
  'untouched-target',
  'reserve-target',
  'admit-link',
  'open-source',
  'start-link',
]

const APPROACH: readonly StepName[] = ['admit-reverse', 'adopt-source', 'start-reverse', 'approach']

const BACK: readonly StepName[] = [
  'seal-target',
  'settle-target',
  'catch-up-source',
  'stop-reverse',
  'fence-reverse',
  'equal-ends',
  'drain-target-groups',
  'move-groups-to-source',
  'reserve-target',
  'adopt-ends',
  'admit-link',
  'open-source',
  'start-link',
]

/** A switch back that is given up: the reverse link copies on, the target's writers write on. */
const ON_WITH_REVERSE: readonly StepName[] = [
  'stop-reverse',
  'admit-reverse',
  'adopt-source',
  'start-reverse',
  'reopen-target',
]

/** From here on a switch back has to be gone on with: the target is about to be a copy again. */
const NO_WAY_BACK: StepName = 'reserve-target'

const begun = ({ operation }: FailoverState, step: StepName): boolean =>
  operation?.steps.some(({ name }) => name === step) === true

/** Whether a switch back that is under way can still be given up. */
export const canGiveUpReturn = (state: FailoverState): boolean =>
  state.phase === 'demoting' && !begun(state, NO_WAY_BACK)

/** Whether a promotion under way has let nobody write to the target yet: then it is taken back without it. */
export const targetStillClosed = (state: FailoverState): boolean =>
  state.phase === 'promoting' && !begun(state, 'open-target')

export function planOf(
  facts: FailoverFacts,
  { action, planned, stay }: RehearsalOptions,
  relations: Relations,
): StepName[] {
  const { state } = facts
  switch (action) {
    case 'promote':
      if (state.phase === 'demoting')
        return [
          ...(state.runs.reverse || begun(state, 'stop-reverse')
            ? ON_WITH_REVERSE
            : (['reopen-target'] as const)),
        ]
      if (planned) return [...PLANNED]
      return [...(facts.source.reachable ? (['try-seal-source'] as const) : []), ...UNPLANNED]
    case 'demote':
      if (targetStillClosed(state))
        return ['open-source', ...(begun(state, 'fence-link') ? (['admit-link'] as const) : []), 'start-link']
      if (state.phase === 'promoting') return [...TAKEN_BACK]
      return state.phase === 'returning' ? [...BACK] : [...BACK_AT_ONCE]
    case 'failback': {
      const rest = stay ? [] : BACK
      if (state.phase === 'returning') return ['approach', ...rest]
      const anew: readonly StepName[] =
        topicsToRecreate(facts, relations).size > 0 ? ['salvage', 'drop-diverged'] : []
      return ['seal-source', 'compare', ...anew, ...APPROACH, ...rest]
    }
    default:
      return action satisfies never
  }
}

/** As things that happen to a link, for people. */
export const actionNames: Readonly<Record<FailoverAction, string>> = {
  promote: 'promotion',
  demote: 'demotion',
  failback: 'failback',
}

export const stepTexts: Readonly<Record<StepName, string>> = {
  'seal-source': 'close the topics to every writer at the source, at every broker',
  'try-seal-source': 'close the topics to every writer at the source, as far as it answers',
  'settle-source': 'wait until no transaction is open at the source',
  'catch-up-target': 'wait until the copies end where the source does',
  'stop-link': 'stop the link',
  'fence-link': 'refuse writes of the link at the target, at every broker',
  'equal-ends': 'look once more that both sides end alike',
  'note-ends': 'note where the copies end',
  'drain-source-groups': 'wait until each group has read to the end at the source, or has stopped',
  'move-groups-to-target': 'move the groups to the target',
  'open-target': 'let the writers write at the target',
  compare: 'compare both sides from where they parted',
  salvage: 'copy what only the source holds into topics of its own',
  'drop-diverged': "delete the source's topics that went their own way",
  'admit-reverse': 'let only the reverse link write at the source',
  'adopt-source': "give the reverse link the source's logs from where they end",
  'start-reverse': 'copy from the target to the source',
  approach: 'wait until the source follows the target closely',
  'seal-target': 'close the topics to every writer at the target, at every broker',
  'settle-target': 'wait until no transaction is open at the target',
  'catch-up-source': 'wait until the source ends where the target does',
  'stop-reverse': 'stop the reverse link',
  'fence-reverse': 'refuse writes of the reverse link at the source, at every broker',
  'untouched-target': 'look that nothing was written at the target that the source lacks',
  'drain-target-groups': 'wait until each group has read to the end at the target, or has stopped',
  'move-groups-to-source': 'move the groups to the source',
  'reserve-target': 'take back what let others write at the target',
  'adopt-ends': 'tell the link that both sides are equal up to here',
  'admit-link': 'let only the link write at the target',
  'open-source': 'let the writers write at the source again',
  'start-link': 'start the link',
  'reopen-target': 'let the writers write at the target again',
}
