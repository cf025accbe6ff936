/** A rehearsal for people. Pure. */
import { count, renderTable, wrap } from '../../../foundation/text/table.ts'
import { actionNames, stepTexts } from './plan.ts'
import type { Bound, GroupOutcome, PartitionOutcome, Rehearsal } from './rehearsal.ts'

export function boundText({ atLeast, atMost }: Bound): string {
  if (atMost === null) return `≥ ${atLeast}`
  return atLeast === atMost ? String(atLeast) : `${atLeast}–${atMost}`
}

const isNone = ({ atMost }: Bound): boolean => atMost === 0

const titles: Readonly<Record<Rehearsal['action'], string>> = {
  promote: 'the target becomes the original',
  demote: 'the source becomes the original again',
  failback: 'the source follows the target, then becomes the original again',
}

export function renderRehearsal(rehearsal: Rehearsal): string {
  const { link, action, planned, stay } = rehearsal
  const how = action === 'promote' ? (planned ? ', planned' : ', without the source') : ''
  const title = stay && action === 'failback' ? 'the source follows the target' : titles[action]
  return [
    `${capital(actionNames[action])} of ${link}${how}: ${title}.`,
    refusalsText(rehearsal),
    ...rehearsal.notes.map(note => wrap(note)),
    partitionsText(rehearsal.partitions),
    groupsText(rehearsal.groups),
    sumsText(rehearsal),
    writersText(rehearsal),
    pauseText(rehearsal),
    stepsText(rehearsal),
  ]
    .filter(text => text !== '')
    .join('\n\n')
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function refusalsText({ forbids, consents, allowed }: Rehearsal): string {
  if (forbids.length === 0) return 'Nothing stands in the way.'
  const lines = forbids.map(({ text, unless }) => {
    const answer =
      unless === null
        ? ''
        : consents.includes(unless)
          ? ` (--${unless}: yes)`
          : ` (say --${unless} to go on all the same)`
    return wrap(`- ${text}${answer}`, undefined, '  ')
  })
  return [allowed ? 'In the way, and answered:' : 'Refused:', ...lines].join('\n')
}

/** Partitions of which there is something to say. */
export const tellingPartitions = (partitions: readonly PartitionOutcome[]): PartitionOutcome[] =>
  partitions.filter(({ toCopy, lost, note }) => (toCopy ?? 0) > 0 || !isNone(lost) || note !== '')

/** Positions of groups of which there is something to say. */
export const tellingGroups = (groups: readonly GroupOutcome[]): GroupOutcome[] =>
  groups.filter(
    ({ again, skipped, note, after }) => !isNone(again) || !isNone(skipped) || note !== '' || after === null,
  )

function partitionsText(partitions: readonly PartitionOutcome[]): string {
  const telling = tellingPartitions(partitions)
  const rest = partitions.length - telling.length
  const quiet = rest === 0 ? '' : `${count(rest, 'partition')} with nothing to copy and nothing to lose.`
  if (telling.length === 0) return quiet
  const table = renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}`, shrinkTo: 16 },
      { title: 'SOURCE END', value: row => row.sourceEnd ?? '?', align: 'right' },
      { title: 'TARGET END', value: row => row.targetEnd ?? '?', align: 'right' },
      { title: 'TO COPY', value: row => row.toCopy ?? '', align: 'right' },
      { title: 'LOST', value: row => boundText(row.lost), align: 'right' },
      {
        title: 'OFFSETS',
        value: ({ lostOffsets }) => (lostOffsets === null ? '' : `${lostOffsets.from}–${lostOffsets.to - 1}`),
      },
      { title: 'NOTE', value: row => row.note, shrinkTo: 12 },
    ],
    telling,
    140,
  )
  return quiet === '' ? table : `${table}\n${quiet}`
}

function groupsText(groups: readonly GroupOutcome[]): string {
  const telling = tellingGroups(groups)
  const rest = groups.length - telling.length
  const quiet =
    rest === 0 ? '' : `${count(rest, 'position')} of groups move with nothing read twice or skipped.`
  if (telling.length === 0) return quiet
  const table = renderTable(
    [
      { title: 'GROUP', value: row => row.group, shrinkTo: 16 },
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}`, shrinkTo: 16 },
      { title: 'STANDS AT', value: row => row.here ?? '–', align: 'right' },
      { title: 'THERE', value: row => row.there ?? '–', align: 'right' },
      { title: 'AFTER', value: row => row.after ?? '–', align: 'right' },
      { title: 'READ AGAIN', value: row => boundText(row.again), align: 'right' },
      { title: 'SKIPPED', value: row => boundText(row.skipped), align: 'right' },
      { title: 'NOTE', value: row => row.note, shrinkTo: 12 },
    ],
    telling,
    140,
  )
  return quiet === '' ? table : `${table}\n${quiet}`
}

const sumsText = ({ lost, again, skipped }: Rehearsal): string =>
  `Records lost: ${boundText(lost)}; read again: ${boundText(again)}; skipped: ${boundText(skipped)}.`

function writersText({ writers }: Rehearsal): string {
  const list = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '))
  return wrap(`Closed to: ${list(writers.closed)}. Opened to: ${list(writers.opened)}.`)
}

function pauseText({ pauseMs, pauseBasis }: Rehearsal): string {
  const text =
    pauseMs === null
      ? 'How long nobody can write is not known: '
      : `Nobody can write for about ${Math.ceil(pauseMs / 1000)} s: `
  return wrap(`${text}${pauseBasis}.`)
}

const stepsText = ({ steps }: Rehearsal): string =>
  steps.map((step, at) => `${String(at + 1).padStart(2)}. ${stepTexts[step]}`).join('\n')
