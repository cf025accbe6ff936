/** The links' journal and the connections to their ends, as this machine's processes get them. */
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import { type Journal, openJournal } from '../foundation/journal/journal.ts'
import { openKafkaLog } from '../foundation/journal/kafka-log.ts'
import { openCluster } from '../foundation/kafka/admin.ts'
import type { Logger } from '../foundation/log/log.ts'
import { identityOfFiles } from '../foundation/tls/identity-files.ts'
import { identity } from '../foundation/tls/store.ts'
import type { TlsSource } from '../foundation/wire/contract.ts'
import type { Hosts } from '../foundation/wire/hosts.ts'
import { openWire } from '../foundation/wire/wire.ts'
import { linkPrincipal, type ResolvedTopic } from '../operations/fleet/contract.ts'
import type { LinkDefinition, LinkEnd } from '../operations/mirror/definition.ts'
import { kafkaLinkAdmin } from '../operations/mirror/kafka-admin.ts'
import { LINKS_TOPIC, type LinksCommand, type LinksState } from '../operations/mirror/links/contract.ts'
import type { ConnectEnd } from '../operations/mirror/links/ends.ts'
import { linksMachine } from '../operations/mirror/links/machine.ts'
import { type ClusterAddress, clusterAddress, readFleetFile } from './fleet-file.ts'
import type { Home } from './home.ts'

export const LINKS_JOURNAL_MISSING = errorKind(
  'LINKS_JOURNAL_MISSING',
  'The fleet declares links, but not the journal that holds what they are told and what they keep.',
  `Declare the topic ${LINKS_TOPIC} at one cluster with partitions: 1 and retention: forever, as config/two-sites.yaml does, and apply it.`,
)

export interface FleetTopics {
  readonly name: string
  readonly topics: readonly Pick<ResolvedTopic, 'name' | 'cluster'>[]
}

/** The cluster that holds the links' journal. @throws AjnaError LINKS_JOURNAL_MISSING */
export function linksJournalCluster({ name, topics }: FleetTopics): string {
  const cluster = topics.find(topic => topic.name === LINKS_TOPIC)?.cluster
  if (cluster === undefined) throw new AjnaError(LINKS_JOURNAL_MISSING, `fleet ${name} has no ${LINKS_TOPIC}`)
  return cluster
}

/** The connection is closed with the journal. @throws AjnaError LINKS_JOURNAL_MISSING, why it cannot be opened */
export async function openLinksJournal(
  home: Home,
  principal: string,
  log: Logger,
  signal: AbortSignal,
): Promise<Journal<LinksState, LinksCommand>> {
  const file = await readFleetFile(home)
  const cluster = linksJournalCluster(file.fleet)
  const address = await clusterAddress(file, cluster, () => identity(home.pki, principal))
  const wire = openWire({ ...address, clientId: `ajna-links-${principal}`, log, requestTimeoutMs: 2_000 })
  const kafka = openKafkaLog({ wire, topic: LINKS_TOPIC })
  const ends = {
    ...kafka,
    async [Symbol.asyncDispose]() {
      await kafka[Symbol.asyncDispose]()
      await wire.close()
    },
  }
  return openJournal({ log: ends, machine: linksMachine, logger: log, signal })
}

/** Connects to ends of links, clusters as the accepted fleet has them at that moment. */
export function connectEnds(home: Home, log: Logger): ConnectEnd {
  return async (end, link) => {
    const address = await addressOf(home, end, link)
    const principal = principalOf(end, link.name)
    const clientId = `ajna-link-${link.name}`
    const wire = openWire({ ...address, clientId, log })
    const admin = openCluster({ ...address, clientId, log })
    return {
      wire,
      admin: kafkaLinkAdmin(admin),
      cluster: admin,
      principal: principal === null ? null : `User:${principal}`,
      async close() {
        await Promise.all([wire.close(), admin.close()])
      },
    }
  }
}

/** Whom a link acts as at an end; null: at brokers that nobody declared, whatever its certificate says. */
export const principalOf = (end: LinkEnd, link: string): string | null =>
  'cluster' in end ? (end.principal ?? linkPrincipal(link)) : null

interface EndAddress {
  readonly bootstrap: readonly string[]
  /** Read anew at each connection. */
  readonly tls?: TlsSource
  readonly hosts?: Hosts
}

async function addressOf(home: Home, end: LinkEnd, link: LinkDefinition): Promise<EndAddress> {
  if (!('cluster' in end)) {
    const { bootstrap, tls } = end
    return tls === null ? { bootstrap } : { bootstrap, tls: () => identityOfFiles(tls) }
  }
  const principal = principalOf(end, link.name)!
  const now = async (): Promise<ClusterAddress> =>
    clusterAddress(await readFleetFile(home), end.cluster, () => identity(home.pki, principal))
  const { tls, ...address } = await now()
  return tls === undefined ? address : { ...address, tls: async () => (await now()).tls! }
}
