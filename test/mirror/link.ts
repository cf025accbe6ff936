import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { createLogger, type Logger } from '../../src/foundation/log/log.ts'
import type { TlsSource } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import {
  type LinkDefinition,
  type LinkDefinitionInput,
  linkDefinitionSchema,
} from '../../src/operations/mirror/definition.ts'
import { kafkaLinkAdmin } from '../../src/operations/mirror/kafka-admin.ts'
import { type Link, startLink } from '../../src/operations/mirror/run.ts'
import { keptInFile } from './kept.ts'

export interface LinkSetup {
  readonly source: readonly string[]
  readonly target: readonly string[]
  /** Who the link is at either side, where they want to know. */
  readonly sourceTls?: TlsSource
  readonly targetTls?: TlsSource
  /** File of what the link keeps. */
  readonly store: string
  /** Without its ends. */
  readonly link: Omit<LinkDefinitionInput, 'source' | 'target'>
}

const SHARDS = 16

export function definitionOf({ source, target, link }: LinkSetup): LinkDefinition {
  const end = (bootstrap: readonly string[]) => ({ bootstrap: [...bootstrap], tls: null })
  return linkDefinitionSchema.parse({ ...link, source: end(source), target: end(target) })
}

/** A link's worker in this process, with all it needs and all of its shards, until it is disposed. */
export async function linkBetween(
  setup: LinkSetup,
  log: Logger = createLogger('link', 2, 'error'),
): Promise<Link> {
  const stop = new AbortController()
  const from = sideOf(setup.source, setup.sourceTls, log)
  const to = sideOf(setup.target, setup.targetTls, log)
  const link = startLink({
    definition: definitionOf(setup),
    source: from.wire,
    target: to.wire,
    sourceAdmin: kafkaLinkAdmin(from.admin),
    targetAdmin: kafkaLinkAdmin(to.admin),
    kept: await keptInFile(setup.store, to.wire, stop.signal),
    shards: SHARDS,
    holds: () => true,
    log,
    signal: stop.signal,
  })
  for (let shard = 0; shard < SHARDS; shard++) link.gain(shard, 1)
  const dispose = async (): Promise<void> => {
    await link[Symbol.asyncDispose]()
    await Promise.all([from, to].flatMap(({ wire, admin }) => [wire.close(), admin.close()]))
  }
  return { ...link, [Symbol.asyncDispose]: dispose }
}

function sideOf(bootstrap: readonly string[], tls: TlsSource | undefined, log: Logger) {
  const who = { bootstrap, clientId: 'link', ...(tls === undefined ? {} : { tls }) }
  return { wire: openWire({ ...who, log }), admin: openCluster(who) }
}
