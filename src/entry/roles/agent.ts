import { identity } from '../../foundation/tls/store.ts'
import { reasonOfDeath } from '../../operations/fleet/brokers/diagnose.ts'
import { agentPrincipal, brokerPrincipal, ownedPrefix } from '../../operations/fleet/contract.ts'
import {
  type AgentConfigInput,
  type AgentEvent,
  agentConfig,
  streamsTopic,
} from '../../operations/hosts/contract.ts'
import { runAgent } from '../../operations/hosts/run.ts'
import { recordActivity, unfinishedRestarts } from '../activity-file.ts'
import type { Activity } from '../api/models.ts'
import { clusterAddress, type FleetFile } from '../fleet-file.ts'
import { createProcessActivity, type ProcessEvent } from '../process-activity.ts'
import type { RoleContext } from './context.ts'
import { createRoleLooker } from './looker.ts'
import { shippingSite } from './site.ts'

/** Keeps the host's brokers running and ships its files and metrics. */
export async function agentRole({ home, file, session, log, signal }: RoleContext): Promise<void> {
  const { site, cluster, ships } = shippingSite(file)
  const principal = agentPrincipal(site)
  const { bootstrap, tls } = await clusterAddress(file, cluster, () => identity(home.pki, principal))
  const measured = ships.find(({ metricsEveryMs }) => metricsEveryMs !== null)
  const config: AgentConfigInput = {
    site,
    host: file.host,
    directory: home.role('agent'),
    runDirectory: home.run,
    plan: home.hostPlan(file.host),
    bootstrap: [...bootstrap],
    ...(tls === undefined ? {} : { tls }),
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
  const activity = createProcessActivity('agent', await unfinishedRestarts(home, 'agent'))
  const look = createRoleLooker(home.run)
  await runAgent(agentConfig.parse(config), {
    signal,
    log,
    alsoMeasured: look,
    explain: (name, since) => brokerReason(file, name, since),
    onEvent(event) {
      const entry =
        event.kind === 'process' ? activity(event.details as unknown as ProcessEvent) : lossActivity(event)
      if (entry !== undefined)
        recordActivity(home, entry).catch(error => log.error({ err: error }, 'activity cannot be recorded'))
    },
  })
}

/** Bytes that were gone before they could be read. */
function lossActivity({ kind, at, host, subject, text }: AgentEvent): Activity | undefined {
  if (kind !== 'gap') return undefined
  return {
    id: `gap-${host}-${at}-${subject}`,
    at,
    actor: 'agent',
    action: 'shipping.gap',
    subject: { kind: 'host', name: host, cluster: null },
    summary: text,
    reason: null,
    outcome: 'failed',
    evidence: [{ label: 'file', value: subject }],
    endedAt: at,
  }
}

async function brokerReason({ placed }: FleetFile, name: string, since: string): Promise<string | undefined> {
  for (const cluster of placed)
    for (const node of cluster.nodes)
      if (brokerPrincipal(cluster.name, node.id) === name) return (await reasonOfDeath(node, since)).said
  return undefined
}
