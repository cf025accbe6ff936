/** A difference for people, and as the JSON that a dry run prints. Pure. */
import { describeAcl, type QuotaValues } from '../../../foundation/kafka/security.ts'
import { count, renderTable } from '../../../foundation/text/table.ts'
import type { Difference, KeepChange } from './difference.ts'
import { entityName } from './rights.ts'

interface Row {
  readonly what: string
  readonly which: string
  readonly from: string
  readonly to: string
  readonly why: string
}

export function differenceJson({ changes, left, held }: Difference) {
  return { changes, left, held: Object.fromEntries(held) }
}

export function renderDifference({ changes, left, held }: Difference): string {
  const parts: string[] = []
  if (changes.length === 0) parts.push('Nothing to change: the target is in step.')
  else
    parts.push(
      renderTable(
        [
          { title: 'WHAT', value: row => row.what },
          { title: 'WHICH', value: row => row.which, shrinkTo: 24 },
          { title: 'FROM', value: row => row.from, align: 'right' },
          { title: 'TO', value: row => row.to, align: 'right' },
          { title: 'WHY', value: row => row.why },
        ],
        changes.map(rowOf),
      ),
    )
  if (held.size > 0) {
    const records = [...held.values()].reduce((sum, each) => sum + each, 0)
    parts.push(
      `${count(held.size, 'group')} held back at the copy's end, ${count(records, 'record')} before where they stand at the source.`,
    )
  }
  if (left.length > 0)
    parts.push(
      renderTable(
        [
          { title: 'LEFT', value: row => row.what },
          { title: 'WHICH', value: row => row.subject, shrinkTo: 24 },
          { title: 'WHY', value: row => row.reason },
        ],
        left,
      ),
    )
  return parts.join('\n\n')
}

function rowOf(change: KeepChange): Row {
  switch (change.kind) {
    case 'create-acl':
      return { what: 'add rule', which: describeAcl(change.acl), from: '', to: '', why: change.why }
    case 'delete-acl':
      return { what: 'take rule away', which: describeAcl(change.acl), from: '', to: '', why: change.why }
    case 'set-quota': {
      const names = Object.keys(change.set) as (keyof QuotaValues)[]
      const texts = (value: (name: keyof QuotaValues) => number | null | undefined): string =>
        names.map(name => value(name) ?? 'unlimited').join(', ')
      return {
        what: 'set quota',
        which: `${entityName(change.entity)} ${names.join(', ')}`,
        from: texts(name => change.from[name]),
        to: texts(name => change.set[name]),
        why: change.why,
      }
    }
    case 'move-group':
      return {
        what: 'move group',
        which: `${change.group} ${change.topic}-${change.partition}`,
        from: change.from === null ? '–' : String(change.from),
        to: String(change.to),
        why: change.why,
      }
    default:
      return change satisfies never
  }
}
