import type { Applied, Machine } from '../../foundation/journal/contract.ts'
import {
  type Incident,
  type IncidentsCommand,
  type IncidentsState,
  incidentsCommand,
  incidentsState,
  isOver,
} from './contract.ts'

const MAX_INCIDENTS = 500

/**
 * Every healer tells of the same failure under the same id: the first that does has it, and only what follows on the last
 * telling is taken. What is over stays as it is.
 */
export const incidentsMachine: Machine<IncidentsState, IncidentsCommand> = {
  version: 1,
  initial: { incidents: [], paused: null },
  command: incidentsCommand,
  state: incidentsState,
  apply(state, command, meta) {
    switch (command.kind) {
      case 'tell':
        return tell(state, command.incident)
      case 'pause': {
        const { actor, reason } = command
        return { accepted: true, state: { ...state, paused: { actor, reason, at: meta.at } } }
      }
      case 'resume':
        return state.paused === null
          ? { accepted: false, reason: 'healing is not paused' }
          : { accepted: true, state: { ...state, paused: null } }
      default:
        return command satisfies never
    }
  },
}

function tell(state: IncidentsState, told: Incident): Applied<IncidentsState> {
  const { incidents } = state
  const at = incidents.findLastIndex(({ id }) => id === told.id)
  const before = incidents[at]
  if (before === undefined) {
    if (told.revision !== 0) return refused(`incident ${told.id} is not known (any more)`)
    return { accepted: true, state: { ...state, incidents: bounded([...incidents, told]) } }
  }
  if (isOver(before)) return refused(`incident ${told.id} is over`)
  if (told.revision !== before.revision + 1)
    return refused(`incident ${told.id} was told anew meanwhile, or by another`)
  return { accepted: true, state: { ...state, incidents: incidents.with(at, told) } }
}

const refused = (reason: string): Applied<IncidentsState> => ({ accepted: false, reason })

/** The oldest that are over make room. */
function bounded(incidents: readonly Incident[]): Incident[] {
  if (incidents.length <= MAX_INCIDENTS) return [...incidents]
  const oldest = incidents.findIndex(isOver)
  return incidents.toSpliced(Math.max(0, oldest), 1)
}
