/** What an act on a link would do, in the operator's words. Pure. */
import type { ActPreview, LinkAct, LinkPartition } from '../models.ts'
import type { LinkFacts } from '../platform.ts'
import { many } from './clusters.ts'

type Preview = Omit<ActPreview, 'offer' | 'confirm'>

export function linkActPreview(link: LinkFacts, act: LinkAct): Preview {
  const where = `every mirror worker that has partitions of it; ${link.from} and ${link.to} are not changed`
  const howLong = 'workers take it up within a second or two; how it ended stands in the activity log'
  return { where, howLong, ...PREVIEWS[act](link) }
}

type Told = Pick<Preview, 'what' | 'effects' | 'undo'>

const PREVIEWS: Readonly<Record<LinkAct, (link: LinkFacts) => Told>> = {
  pause: link => ({
    what: `Pause link ${link.name}: nothing more is copied; positions and who works on what stay.`,
    effects: [
      `${many(link.partitions, 'partition')} stay where they are${rateOf(link)}`,
      'the lag grows until it is resumed; a source whose retention overtakes it has lost records for this link',
      ...(link.keeps.length === 0 ? [] : [`${keptText(link)} are not kept in step meanwhile`]),
      'consumers of the copies read what is there',
    ],
    undo: 'Resume it: it goes on where each copy ends.',
  }),
  resume: link => ({
    what: `Have link ${link.name} run: every partition goes on where its copy ends.`,
    effects: [
      'both logs are looked at anew: a partition whose source lost records meanwhile halts, and says why',
      'until it has caught up it copies as fast as both clusters let it, or its own limit',
      ...(link.desired === 'stopped' ? ['its partitions are given to workers again'] : []),
    ],
    undo: 'Pause it again.',
  }),
  'restart-failed': link => ({
    what: `Look anew at what link ${link.name} has halted or blocked, and go on where that is possible.`,
    effects: [
      ...link.assigned.filter(isFailed).slice(0, 5).map(told),
      ...(failed(link) > 5 ? [`and ${failed(link) - 5} more`] : []),
      'nothing is skipped: a partition whose cause is still there halts again, with the reason',
      'the other partitions flow on undisturbed',
    ],
    undo: 'None needed: what was halted and still has to be is halted again.',
  }),
}

const KEPT = { groups: 'consumer groups', acls: 'access rules', quotas: 'quotas' } as const
const keptText = ({ keeps }: LinkFacts): string => keeps.map(each => KEPT[each]).join(', ')

const failed = ({ haltedPartitions, blockedPartitions }: LinkFacts): number =>
  haltedPartitions + blockedPartitions

const isFailed = ({ state }: LinkPartition): boolean => state === 'halted' || state === 'blocked'

const told = ({ topic, partition, state, reason }: LinkPartition): string =>
  `${topic}-${partition}, ${state}: ${reason}`

const rateOf = ({ recordsPerSecond }: LinkFacts): string =>
  recordsPerSecond === null || recordsPerSecond < 1
    ? ''
    : `; about ${many(Math.round(recordsPerSecond), 'record')} a second are copied now`
