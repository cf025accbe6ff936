/** Incidents as kept in a journal on another cluster than those they are about. */
import type { Journal } from '../../foundation/journal/journal.ts'
import type { IncidentsCommand, IncidentsState } from '../../operations/heal/contract.ts'
import type { IncidentBook } from '../../operations/heal/ends.ts'

export function bookOf(journal: Journal<IncidentsState, IncidentsCommand>): IncidentBook {
  return {
    list: () => journal.state().incidents,
    paused: () => journal.state().paused?.reason ?? null,
    async tell(incident, signal) {
      const outcome = await journal.submit({ kind: 'tell', incident }, { signal })
      return outcome.accepted ? undefined : outcome.reason
    },
  }
}
