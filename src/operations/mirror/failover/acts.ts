/** What each step of a switch does. Every one may be repeated: it looks first, and waits until its effect is there. */
import { compareSides, dropDiverged, salvageTails } from './acts-diverged.ts'
import {
  adoptEnds,
  adoptSource,
  approach,
  catchUp,
  equalEnds,
  noteEnds,
  settle,
  start,
  stop,
  untouchedTarget,
} from './acts-ends.ts'
import { drain, moveGroups } from './acts-groups.ts'
import {
  admitLink,
  admitReverse,
  fence,
  openSource,
  openTarget,
  reopenTarget,
  reserveTarget,
  seal,
  trySeal,
} from './acts-rules.ts'
import type { StepName } from './state.ts'
import type { Evidence, Switching } from './switching.ts'

type Act = (at: Switching) => Promise<Evidence>

/** @throws AjnaError FAILOVER_STUCK, and what the clusters answer */
export const acts: Readonly<Record<StepName, Act>> = {
  'seal-source': at => seal(at, 'source'),
  'try-seal-source': at => trySeal(at, 'source'),
  'settle-source': at => settle(at, 'source'),
  'catch-up-target': at => catchUp(at, 'source'),
  'stop-link': at => stop(at, 'link'),
  'fence-link': at => fence(at, 'target'),
  'equal-ends': equalEnds,
  'note-ends': noteEnds,
  'drain-source-groups': at => drain(at, 'source'),
  'move-groups-to-target': at => moveGroups(at, 'target'),
  'open-target': openTarget,
  compare: compareSides,
  salvage: salvageTails,
  'drop-diverged': dropDiverged,
  'admit-reverse': admitReverse,
  'adopt-source': adoptSource,
  'start-reverse': at => start(at, 'reverse'),
  approach,
  'seal-target': at => seal(at, 'target'),
  'settle-target': at => settle(at, 'target'),
  'catch-up-source': at => catchUp(at, 'target'),
  'stop-reverse': at => stop(at, 'reverse'),
  'fence-reverse': at => fence(at, 'source'),
  'untouched-target': untouchedTarget,
  'drain-target-groups': at => drain(at, 'target'),
  'move-groups-to-source': at => moveGroups(at, 'source'),
  'reserve-target': reserveTarget,
  'adopt-ends': adoptEnds,
  'admit-link': admitLink,
  'open-source': openSource,
  'start-link': at => start(at, 'link'),
  'reopen-target': reopenTarget,
}
