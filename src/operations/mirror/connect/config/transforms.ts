import { isAjnaError } from '../../../../foundation/errors/errors.ts'
import type { LinkDefinition } from '../../definition.ts'
import { parseJavaRegex, type RegexItem, type RegexSequence } from './java-regex.ts'
import { type KeySpec, type Problem, understood } from './key.ts'
import type { ConnectorConfig, KeyFamily } from './reading.ts'

/**
 * Single message transforms, as far as a link does what they do: names that get a prefix or a suffix, records left out by a
 * header. Every other one would rewrite records, which pass as they are, and is refused by its name.
 */

const APACHE = 'org.apache.kafka.connect.transforms.'
const ROUTER = `${APACHE}RegexRouter`
const FILTER = `${APACHE}Filter`
const HAS_HEADER = `${APACHE}predicates.HasHeaderKey`

export interface Transformed {
  readonly prefix: string
  readonly suffix: string
  readonly headers: LinkDefinition['headers']
  readonly problems: readonly Problem[]
}

const member = (name: string, type: KeySpec['type'], becomes: string): KeySpec =>
  understood([name, type, null, 'MEDIUM'], becomes)

const TRANSFORM_MEMBERS: Readonly<Record<string, KeySpec>> = {
  type: member('type', 'CLASS', 'RegexRouter or Filter.'),
  regex: member('regex', 'STRING', 'RegexRouter: an expression for every name.'),
  replacement: member('replacement', 'STRING', 'RegexRouter: the name between a prefix and a suffix.'),
  predicate: member('predicate', 'STRING', 'Filter: which of the predicates decides.'),
  negate: member('negate', 'BOOLEAN', 'Filter: true leaves out the records that have no such header.'),
}
const PREDICATE_MEMBERS: Readonly<Record<string, KeySpec>> = {
  type: member('type', 'CLASS', 'HasHeaderKey.'),
  name: member('name', 'STRING', 'HasHeaderKey: the header’s key.'),
}

/** Those a configuration may name, with their own keys. */
export const transformPlugins: readonly {
  readonly class: string
  readonly type: string
  readonly keys: readonly KeySpec[]
}[] = [
  {
    class: ROUTER,
    type: 'transformation',
    keys: [TRANSFORM_MEMBERS['regex']!, TRANSFORM_MEMBERS['replacement']!],
  },
  { class: FILTER, type: 'transformation', keys: [] },
  { class: HAS_HEADER, type: 'predicate', keys: [PREDICATE_MEMBERS['name']!] },
]

/** `transforms.<alias>.…`; what no transform here has is refused with its transform, not as an unknown key. */
export const transformFamily: KeyFamily = aliasFamily(
  'transforms.',
  TRANSFORM_MEMBERS,
  '`transforms.<alias>.type`, `regex` and `replacement` of a RegexRouter whose regex is `(.*)` or `.*`; `predicate` and `negate` of a Filter.',
)
export const predicateFamily: KeyFamily = aliasFamily(
  'predicates.',
  PREDICATE_MEMBERS,
  '`predicates.<alias>.type` and `name` of a HasHeaderKey.',
)

function aliasFamily(prefix: string, members: Readonly<Record<string, KeySpec>>, about: string): KeyFamily {
  return {
    prefix,
    about,
    find(rest) {
      const name = /^[^.]+\.(.+)$/.exec(rest)?.[1]
      if (name === undefined) return undefined
      return Object.hasOwn(members, name)
        ? members[name]
        : member(name, 'STRING', 'belongs to one that is refused.')
    },
    names: [],
  }
}

export function readTransforms(
  config: ConnectorConfig,
  transforms: readonly string[],
  predicates: readonly string[],
): Transformed {
  const problems: Problem[] = [
    ...strangers(config, 'transforms', transforms),
    ...strangers(config, 'predicates', predicates),
  ]
  let prefix = ''
  let suffix = ''
  const headers: LinkDefinition['headers'][number][] = []
  for (const alias of transforms) {
    const at = (name: string): string => `transforms.${alias}.${name}`
    const type = config[at('type')]
    switch (className(type)) {
      case undefined:
        problems.push({ key: at('type'), message: 'must be given' })
        break
      case ROUTER: {
        const renaming = readRouter(config, at, problems)
        // Each later one sees the name that earlier ones made.
        prefix = renaming.prefix + prefix
        suffix = suffix + renaming.suffix
        break
      }
      case FILTER:
        headers.push(...readFilter(config, at, predicates, problems))
        break
      default:
        problems.push({ key: at('type'), message: transformRefusal(type!) })
    }
  }
  return { prefix, suffix, headers, problems }
}

/** Connect takes the simple name for the class too. */
function className(text: string | undefined): string | undefined {
  const type = text?.trim()
  if (type === undefined || type === '') return undefined
  for (const known of [ROUTER, FILTER, HAS_HEADER])
    if (type === known || type === known.slice(known.lastIndexOf('.') + 1)) return known
  return type
}

/** Keys of an alias that the list does not name: a misspelt alias would otherwise do nothing in silence. */
function strangers(
  config: ConnectorConfig,
  list: 'transforms' | 'predicates',
  named: readonly string[],
): Problem[] {
  return Object.keys(config)
    .filter(key => key.startsWith(`${list}.`))
    .filter(key => !named.includes(key.slice(list.length + 1).split('.')[0]!))
    .map(key => ({ key, message: `\`${list}\` names no such alias` }))
}

function readRouter(
  config: ConnectorConfig,
  at: (name: string) => string,
  problems: Problem[],
): { readonly prefix: string; readonly suffix: string } {
  const none = { prefix: '', suffix: '' }
  const [regex, replacement] = [config[at('regex')], config[at('replacement')]]
  if (config[at('predicate')] !== undefined) {
    problems.push({
      key: at('predicate'),
      message: 'is refused: all records of a topic go to one copy. Leave the predicate out.',
    })
    return none
  }
  if (regex === undefined || replacement === undefined) {
    problems.push({ key: at(regex === undefined ? 'regex' : 'replacement'), message: 'must be given' })
    return none
  }
  const groups = wholeNameGroups(regex)
  if (groups === undefined) {
    problems.push({
      key: at('regex'),
      message:
        'is refused: every copy is named like its topic, with one prefix and one suffix. Write (.*), and name the topics where topics are chosen.',
    })
    return none
  }
  const parts = replacementParts(replacement, groups)
  if (parts !== undefined) return parts
  problems.push({
    key: at('replacement'),
    message: `is refused: it must hold the whole name once, as ${groups === 1 ? '$1 or $0' : '$0'}, and else what a topic’s name may have`,
  })
  return none
}

/** How many groups an expression has that takes any name whole: `.*` none, `(.*)` one; undefined for all others. */
function wholeNameGroups(regex: string): 0 | 1 | undefined {
  try {
    const options = parseJavaRegex(regex)
    const items = options.length === 1 ? anchorless(options[0]!) : []
    const [only] = items
    if (items.length !== 1 || only === undefined) return undefined
    if (isAnything(only)) return 0
    if (only.node.kind !== 'group' || only.times !== undefined || regex.includes('(?')) return undefined
    const inner = only.node.options
    return inner.length === 1 && inner[0]!.length === 1 && isAnything(inner[0]![0]!) ? 1 : undefined
  } catch (error) {
    if (isAjnaError(error)) return undefined
    throw error
  }
}

const isAnything = ({ node, times }: RegexItem): boolean =>
  node.kind === 'any' && times !== undefined && times.least <= 1 && times.most === undefined

const anchorless = (items: RegexSequence): RegexSequence =>
  items.filter(({ node }) => node.kind !== 'start' && node.kind !== 'end')

function replacementParts(
  replacement: string,
  groups: 0 | 1,
): { readonly prefix: string; readonly suffix: string } | undefined {
  const found = /^([A-Za-z0-9._-]*)\$([01])([A-Za-z._-][A-Za-z0-9._-]*)?$/.exec(
    replacement.replaceAll(/\\([._-])/g, '$1'),
  )
  if (found === null || Number(found[2]) > groups) return undefined
  return { prefix: found[1]!, suffix: found[3] ?? '' }
}

function readFilter(
  config: ConnectorConfig,
  at: (name: string) => string,
  predicates: readonly string[],
  problems: Problem[],
): readonly LinkDefinition['headers'][number][] {
  const predicate = config[at('predicate')]?.trim()
  if (predicate === undefined || predicate === '') {
    problems.push({ key: at('predicate'), message: 'must be given: without one, no record would be copied' })
    return []
  }
  if (!predicates.includes(predicate)) {
    problems.push({ key: at('predicate'), message: `\`predicates\` names no ${JSON.stringify(predicate)}` })
    return []
  }
  const type = config[`predicates.${predicate}.type`]
  const key = config[`predicates.${predicate}.name`]
  if (className(type) !== HAS_HEADER) {
    problems.push({
      key: `predicates.${predicate}.type`,
      message: `${JSON.stringify(type ?? '')} is refused: records are left out by their headers, with HasHeaderKey. Topics are chosen where topics are named.`,
    })
    return []
  }
  if (key === undefined || key === '') {
    problems.push({ key: `predicates.${predicate}.name`, message: 'must be given' })
    return []
  }
  const negated = config[at('negate')]?.trim().toLowerCase() === 'true'
  return [{ key, act: negated ? 'keep' : 'drop' }]
}

function transformRefusal(type: string): string {
  const simple = type.trim().split('.').at(-1)!.split('$')[0]!
  const why = REFUSALS.find(([pattern]) => pattern.test(simple))?.[1] ?? 'no foreign code runs in a link'
  return `${JSON.stringify(type.slice(0, 200))} is refused: ${why}. Take it out of \`transforms\`; records can be changed where they are read.`
}

const REFUSALS: readonly (readonly [simpleName: RegExp, why: string])[] = [
  [
    /Router$/,
    'every copy is named like its topic, with one prefix and one suffix, which RegexRouter can say',
  ],
  [
    /^(Cast|ExtractField|Flatten|HoistField|InsertField|MaskField|ReplaceField|ValueToKey|SetSchemaMetadata|TimestampConverter)$/,
    'it changes fields, and records pass as bytes that nobody looks into',
  ],
  [
    /^(DropHeaders|HeaderFrom|InsertHeader)$/,
    'it changes headers, and records pass unchanged; whole records can be left out by a header, with Filter',
  ],
]
