/** The rule of links whose sides are switched. Pure. */
import type { Applied } from '../../../foundation/journal/contract.ts'
import { COPYING } from '../failover/state.ts'
import type { CommandOf, KeptEntry, LinksState } from './contract.ts'

/** Whether the source is not simply the original: a switch is under way, or has been and was not undone. */
export function isSwitched({ sides }: Pick<KeptEntry, 'sides'>): boolean {
  return sides !== null && (sides.state.phase !== 'copying' || sides.state.operation !== null)
}

/**
 * Of a link and its way back never both; a link that was never switched may.
 *
 * @param reverseOf the link that it is the way back of, or null
 */
export function mayRun(
  { links }: Pick<LinksState, 'links'>,
  name: string,
  reverseOf: string | null,
): boolean {
  const there = reverseOf ?? name
  const runs = (Object.hasOwn(links, there) ? links[there]?.sides?.state : undefined)?.runs ?? COPYING.runs
  return reverseOf === null ? runs.link : runs.reverse
}

/**
 * Takes up how far a switch has come, if it was decided on what is. Whichever of the link and its way back is not to run is
 * stopped in the same moment. With the last step of a switch back the way back is gone.
 */
export function applySwitch(
  state: LinksState,
  entry: KeptEntry,
  { name, expected, state: switched }: CommandOf<'switch'>,
): Applied<LinksState> {
  const refused = (reason: string): Applied<never> => ({ accepted: false, reason })
  if (entry.reverseOf !== null) return refused(`link ${name} is the way back of ${entry.reverseOf}`)
  const version = entry.sides?.version ?? 0
  if (version !== expected)
    return refused(`decided on version ${expected} of the switch, it is at ${version}`)
  if (switched.runs.link && switched.runs.reverse) return refused('a link and its way back cannot both run')
  const after: KeptEntry = { ...entry, sides: { version: version + 1, state: switched } }
  const back = Object.entries(state.links).filter(([, each]) => each.reverseOf === name)
  const links: Record<string, KeptEntry> = { ...state.links }
  links[name] = switched.runs.link ? after : stopped(after)
  for (const [way, each] of back)
    if (isSwitched(after)) links[way] = switched.runs.reverse ? each : stopped(each)
    else delete links[way]
  return { accepted: true, state: { ...state, links } }
}

function stopped(entry: KeptEntry): KeptEntry {
  if (entry.definition.desired === 'stopped') return entry
  const definition = { ...entry.definition, desired: 'stopped' as const }
  return { ...entry, definition, version: entry.version + 1 }
}
