import { renderTable } from '../../../foundation/text/table.ts'
import type { WebhookStanding } from '../../../operations/notify/contract.ts'
import { dataOf } from '../../api/client.ts'
import { connectApi } from '../api.ts'
import { print, printJson, say } from '../output.ts'

interface Json {
  readonly json?: boolean
}

export async function list({ json }: Json): Promise<void> {
  const { api } = await connectApi()
  const { items } = dataOf(await api.GET('/api/webhooks'))
  if (json === true) return printJson(items)
  if (items.length === 0)
    return say('Nobody is told of incidents: no webhook is declared (notify, in the fleet’s file).')
  print(
    renderTable<WebhookStanding>(
      [
        { title: 'NAME', value: row => row.name },
        { title: 'TO', value: row => row.url, shrinkTo: 20 },
        { title: 'STATE', value: row => row.state },
        { title: 'PENDING', align: 'right', value: row => row.pending },
        { title: 'DELIVERED', align: 'right', value: row => row.delivered },
        { title: 'GIVEN UP', align: 'right', value: row => row.givenUp },
        { title: 'LAST (UTC)', value: row => instant(row.lastDelivered) },
        { title: 'LAST ERROR', value: row => row.lastError?.why ?? '–', shrinkTo: 20 },
      ],
      items,
    ),
  )
  for (const { name, disabled, journal } of items) {
    if (disabled !== null)
      say(
        `${name} is disabled since ${instant(disabled.at)}: it ${disabled.why}. \`ajna incident webhooks test ${name}\` tries it again.`,
      )
    if (journal === 'away') say(`${name}: what is delivered cannot be noted now, and may be told again.`)
  }
}

/** All of them, or one. */
export async function test(name: string | undefined, { json }: Json): Promise<void> {
  const { api } = await connectApi()
  const names =
    name === undefined ? dataOf(await api.GET('/api/webhooks')).items.map(each => each.name) : [name]
  const tried = []
  for (const each of names) {
    const path = { name: each }
    tried.push({ name: each, ...dataOf(await api.POST('/api/webhooks/{name}/test', { params: { path } })) })
  }
  const failed = tried.filter(({ delivered }) => !delivered).length
  if (failed > 0) process.exitCode = failed === tried.length ? 1 : 4
  if (json === true) return printJson(tried)
  for (const { name: each, answer, tookMs, id } of tried)
    print(`${each}: ${answer} after ${tookMs} ms (${id})`)
  if (tried.length === 0) say('No webhook is declared.')
}

const instant = (at: number | null): string =>
  at === null ? '–' : new Date(at).toISOString().slice(0, 19).replace('T', ' ')
