import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { createLogger, type Logger } from '../../src/foundation/log/log.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import type { LinkSpec } from '../../src/operations/mirror/contract.ts'
import { fileLinkStore } from '../../src/operations/mirror/file-store.ts'
import { kafkaLinkAdmin } from '../../src/operations/mirror/kafka-admin.ts'
import { type Link, startLink } from '../../src/operations/mirror/run.ts'

export interface LinkSetup {
  readonly source: readonly string[]
  readonly target: readonly string[]
  /** File of the link's state. */
  readonly store: string
  readonly spec: LinkSpec
}

/** A link's worker in this process, with all it needs, until it is disposed. */
export async function linkBetween(
  setup: LinkSetup,
  log: Logger = createLogger('link', 2, 'error'),
): Promise<Link> {
  const stop = new AbortController()
  const [source, target] = [setup.source, setup.target].map(bootstrap =>
    openWire({ bootstrap, clientId: 'link', log }),
  )
  const [from, to] = [setup.source, setup.target].map(bootstrap =>
    openCluster({ bootstrap, clientId: 'link' }),
  )
  const link = await startLink({
    spec: setup.spec,
    source: source!,
    target: target!,
    sourceAdmin: kafkaLinkAdmin(from!),
    targetAdmin: kafkaLinkAdmin(to!),
    store: fileLinkStore(setup.store),
    log,
    signal: stop.signal,
    topicsEveryMs: 500,
  })
  const dispose = async (): Promise<void> => {
    await link[Symbol.asyncDispose]()
    await Promise.all([source!.close(), target!.close(), from!.close(), to!.close()])
  }
  return { status: link.status, done: link.done, [Symbol.asyncDispose]: dispose }
}
