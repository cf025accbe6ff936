import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import {
  ACTIVITY_TOPIC,
  type Activity,
  type JournalStanding,
} from '../../../operations/fleet/activity/contract.ts'
import { activityOnDisk, describeStanding } from '../../../operations/fleet/activity/standing.ts'
import { CONTROL_UNREACHABLE, dataOf } from '../../api/client.ts'
import { outboxOf } from '../../outbox.ts'
import { connectApi } from '../api.ts'
import { print, printJson, say } from '../output.ts'

const PARTLY_EXIT = 4

export async function activity(options: { readonly limit: number; readonly json?: boolean }): Promise<void> {
  const { items, journal } = await listed(options.limit)
  const note = describeStanding(journal)
  if (note !== undefined) say(note)
  if (journal.state === 'away') process.exitCode = PARTLY_EXIT
  if (options.json === true) return printJson(items)
  print(
    renderTable(
      [
        { title: 'TIME (UTC)', value: row => new Date(row.at).toISOString().slice(0, 19).replace('T', ' ') },
        { title: 'WHO', value: row => row.actor },
        { title: 'OUTCOME', value: row => row.outcome },
        { title: 'WHAT', value: row => row.summary, shrinkTo: 30 },
      ],
      items,
    ),
  )
}

/** From the control process, or, when that does not answer, what this machine's disk has. */
async function listed(
  limit: number,
): Promise<{ readonly items: readonly Activity[]; readonly journal: JournalStanding }> {
  const { api, home, file } = await connectApi()
  try {
    return dataOf(await api.GET('/api/activity', { params: { query: { limit } } }))
  } catch (error) {
    if (!isAjnaError(error, CONTROL_UNREACHABLE)) throw error
    const cluster = file.fleet.topics.find(({ name }) => name === ACTIVITY_TOPIC)?.cluster ?? null
    const here = { outbox: outboxOf(home), copy: home.activityCopy, cluster }
    const { entries, journal } = await activityOnDisk(
      here,
      `the control process does not answer: ${error.message}`,
    )
    return { items: entries.toReversed().slice(0, limit), journal }
  }
}
