import { formatSize } from '../../foundation/config/units.ts'
import { LINK_DEFAULTS, type ResolvedFleet, type ResolvedLink } from './contract.ts'

/** What of a link changes with a declaration. Its workers take it up live once the declaration is accepted. */
export interface LinkChange {
  readonly link: string
  readonly change: 'new' | 'changed' | 'gone'
  /** As in the file; null: the link as a whole. */
  readonly setting: string | null
  /** Null: there is none. */
  readonly from: string | null
  readonly to: string | null
  readonly text: string
}

/** Links as they are declared against those that were accepted last, setting by setting. Pure. */
export function planLinks(fleet: ResolvedFleet, accepted: ResolvedFleet | null): LinkChange[] {
  const before = new Map((accepted?.links ?? []).map(link => [link.name, link]))
  const declared = new Set(fleet.links.map(({ name }) => name))
  return [
    ...fleet.links.flatMap(link => changesOf(link, before.get(link.name))),
    ...[...before.values()]
      .filter(({ name }) => !declared.has(name))
      .map(({ name }): LinkChange => {
        const text = `link ${name} ends: it is no longer declared; its copies stay`
        return { link: name, change: 'gone', setting: null, from: null, to: null, text }
      }),
  ]
}

function changesOf(link: ResolvedLink, before: ResolvedLink | undefined): LinkChange[] {
  const { name } = link
  const defaults = settingsOf({ name, from: '', to: '', topics: [], principal: '' })
  const is = settingsOf(link)
  if (before === undefined) {
    const settings = [...is].filter(([setting, value]) => value !== defaults.get(setting))
    const text = `link ${name} is made: ${settings.map(([setting, value]) => `${setting} ${value}`).join('; ')}`
    return [{ link: name, change: 'new', setting: null, from: null, to: null, text }]
  }
  const was = settingsOf(before)
  return [...is].flatMap(([setting, to]): LinkChange[] => {
    const from = was.get(setting)!
    if (from === to) return []
    return [
      { link: name, change: 'changed', setting, from, to, text: `link ${name}: ${setting}: ${from} → ${to}` },
    ]
  })
}

/** Every setting by its name in the file, as people read it. */
function settingsOf({ from, to, topics, settings = LINK_DEFAULTS, keep }: ResolvedLink): Map<string, string> {
  const { rate, headers } = settings
  return new Map([
    ['from', from],
    ['to', to],
    ['topics', list(topics)],
    [
      'replicationFactor',
      settings.replicationFactor === null ? 'as at the source' : String(settings.replicationFactor),
    ],
    ['onMissingTopic', settings.onMissingTopic],
    ['onFewerPartitions', settings.onFewerPartitions],
    ['onLoss', settings.onLoss],
    ['onSourceDeleted', settings.onSourceDeleted],
    ['maxGap', String(settings.maxGap)],
    ['offsets', settings.offsets],
    ['rate.link', rateText(rate.link)],
    ['rate.topic', rateText(rate.topic)],
    ['headers', list(headers.map(headerText))],
    ['keep.acls', list(keep?.acls ?? [])],
    ['keep.quotas', list(keep?.quotas ?? [])],
    ['keep.groups', list(keep?.groups ?? [])],
    ['keep.foreignPositions', keep?.foreignPositions ?? 'leave'],
    ['keep.every', `${keep?.everyMs ?? 5_000} ms`],
  ])
}

const list = (items: readonly string[]): string => (items.length === 0 ? 'none' : items.join(', '))
const rateText = (bytes: number | null): string =>
  bytes === null ? 'no limit' : `${formatSize(bytes)} a second`
const headerText = ({
  key,
  value,
  act,
}: {
  readonly key: string
  readonly value?: string
  readonly act: string
}) => `${act} ${key}${value === undefined ? '' : `=${value}`}`
