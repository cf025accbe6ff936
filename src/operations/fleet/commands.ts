import { count, renderTable, wrap } from '../../foundation/text/table.ts'
import type { ApplyResult, StepResult } from './apply.ts'
import type { LinkChange } from './plan-links.ts'
import type { FleetPlan, MachineChange, Note, Refusal, Step } from './plan-model.ts'
import type { TopicAtCluster, TopicView } from './topic-view.ts'

/** What `plan`, `apply`, `topic list` and `topic show` print. Pure: text in lines of at most 100 characters. */

const WIDTH = 100
const INDENT = '  '

/** How a reason is marked: what is to be made, what the file changed, what the cluster changed. */
const marks = { new: '+', changed: '~', drift: '!', differs: '~' } as const satisfies Record<
  Step['reason'],
  string
>

export function renderPlan(plan: FleetPlan): string {
  const clusters = [...new Set(plan.steps.map(({ cluster }) => cluster))]
  const sections = [
    ...clusters.map(cluster =>
      section(`cluster ${cluster}`, plan.steps.filter(step => step.cluster === cluster).flatMap(stepLines)),
    ),
    ...machineSections(plan.machines),
    ...linksSection(plan.links),
    ...(plan.refusals.length === 0
      ? []
      : [section('refused as unsafe', plan.refusals.flatMap(refusalLines))]),
    ...(plan.notes.length === 0 ? [] : [section('also seen', plan.notes.flatMap(noteLines))]),
  ]
  return [...sections, planSummary(plan)].join('\n\n')
}

const machineSections = (machines: readonly MachineChange[]): string[] =>
  machines.length === 0
    ? []
    : [
        section(
          'machines',
          machines.map(({ text }) => item(marks.changed, text)),
        ),
      ]

const section = (title: string, lines: readonly string[]): string => [title, ...lines].join('\n')

const item = (mark: string, text: string): string => wrap(`${INDENT}${mark} ${text}`, WIDTH, `${INDENT}  `)

const stepLines = (step: Step): string[] => [
  item(marks[step.reason], step.reason === 'drift' ? `${step.text} (drift)` : step.text),
  ...(step.warning === null ? [] : [wrap(`${INDENT}  careful: ${step.warning}`, WIDTH, `${INDENT}    `)]),
]

const refusalLines = ({ cluster, subject, wanted, because }: Refusal): string[] => [
  item('✗', `${subject} at cluster ${cluster}: ${wanted}`),
  wrap(`${INDENT}  because ${because}`, WIDTH, `${INDENT}    `),
]

const noteLines = (note: Note): string[] => [item(note.kind === 'not-known' ? '?' : '·', note.text)]

const linkMarks = { new: '+', changed: '~', gone: '-' } as const

const linksSection = (links: readonly LinkChange[]): string[] =>
  links.length === 0
    ? []
    : [
        section(
          'links',
          links.map(({ change, text }) => item(linkMarks[change], text)),
        ),
      ]

function planSummary({ fleet, steps, machines, refusals, notes, links }: FleetPlan): string {
  const unseen = notes.some(({ kind }) => kind === 'not-known')
  if (steps.length + machines.length + refusals.length + links.length === 0) {
    return unseen
      ? `Fleet ${fleet}: nothing to do where it could be seen; the rest is not known.`
      : `Fleet ${fleet} is as declared.`
  }
  const drift = steps.filter(({ reason }) => reason === 'drift').length
  const parts = [
    `${count(steps.length, 'step')}${drift === 0 ? '' : `, ${drift} of them drift`}`,
    ...(machines.length === 0 ? [] : [`${count(machines.length, 'change')} of machines' processes`]),
    ...(links.length === 0 ? [] : [`${count(links.length, 'change')} of links`]),
    ...(refusals.length === 0 ? [] : [`${refusals.length} refused`]),
    ...(unseen ? ['not everything could be seen'] : []),
  ]
  return `Fleet ${fleet}: ${parts.join('; ')}.`
}

/** One line as a step ends: for people who wait. */
export const renderProgress = ({ step, state, error, tookMs }: StepResult): string =>
  wrap(
    state === 'done'
      ? `${step.cluster}: ${step.text} (${tookMs} ms)`
      : `${step.cluster}: ${step.text}: ${state}${error === null ? '' : `: ${error.message}`}`,
    WIDTH,
    INDENT,
  )

export function renderApply({ fleet, results, machines, refusals, notes, links }: ApplyResult): string {
  const table = renderTable<StepResult>(
    [
      { title: 'CLUSTER', value: ({ step }) => step.cluster },
      { title: 'STEP', value: ({ step }) => step.text, shrinkTo: 20 },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'MS', value: ({ tookMs }) => tookMs, align: 'right' },
    ],
    results,
    WIDTH,
  )
  const failed = results.filter(({ error }) => error !== null)
  const done = results.length - failed.length
  const summary =
    results.length + machines.length + refusals.length + links.length === 0
      ? `Fleet ${fleet}: nothing to do.`
      : `Fleet ${fleet}: ${done} of ${count(results.length, 'step')} done${refusals.length === 0 ? '' : `, ${refusals.length} refused`}.`
  return [
    ...(results.length === 0 ? [] : [table]),
    ...machineSections(machines),
    ...linksSection(links),
    ...(failed.length === 0 ? [] : [section('not done', failed.flatMap(failureLines))]),
    ...(refusals.length === 0 ? [] : [section('refused as unsafe', refusals.flatMap(refusalLines))]),
    ...(notes.length === 0 ? [] : [section('also seen', notes.flatMap(noteLines))]),
    summary,
  ].join('\n\n')
}

const failureLines = ({ step, error }: StepResult): string[] => [
  item('✗', `${step.cluster}: ${step.text}`),
  wrap(`${INDENT}  ${error!.code}: ${error!.message}`, WIDTH, `${INDENT}    `),
  wrap(`${INDENT}  ${error!.remedy}`, WIDTH, `${INDENT}    `),
]

/** A number, or a dash for what is not known. */
const known = (value: number | null | undefined): string => value?.toLocaleString('en-US') ?? '–'

interface TopicRow {
  readonly view: TopicView
  readonly at: TopicAtCluster
}

const factsOf = ({ at: { seen } }: TopicRow) => (seen.kind === 'there' ? seen.topic : undefined)

const stateOf = ({ seen }: TopicAtCluster): string => {
  switch (seen.kind) {
    case 'missing':
      return 'missing'
    case 'not-known':
      return 'not known'
    case 'there': {
      const { partitions, minInsyncReplicas } = seen.topic
      if (partitions.some(({ leader }) => leader === null)) return 'offline'
      if (partitions.some(({ isr }) => minInsyncReplicas !== null && isr.length < minInsyncReplicas))
        return 'read-only'
      return partitions.some(({ isr, replicas }) => isr.length < replicas.length) ? 'under-replicated' : 'ok'
    }
  }
}

/** A row for each topic at each cluster. */
export function renderTopicList(views: readonly TopicView[]): string {
  if (views.length === 0) return 'No topics.'
  const rows = views.flatMap(view => view.at.map(at => ({ view, at })))
  return renderTable<TopicRow>(
    [
      { title: 'TOPIC', value: ({ view }) => view.name, shrinkTo: 16 },
      { title: 'CLUSTER', value: ({ at }) => at.cluster, shrinkTo: 10 },
      { title: 'ROLE', value: ({ at }) => at.role },
      { title: 'TENANT', value: ({ view }) => view.tenant ?? '–', shrinkTo: 8 },
      { title: 'PARTITIONS', value: row => known(factsOf(row)?.partitions.length), align: 'right' },
      { title: 'RF', value: row => known(factsOf(row)?.replicationFactor), align: 'right' },
      { title: 'RECORDS', value: row => known(factsOf(row)?.records), align: 'right' },
      {
        title: 'LAG',
        value: row => (row.at.role === 'copy' ? known(factsOf(row)?.lag) : ''),
        align: 'right',
      },
      { title: 'STATE', value: ({ at }) => stateOf(at) },
    ],
    rows,
    WIDTH,
  )
}

export function renderTopic(view: TopicView): string {
  const head = [`topic   ${view.name}`, `tenant  ${view.tenant ?? 'none: it is not declared'}`].join('\n')
  return [head, ...view.at.map(renderTopicAt)].join('\n\n')
}

function renderTopicAt(at: TopicAtCluster): string {
  const how = at.link === null ? at.role : `${at.role} by link ${at.link}`
  const title = `cluster ${at.cluster} (site ${at.site}): ${how}`
  if (at.seen.kind === 'missing') return section(title, [`${INDENT}not there`])
  if (at.seen.kind === 'not-known')
    return section(title, [wrap(`${INDENT}not known: ${at.seen.error.message}`, WIDTH, INDENT)])
  const { topic } = at.seen
  const config = Object.entries(topic.config ?? {}).map(([name, value]) => `${name}=${value}`)
  const lines = [
    `id ${topic.id}, replication factor ${topic.replicationFactor}, min ISR ${known(topic.minInsyncReplicas)}, ${stateOf(at)}`,
    topic.config === null
      ? 'settings not known'
      : `settings: ${config.length === 0 ? "the cluster's" : config.join(', ')}`,
  ]
  const table = renderTable(
    [
      { title: 'PARTITION', value: each => each.partition, align: 'right' },
      { title: 'LEADER', value: each => known(each.leader), align: 'right' },
      { title: 'REPLICAS', value: each => each.replicas.join(',') },
      { title: 'IN SYNC', value: each => each.isr.join(',') },
      { title: 'EARLIEST', value: each => known(each.earliest), align: 'right' },
      { title: 'LATEST', value: each => known(each.latest), align: 'right' },
      ...(at.role === 'copy'
        ? [
            {
              title: 'LAG',
              value: (each: (typeof topic.partitions)[number]) => known(each.lag),
              align: 'right' as const,
            },
          ]
        : []),
    ],
    topic.partitions,
    WIDTH - INDENT.length,
  )
  return section(title, [
    ...lines.map(line => wrap(INDENT + line, WIDTH, INDENT)),
    ...table.split('\n').map(line => INDENT + line),
  ])
}
