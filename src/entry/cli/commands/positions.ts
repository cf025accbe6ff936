import { readFile } from 'node:fs/promises'
import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { openSession } from '../../../foundation/http/session.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import { ADMIN_PRINCIPAL } from '../../../operations/fleet/contract.ts'
import {
  type FormatNames,
  type PositionFormat,
  positionFormats,
  readPositions,
  writePositions,
} from '../../../operations/mirror/connect/offsets/formats.ts'
import type { Relieved } from '../../../operations/mirror/connect/offsets/relieve.ts'
import { type Predecessor, planTakeover } from '../../../operations/mirror/connect/offsets/takeover.ts'
import { connectorOf } from '../../../operations/mirror/connect/stored.ts'
import { LINK_UNKNOWN } from '../../../operations/mirror/errors.ts'
import { openLinkRegistry } from '../../../operations/mirror/links/registry.ts'
import type { LinkEntry, LinkPositionChange, LinkRegistry } from '../../../operations/mirror/registry.ts'
import { askWorker } from '../../control/links.ts'
import { homeOf } from '../../home.ts'
import { connectEnds, openLinksJournal } from '../../links.ts'
import { print, printJson, say } from '../output.ts'

const POSITIONS_FORMAT_UNKNOWN = errorKind(
  'POSITIONS_FORMAT_UNKNOWN',
  'There is no such format of positions.',
  `Use one of: ${positionFormats.join(', ')}.`,
  2,
)
const RELIEF_UNCLEAR = errorKind(
  'RELIEF_UNCLEAR',
  'It cannot be told of every partition where the other replicator stopped, so nothing was set.',
  'Read the reasons. See that it has stopped; delete copies that cannot be told from anything to have them copied anew, or set positions that you know with `ajna link offsets import`.',
  3,
)

const DEADLINE_MS = 600_000

interface Links extends AsyncDisposable {
  readonly registry: LinkRegistry
  readonly connect: ReturnType<typeof connectEnds>
  entry(name: string): LinkEntry
}

async function openLinks(signal: AbortSignal): Promise<Links> {
  const home = homeOf()
  const { token } = await openSession(home.token)
  const ending = new AbortController()
  const until = AbortSignal.any([signal, ending.signal])
  const journal = await openLinksJournal(home, ADMIN_PRINCIPAL, silentLogger, until)
  const connect = connectEnds(home, silentLogger)
  const registry = openLinkRegistry({
    journal,
    ask: askWorker(token),
    connect,
    now: Date.now,
    log: silentLogger,
    signal: until,
  })
  return {
    registry,
    connect,
    entry(name) {
      const entry = registry.get(name)
      if (entry === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${name}`)
      return entry
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await journal.close()
    },
  }
}

interface FormatOptions {
  readonly format: string
  /** Mirus: the connector's name. */
  readonly connector?: string
  /** MirrorMaker 2: the alias of its source. */
  readonly alias?: string
}

export async function exportPositions(name: string, options: FormatOptions): Promise<void> {
  const format = formatOf(options.format)
  const signal = deadline()
  await using links = await openLinks(signal)
  const entry = links.entry(name)
  const positions = await links.registry.positions(name, signal)
  print(writePositions(format, positions, namesOf(entry, options)))
  say(`${positions.length} partitions`)
}

export async function importPositions(
  name: string,
  file: string,
  options: FormatOptions & { readonly dryRun?: boolean },
): Promise<void> {
  const format = formatOf(options.format)
  const signal = deadline()
  await using links = await openLinks(signal)
  const entry = links.entry(name)
  const text = file === '-' ? await standardInput() : await readFile(file, 'utf8')
  const changes = readPositions(format, text, namesOf(entry, options))
  print(renderChanges(changes))
  if (options.dryRun === true) return
  await links.registry.setPositions(name, changes, signal)
  say(`${changes.length} positions set`)
}

interface RelieveOptions {
  readonly from: string
  readonly offsetsTopic?: string
  readonly syncsTopic?: string
  readonly connector?: string
  readonly alias?: string
  readonly set?: boolean
  readonly json?: boolean
}

/** Finds where another replicator stopped, and, asked to, has the link go on there. */
export async function relieve(name: string, options: RelieveOptions): Promise<void> {
  const signal = deadline()
  await using links = await openLinks(signal)
  const entry = links.entry(name)
  const { definition } = entry
  const [source, target] = await Promise.all([
    links.connect(definition.source, definition),
    links.connect(definition.target, definition),
  ])
  let plan: readonly Relieved[]
  try {
    plan = await planTakeover({
      definition,
      source: source.wire,
      target: target.wire,
      predecessor: predecessorOf(entry, options),
      signal,
      progress: ({ topic, partition, reason }) => say(`${topic}-${partition}: ${reason}`),
    })
  } finally {
    await Promise.all([source.close(), target.close()])
  }
  if (options.json === true) printJson({ link: name, partitions: plan })
  else print(renderPlan(plan))
  const unclear = plan.filter(({ sourceOffset }) => sourceOffset === null)
  if (unclear.length > 0)
    throw new AjnaError(RELIEF_UNCLEAR, `${unclear.length} of ${plan.length} partitions are unclear`)
  if (options.set !== true) return say('nothing was set; --set has the link go on there')
  await links.registry.setPositions(name, plan, signal)
  say(`${plan.length} positions set; the link goes on there when it is resumed`)
}

function predecessorOf(entry: LinkEntry, options: RelieveOptions): Predecessor {
  const { cluster } = namesOf(entry, options)
  switch (options.from) {
    case 'mirrormaker': {
      const targetAlias = connectorOf(entry).config['target.cluster.alias'] ?? 'target'
      return {
        kind: 'mirrormaker',
        connector: options.connector ?? 'MirrorSourceConnector',
        cluster,
        offsetsTopic: options.offsetsTopic ?? `mm2-offsets.${cluster}.internal`,
        syncsTopic: options.syncsTopic ?? `mm2-offset-syncs.${targetAlias}.internal`,
      }
    }
    case 'mirus':
      return {
        kind: 'mirus',
        connector: options.connector ?? entry.definition.name,
        cluster,
        offsetsTopic: options.offsetsTopic ?? 'mirus-offsets',
        syncsTopic: null,
      }
    default:
      throw new AjnaError(
        POSITIONS_FORMAT_UNKNOWN,
        `--from ${JSON.stringify(options.from)} is neither mirrormaker nor mirus`,
      )
  }
}

/** As the link's own configuration has them, where it is a connector's. */
function namesOf(entry: LinkEntry, options: Pick<FormatOptions, 'connector' | 'alias'>): FormatNames {
  const { source, name } = entry.definition
  const alias = connectorOf(entry).config['source.cluster.alias']
  return {
    connector: options.connector ?? name,
    cluster: options.alias ?? alias ?? ('cluster' in source ? source.cluster : name),
  }
}

function formatOf(text: string): PositionFormat {
  const format = positionFormats.find(each => each === text)
  if (format === undefined) throw new AjnaError(POSITIONS_FORMAT_UNKNOWN, JSON.stringify(text))
  return format
}

function deadline(): AbortSignal {
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  return AbortSignal.any([ending.signal, AbortSignal.timeout(DEADLINE_MS)])
}

async function standardInput(): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

const renderChanges = (changes: readonly LinkPositionChange[]): string =>
  renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}` },
      { title: 'GOES ON AT', value: row => row.sourceOffset ?? 'forgotten', align: 'right' },
    ],
    changes,
  )

const renderPlan = (plan: readonly Relieved[]): string =>
  renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}` },
      { title: 'COPY ENDS', value: row => row.copyEnd, align: 'right' },
      { title: 'GOES ON AT', value: row => row.sourceOffset ?? 'unclear', align: 'right' },
      { title: 'WHY', value: row => row.reason },
    ],
    plan,
  )
