import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { JOURNAL_TOPIC_CONFIG } from '../../src/foundation/journal/contract.ts'
import { type Journal, openJournal } from '../../src/foundation/journal/journal.ts'
import { openKafkaLog } from '../../src/foundation/journal/kafka-log.ts'
import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { createLogger, type Logger } from '../../src/foundation/log/log.ts'
import type { ShardTerms } from '../../src/foundation/shards/contract.ts'
import { identityOfFiles } from '../../src/foundation/tls/identity-files.ts'
import type { TlsIdentity } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { kafkaLinkAdmin } from '../../src/operations/mirror/kafka-admin.ts'
import {
  LINKS_TOPIC,
  type LinksCommand,
  type LinksState,
} from '../../src/operations/mirror/links/contract.ts'
import type { ConnectEnd } from '../../src/operations/mirror/links/ends.ts'
import { linksMachine } from '../../src/operations/mirror/links/machine.ts'
import { type MirrorWorker, startMirrorWorker } from '../../src/operations/mirror/links/worker.ts'
import { createTopic } from '../wire/topics.ts'

const WORKER = fileURLToPath(new URL('group-worker.ts', import.meta.url))

/** Fewer shards, so that several partitions share one; the shortest lease under which markers may be written. */
export const GROUP_TERMS: ShardTerms = { shards: 32, leaseMs: 8_000 }

export async function createLinksTopic(
  bootstrap: readonly string[],
  replicas: 1 | 3 = 1,
  tls?: TlsIdentity,
): Promise<void> {
  const inSync = replicas === 1 ? '1' : '2'
  await createTopic(bootstrap, LINKS_TOPIC, {
    replicas,
    config: { ...JOURNAL_TOPIC_CONFIG, 'min.insync.replicas': inSync },
    ...(tls === undefined ? {} : { tls }),
  })
}

/** The connection is closed with the journal. */
export function openLinks(
  bootstrap: readonly string[],
  clientId: string,
  tls?: TlsIdentity,
): Promise<Journal<LinksState, LinksCommand>> {
  const secured = tls === undefined ? {} : { tls }
  const wire = openWire({ bootstrap, ...secured, clientId, connectTimeoutMs: 1_000, requestTimeoutMs: 2_000 })
  const log = openKafkaLog({ wire, topic: LINKS_TOPIC })
  const dispose = async (): Promise<void> => {
    await log[Symbol.asyncDispose]()
    await wire.close()
  }
  return openJournal({ log: { ...log, [Symbol.asyncDispose]: dispose }, machine: linksMachine })
}

/** To brokers that the definitions name themselves. */
export const connectNamed =
  (clientId: string, log: Logger): ConnectEnd =>
  async end => {
    if ('cluster' in end) throw new Error(`no cluster is called ${end.cluster} here`)
    const { bootstrap, tls } = end
    const address = tls === null ? { bootstrap } : { bootstrap, tls: () => identityOfFiles(tls) }
    const wire = openWire({ ...address, clientId, log })
    const admin = openCluster({ ...address, clientId, log })
    return {
      wire,
      admin: kafkaLinkAdmin(admin),
      cluster: admin,
      principal: null,
      async close() {
        await Promise.all([wire.close(), admin.close()])
      },
    }
  }

export interface GroupWorker extends MirrorWorker, AsyncDisposable {
  readonly journal: Journal<LinksState, LinksCommand>
}

/** A member of the group in this process. Disposing it leaves in order. */
export async function joinGroup(
  bootstrap: readonly string[],
  name: string,
  terms: ShardTerms = GROUP_TERMS,
): Promise<GroupWorker> {
  const log = createLogger(name, 2, process.env['AJNA_LOG_LEVEL'] ?? 'error')
  const journal = await openLinks(bootstrap, name)
  const worker = await startMirrorWorker({
    journal,
    name,
    address: `http://${name}.invalid`,
    connect: connectNamed(name, log),
    log,
    signal: AbortSignal.timeout(60_000),
    terms,
  })
  const dispose = async (): Promise<void> => {
    await worker.leave()
    await journal.close()
  }
  return { ...worker, journal, [Symbol.asyncDispose]: dispose }
}

/** The same as a process of its own, to be killed, frozen and woken. */
export function startGroupWorker(name: string, bootstrap: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [WORKER, name, ...bootstrap], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdout!.on('data', () => undefined)
  return child
}

/** Ends it, frozen or not, if it still runs. */
export async function ended(child: ChildProcess, how: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(how)
  if (how === 'SIGKILL') child.kill('SIGCONT')
  await exit
}
