import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { startCluster, type TestCluster } from '../../test/fleets/cluster.ts'
import { type Endpoint, startEndpoint } from '../../test/fleets/endpoint.ts'
import { claimPorts } from '../../test/fleets/ports.ts'
import { type SweptFolder, sweptFolder } from '../../test/fleets/sweeper.ts'
import { assertCopied } from '../../test/mirror/copies.ts'
import { createLinksTopic, GROUP_TERMS, openLinks } from '../../test/mirror/group.ts'
import { grant, openSide, rule, type Side } from '../../test/mirror/sides.ts'
import { batchOf } from '../../test/wire/records.ts'
import { createTopic } from '../../test/wire/topics.ts'
import { createLogger } from '../foundation/log/log.ts'
import { storePaths } from '../foundation/tls/store.ts'
import type { ResolvedExistingCluster, ResolvedFleet } from '../operations/fleet/contract.ts'
import { policyOf } from '../operations/heal/contract.ts'
import type { LinkPartitionStatus } from '../operations/mirror/contract.ts'
import { linkDefinitionSchema } from '../operations/mirror/definition.ts'
import type { LinksJournal } from '../operations/mirror/links/kept.ts'
import { putLink } from '../operations/mirror/links/registry.ts'
import { type MirrorWorker, startMirrorWorker } from '../operations/mirror/links/worker.ts'
import { writeFleetFile } from './fleet-file.ts'
import { type Home, homeAt } from './home.ts'
import { connectEnds } from './links.ts'

const DOMAIN = 'far.ajna.test'
const TOPIC = 'orders'
const PARTITIONS = 6
const PRINCIPAL = 'copier'

describe('a link whose source is an endpoint’s one address, three brokers behind it, certificates at both ends', () => {
  const signal = AbortSignal.timeout(400_000)
  const undo = new AsyncDisposableStack()
  let folder: SweptFolder
  let home: Home
  let port: number
  let far: TestCluster
  let source: Side
  let target: Side
  let endpoint: Endpoint
  let journal: LinksJournal
  let worker: MirrorWorker

  before(async () => {
    folder = undo.use(await sweptFolder('ajna-endpoint-'))
    home = homeAt(join(folder.path, 'home'))
    await mkdir(home.root)
    const [claimed] = await claimPorts(1)
    port = claimed!
    const started = await Promise.all([
      startCluster({ nodes: 3, name: 'far', tls: true, pki: home.pki, endpoint: { domain: DOMAIN, port } }),
      startCluster({ nodes: 1, name: 'near', tls: true, pki: home.pki }),
    ])
    for (const each of started) undo.use(each)
    far = started[0]
    endpoint = undo.use(await startEndpoint(port, portOf))
    const sides = await Promise.all(started.map(openSide))
    for (const { close } of sides) undo.defer(close)
    source = sides[0]!.side
    target = sides[1]!.side
    for (const side of [source, target]) {
      await side.as(PRINCIPAL)
      await grant(side, [
        rule(PRINCIPAL, 'all', 'topic', '*'),
        rule(PRINCIPAL, 'clusterAction', 'cluster', 'kafka-cluster'),
      ])
    }
    const { identity } = await source.as('admin')
    await createTopic(far.bootstrap, TOPIC, {
      partitions: PARTITIONS,
      replicas: 3,
      config: { 'min.insync.replicas': '2' },
      tls: identity,
    })
    await writeFleetFile(home, fleetFile())
    await startLink()
  })

  after(() => undo.disposeAsync())

  /** Broker n's own name, and one that any broker answers to. */
  function portOf(name: string): number | undefined {
    const node = far.placed.nodes.find(({ id }) => name === `b${id}.${DOMAIN}`)
    if (node !== undefined) return node.endpoint!.port
    return name === `kafka.${DOMAIN}` ? anyNode().endpoint!.port : undefined
  }

  let asked = 0
  const anyNode = () => far.placed.nodes[asked++ % far.placed.nodes.length]!

  /** The far cluster is declared with the endpoint's address alone; its names are known to nobody but the file. */
  function fleetFile() {
    const { ca, cert, key } = storePaths(home.pki, PRINCIPAL)
    const existing = (name: string, bootstrap: readonly string[]): ResolvedExistingCluster => ({
      name,
      site: name,
      tier: 'local',
      driver: 'existing',
      bootstrap,
      tls: { ca, cert, key },
    })
    const fleet: ResolvedFleet = {
      name: 'endpoint',
      sites: [],
      clusters: [
        { ...existing('far', [`kafka.${DOMAIN}:${port}`]), hosts: { [`*.${DOMAIN}`]: '127.0.0.1' } },
        existing('near', target.cluster.bootstrap),
      ],
      tenants: [],
      topics: [],
      principals: [],
      links: [],
      ships: [],
      archive: null,
      connect: { access: 'token', port: null, target: null },
      heal: policyOf('off'),
      mirror: { workers: 1 },
    }
    const ports = { console: 0, agent: 0, archive: 0, mirror: 0, connect: 0 }
    return { fleet, placed: [], host: 'here', ports, acceptedAt: new Date().toISOString() }
  }

  async function startLink(): Promise<void> {
    const { bootstrap } = target.cluster
    const { identity } = await target.as('admin')
    await createLinksTopic(bootstrap, 1, identity)
    journal = await openLinks(bootstrap, 'endpoint-it', identity)
    undo.defer(() => journal.close())
    worker = await startMirrorWorker({
      journal,
      name: 'only',
      address: 'http://only.invalid',
      connect: connectEnds(home, createLogger('e', 2, process.env['AJNA_LOG_LEVEL'] ?? 'fatal')),
      log: createLogger('e', 2, process.env['AJNA_LOG_LEVEL'] ?? 'fatal'),
      signal,
      terms: GROUP_TERMS,
    })
    undo.defer(() => worker.leave())
    const definition = linkDefinitionSchema.parse({
      name: 'through',
      source: { cluster: 'far', principal: PRINCIPAL },
      target: { cluster: 'near', principal: PRINCIPAL },
      topics: { include: [TOPIC] },
      replicationFactor: 1,
    })
    await putLink(journal, { definition, owner: 'api', annotations: {}, expected: null, kept: null })
  }

  const partitions = (): readonly LinkPartitionStatus[] =>
    worker.status().find(({ link }) => link === 'through')?.partitions ?? []

  async function until(what: string, isSo: () => boolean): Promise<void> {
    for (let waited = 1; !isSo(); waited++) {
      if (waited % 200 === 0)
        console.log(`# waiting until ${what}; ${JSON.stringify(worker.status().map(each => each.reason))}`)
      await sleep(50, undefined, { signal })
    }
  }

  /** Through the brokers' own listeners, beside the endpoint. */
  async function write(...values: readonly string[]): Promise<void> {
    await using producer = await source.wire.producer({ deliveryTimeoutMs: 60_000 }, signal)
    for (let partition = 0; partition < PARTITIONS; partition++)
      for (const value of values) await producer.append(TOPIC, partition, batchOf(value))
  }

  const copied = (): Promise<number> =>
    assertCopied({ from: source.wire, to: target.wire, topics: [TOPIC], partitions: PARTITIONS, signal })

  /** Connections passed to each broker under its own name, so far. */
  const toBrokers = (): number[] => far.nodes.map(({ id }) => endpoint.passed.get(`b${id}.${DOMAIN}`) ?? 0)

  test('the copy equals its source by digest, and each broker is reached under its own name', async () => {
    await write('a', 'b', 'c')
    assert.equal(await copied(), 3 * PARTITIONS)
    assert.ok(
      toBrokers().every(connections => connections > 0),
      `${[...endpoint.passed]}`,
    )
    console.log(`# connections passed on: ${[...endpoint.passed].map(each => each.join(' ')).join(', ')}`)
  })

  test('leaders that move are followed: a broker dies and comes back', async () => {
    const [gone] = far.nodes
    await gone!.kill('SIGKILL')
    await write('d')
    assert.equal(await copied(), 4 * PARTITIONS)
    const before = toBrokers()[0]!
    await gone!.start()
    const elected = async (): Promise<boolean> => {
      const [topic] = await source.wire.metadata([TOPIC], signal)
      return topic!.partitions.some(({ leader }) => leader === gone!.id)
    }
    // Leaders return to it by themselves.
    while (!(await elected())) await sleep(200, undefined, { signal })
    await write('e')
    assert.equal(await copied(), 5 * PARTITIONS)
    assert.ok(toBrokers()[0]! > before, 'it is reached through the endpoint again')
  })

  test('the endpoint is killed: the link says what is the matter, and goes on by itself once it is back', async () => {
    await endpoint.kill()
    await write('f')
    await until('every partition waits and says why', () =>
      partitions().every(
        ({ state, reason }) => state === 'waiting' && reason.startsWith('the source does not serve it: '),
      ),
    )
    const told = partitions().map(({ reason }) => reason)
    console.log(`# ${told[0]}`)
    assert.ok(
      told.some(reason => reason.includes(`.${DOMAIN}:${port}`)),
      'it names the broker as it was asked for',
    )
    await endpoint.start()
    assert.equal(await copied(), 6 * PARTITIONS)
    await until('nothing is the matter any more', () =>
      partitions().every(({ state, reason }) => state === 'caught-up' && reason === ''),
    )
  })

  test('a name nobody has, and a client without a certificate, get nothing', async () => {
    const [{ ca }, known] = [(await source.as('admin')).identity, endpoint.passed.size]
    const ended = async (servername: string): Promise<string> => {
      const socket = connect({ host: '127.0.0.1', port, servername, ca })
      // How it ends is told by the bytes, not by the error.
      const closed = new Promise(resolve => socket.once('close', resolve))
      socket.on('error', () => undefined)
      socket.write('hello')
      let answered = ''
      socket.on('data', piece => (answered += piece))
      await closed
      return answered
    }
    assert.equal(await ended(`b9.${DOMAIN}`), '')
    assert.equal(endpoint.passed.size, known)
    // The broker itself asks for a certificate: nobody before it has let the client in.
    assert.equal(await ended(`b1.${DOMAIN}`), '')
  })
})
