import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { createLogger, type Logger } from '../../src/foundation/log/log.ts'
import type { TlsIdentity } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import type { LinkSpec } from '../../src/operations/mirror/contract.ts'
import { fileLinkStore } from '../../src/operations/mirror/file-store.ts'
import { kafkaLinkAdmin } from '../../src/operations/mirror/kafka-admin.ts'
import { type Link, startLink } from '../../src/operations/mirror/run.ts'

export interface LinkSetup {
  readonly source: readonly string[]
  readonly target: readonly string[]
  /** Who the link is at either side, where they want to know. */
  readonly sourceTls?: TlsIdentity
  readonly targetTls?: TlsIdentity
  /** File of the link's state. */
  readonly store: string
  readonly spec: LinkSpec
  /** Default 500: tests do not wait for what they are not about. */
  readonly topicsEveryMs?: number
}

/** A link's worker in this process, with all it needs, until it is disposed. */
export async function linkBetween(
  setup: LinkSetup,
  log: Logger = createLogger('link', 2, 'error'),
): Promise<Link> {
  const stop = new AbortController()
  const { topicsEveryMs = 500 } = setup
  const from = sideOf(setup.source, setup.sourceTls, log)
  const to = sideOf(setup.target, setup.targetTls, log)
  const link = await startLink({
    spec: setup.spec,
    source: from.wire,
    target: to.wire,
    sourceAdmin: kafkaLinkAdmin(from.admin),
    targetAdmin: kafkaLinkAdmin(to.admin),
    store: fileLinkStore(setup.store),
    log,
    signal: stop.signal,
    topicsEveryMs,
  })
  const dispose = async (): Promise<void> => {
    await link[Symbol.asyncDispose]()
    await Promise.all([from, to].flatMap(({ wire, admin }) => [wire.close(), admin.close()]))
  }
  return { status: link.status, done: link.done, [Symbol.asyncDispose]: dispose }
}

function sideOf(bootstrap: readonly string[], tls: TlsIdentity | undefined, log: Logger) {
  const who = { bootstrap, clientId: 'link', ...(tls === undefined ? {} : { tls }) }
  return { wire: openWire({ ...who, log }), admin: openCluster(who) }
}
