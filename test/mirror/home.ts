/** A state directory whose fleet is two real clusters with certificates and rules, and one link between them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { writeFleetFile } from '../../src/entry/fleet-file.ts'
import { type Home, homeAt } from '../../src/entry/home.ts'
import { openSession } from '../../src/foundation/http/session.ts'
import { ensureAuthority } from '../../src/foundation/tls/authority.ts'
import { ensureCertificate } from '../../src/foundation/tls/renew.ts'
import type { ResolvedCluster, ResolvedKeep } from '../../src/operations/fleet/contract.ts'
import { policyOf } from '../../src/operations/heal/contract.ts'
import { LINKS_TOPIC } from '../../src/operations/mirror/links/contract.ts'
import { claimPorts } from '../fleets/ports.ts'
import { sweptFolder } from '../fleets/sweeper.ts'
import {
  createSidesJournal,
  grant,
  grantKeeping,
  grantLink,
  LINK_PRINCIPAL,
  rule,
  type Sides,
  startSides,
} from './sides.ts'

const PROGRAM = fileURLToPath(new URL('../../src/entry/cli/main.ts', import.meta.url))

export const HOME_LINK = 'edge-hub'
export const HOME_TOPIC = 'orders'
export const HOME_PARTITIONS = 2

export interface HomeSides extends AsyncDisposable {
  readonly home: Home
  readonly sides: Sides
  /** Runs `ajna …` to its end. */
  ajna(...args: readonly string[]): Promise<{ code: number; out: string; err: string }>
  /** `ajna …`, to be killed. */
  begin(...args: readonly string[]): ChildProcess
  /** A worker of links: the mirror role. */
  startRole(): ChildProcess
}

/** @param keep what the link keeps in step as the fleet's file declares it */
export async function startHomeSides(keep: ResolvedKeep): Promise<HomeSides> {
  const undo = new AsyncDisposableStack()
  try {
    const folder = undo.use(await sweptFolder('ajna-sides-'))
    const home = homeAt(join(folder.path, 'home'))
    await mkdir(home.logs, { recursive: true })
    await openSession(home.token)
    const authority = await ensureAuthority(home.pki)
    for (const principal of ['admin', 'mirror', 'writer', LINK_PRINCIPAL])
      await ensureCertificate(authority, { principal, site: 'test' })
    const sides = undo.use(await startSides(home.pki))
    await declare(home, sides, keep)
    await allow(sides)
    const env = { ...process.env, AJNA_HOME: home.root }
    const begin = (...args: readonly string[]): ChildProcess =>
      spawn(process.execPath, [PROGRAM, ...args], { env })
    const ended = undo.move()
    return {
      home,
      sides,
      begin,
      async ajna(...args) {
        const child = begin(...args)
        const closed = once(child, 'close') as Promise<[number | null]>
        const [out, err, [code]] = await Promise.all([buffer(child.stdout!), buffer(child.stderr!), closed])
        return { code: code ?? 1, out: out.toString(), err: err.toString() }
      },
      startRole: () =>
        spawn(process.execPath, [PROGRAM, 'role', 'mirror', '--home', home.root], {
          stdio: ['ignore', 'ignore', 'inherit'],
        }),
      [Symbol.asyncDispose]: () => ended.disposeAsync(),
    }
  } catch (error) {
    await undo.disposeAsync()
    throw error
  }
}

async function declare(home: Home, { edge, hub }: Sides, keep: ResolvedKeep): Promise<void> {
  const clusters = [edge, hub].map(({ name, cluster }): ResolvedCluster => {
    const nodes = cluster.nodes.map(({ id, rack }) => ({ id, rack }))
    const { version } = cluster
    return { name, site: 'test', tier: 'local', driver: 'local', version, nodes, heapMb: 256 }
  })
  const [console, agent, archive, mirror, connect] = await claimPorts(5)
  const link = {
    name: HOME_LINK,
    from: 'edge',
    to: 'hub',
    topics: [HOME_TOPIC],
    principal: LINK_PRINCIPAL,
    keep,
  }
  const journal = {
    name: LINKS_TOPIC,
    cluster: 'hub',
    tenant: 'test',
    partitions: 1,
    replicationFactor: 1,
    config: {},
  }
  await writeFleetFile(home, {
    fleet: {
      name: 'sides',
      sites: [],
      clusters,
      tenants: [],
      topics: [journal],
      principals: [],
      links: [link],
      ships: [],
      archive: null,
      connect: { access: 'token', port: null, target: null },
      heal: policyOf('off'),
      mirror: { workers: 1 },
    },
    placed: [edge.cluster.placed, hub.cluster.placed],
    host: 'here',
    ports: { console: console!, agent: agent!, archive: archive!, mirror: mirror!, connect: connect! },
    acceptedAt: new Date().toISOString(),
  })
}

async function allow(sides: Sides): Promise<void> {
  const { edge, hub } = sides
  const layout = { partitions: HOME_PARTITIONS, replicationFactor: 1 }
  await edge.admin.createTopics([{ name: HOME_TOPIC, layout }])
  await createSidesJournal(sides)
  await grant(
    hub,
    (['read', 'write', 'delete'] as const).map(operation => rule('mirror', operation, 'topic', LINKS_TOPIC)),
  )
  await grantLink(edge, hub, [HOME_TOPIC])
  await grantKeeping(edge, hub)
  await grant(edge, [rule('writer', 'write', 'topic', HOME_TOPIC)])
}
