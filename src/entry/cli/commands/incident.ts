import { userInfo } from 'node:os'
import { renderTable } from '../../../foundation/text/table.ts'
import { type Incident, subjectText } from '../../../operations/heal/contract.ts'
import type { Verdict } from '../../../operations/heal/proposal.ts'
import { dataOf } from '../../api/client.ts'
import type { HealedCluster } from '../../api/models.ts'
import { connectApi } from '../api.ts'
import { after, incidentText, instant, remedyText } from '../incident-text.ts'
import { print, printJson, say } from '../output.ts'

export async function list(options: { readonly limit: number; readonly json?: boolean }): Promise<void> {
  const { api } = await connectApi()
  const { items, clusters } = dataOf(
    await api.GET('/api/incidents', { params: { query: { limit: options.limit } } }),
  )
  for (const each of clusters) if (each.state !== 'watching') say(standing(each))
  if (options.json === true) return printJson(items)
  if (items.length === 0) return say('No incident is known.')
  print(
    renderTable<Incident>(
      [
        { title: 'BEGAN (UTC)', value: row => instant(row.beganAt) },
        { title: 'WHAT', value: row => `${row.cause}: ${subjectText(row.subject)} of ${row.cluster}` },
        { title: 'STATE', value: row => row.state },
        { title: 'REMEDY', value: row => remedyText(row) },
        { title: 'FOUND', align: 'right', value: row => after(row, row.detectedAt) },
        { title: 'WRITABLE', align: 'right', value: row => after(row, row.availableAt) },
        { title: 'REDUNDANT', align: 'right', value: row => after(row, row.healedAt) },
        { title: 'ID', value: row => row.id },
      ],
      items,
    ),
  )
}

export async function show(id: string, options: { readonly json?: boolean }): Promise<void> {
  const { api } = await connectApi()
  const found = dataOf(await api.GET('/api/incidents/{id}', { params: { path: { id } } }))
  if (options.json === true) return printJson(found)
  print(incidentText(found))
}

export async function setHealing(paused: boolean, { reason }: { readonly reason: string }): Promise<void> {
  const { api } = await connectApi()
  const { clusters } = dataOf(
    await api.PUT('/api/healing', { body: { paused, reason, by: userInfo().username } }),
  )
  for (const each of clusters) say(standing(each))
}

export async function answer(
  id: string,
  verdict: Verdict,
  options: { readonly reason: string; readonly proposal?: number },
): Promise<void> {
  const { api } = await connectApi()
  const path = { id }
  const preview = dataOf(
    await api.GET('/api/incidents/{id}/approval', { params: { path, query: { verdict } } }),
  )
  const { confirm, effects, what, where } = preview
  const { reason, proposal = preview.proposal } = options
  const body = { verdict, proposal, confirm, reason, by: userInfo().username }
  dataOf(await api.POST('/api/incidents/{id}/approval', { params: { path }, body }))
  say([`${where}: ${what}`, ...effects.map(line => `  ${line}`)].join('\n'))
  say(`It is in the incidents’ journal; follow it with: ajna incident show ${id}`)
}

function standing({ cluster, keptAt, state, reason }: HealedCluster): string {
  switch (state) {
    case 'watching':
      return `${cluster}: failures are acted on (leases and incidents are kept on ${keptAt}).`
    case 'paused':
      return `${cluster}: healing is paused: ${reason}.`
    case 'away':
      return `${cluster}: nothing is acted on, since ${keptAt}, which keeps its leases, cannot be reached.`
    default:
      return state satisfies never
  }
}
