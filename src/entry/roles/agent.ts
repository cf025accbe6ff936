import { identity } from '../../foundation/tls/store.ts'
import { createHostEntries } from '../../operations/fleet/activity/host-entries.ts'
import { openTelling } from '../../operations/fleet/activity/tell.ts'
import { reasonOfDeath } from '../../operations/fleet/brokers/diagnose.ts'
import { agentPrincipal, brokerPrincipal, ownedPrefix } from '../../operations/fleet/contract.ts'
import { type AgentConfigInput, agentConfig, streamsTopic } from '../../operations/hosts/contract.ts'
import { runAgent } from '../../operations/hosts/run.ts'
import { clusterAddress, type FleetFile } from '../fleet-file.ts'
import { prepareBrokerDir } from '../log-dirs.ts'
import { outboxOf } from '../outbox.ts'
import type { RoleContext } from './context.ts'
import { createRoleLooker } from './looker.ts'
import { shippingSite } from './site.ts'

/** Keeps the host's brokers running and ships its files and metrics. */
export async function agentRole({ home, file, session, log, signal }: RoleContext): Promise<void> {
  const { site, cluster, ships } = shippingSite(file)
  const principal = agentPrincipal(site)
  const { bootstrap, tls, hosts } = await clusterAddress(file, cluster, () => identity(home.pki, principal))
  const measured = ships.find(({ metricsEveryMs }) => metricsEveryMs !== null)
  const config: AgentConfigInput = {
    site,
    host: file.host,
    directory: home.role('agent'),
    runDirectory: home.run,
    plan: home.hostPlan(file.host),
    bootstrap: [...bootstrap],
    ...(tls === undefined ? {} : { tls }),
    ...(hosts === undefined ? {} : { hosts }),
    transactionalId: `${ownedPrefix(principal)}${file.host}`,
    sources: ships
      .filter(({ files }) => files.length > 0)
      .map(({ tenant, topic, files, exclude }) => ({
        tenant,
        topic,
        files: [...files],
        exclude: [...exclude],
      })),
    streamsTopic: streamsTopic(site),
    ...(measured === undefined
      ? {}
      : { metrics: { topic: measured.topic, tenant: measured.tenant, everyMs: measured.metricsEveryMs! } }),
    status: { port: file.ports.agent, token: session.token },
  }
  const look = createRoleLooker(home.run)
  await runAgent(agentConfig.parse(config), {
    signal,
    log,
    alsoMeasured: look,
    explain: (name, since) => brokerReason(file, name, since),
    prepareLogDir: (name, path) => prepareBrokerDir(file.placed, name, path),
    onEvent: await openTelling({
      outbox: outboxOf(home),
      teller: { actor: 'agent', host: file.host },
      entriesOf: createHostEntries,
      logger: log,
    }),
  })
}

async function brokerReason({ placed }: FleetFile, name: string, since: string): Promise<string | undefined> {
  for (const cluster of placed)
    for (const node of cluster.nodes)
      if (brokerPrincipal(cluster.name, node.id) === name) return (await reasonOfDeath(node, since)).said
  return undefined
}
