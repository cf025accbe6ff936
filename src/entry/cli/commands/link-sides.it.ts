import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { claimPorts } from '../../../../test/fleets/ports.ts'
import { type SweptFolder, sweptFolder } from '../../../../test/fleets/sweeper.ts'
import {
  createSidesJournal,
  grant,
  grantKeeping,
  grantLink,
  LINK_PRINCIPAL,
  rule,
  type Side,
  type Sides,
  startSides,
} from '../../../../test/mirror/sides.ts'
import { batchOf } from '../../../../test/wire/records.ts'
import { openSession } from '../../../foundation/http/session.ts'
import { ensureAuthority } from '../../../foundation/tls/authority.ts'
import { ensureCertificate } from '../../../foundation/tls/renew.ts'
import type { ResolvedCluster } from '../../../operations/fleet/contract.ts'
import { LINKS_TOPIC } from '../../../operations/mirror/links/contract.ts'
import { writeFleetFile } from '../../fleet-file.ts'
import { type Home, homeAt } from '../../home.ts'
import { outboxOf } from '../../outbox.ts'

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url))
const LINK = 'edge-hub'
const TOPIC = 'orders'

describe('a declared link, kept in step and switched by the ajna program, its worker being the mirror role', () => {
  const signal = AbortSignal.timeout(200_000)
  let folder: SweptFolder
  let home: Home
  let sides: Sides
  let role: ChildProcess

  before(async () => {
    folder = await sweptFolder('ajna-sides-')
    home = homeAt(join(folder.path, 'home'))
    await mkdir(home.logs, { recursive: true })
    await openSession(home.token)
    const authority = await ensureAuthority(home.pki)
    for (const principal of ['admin', 'mirror', 'writer', LINK_PRINCIPAL])
      await ensureCertificate(authority, { principal, site: 'test' })
    sides = await startSides(home.pki)
    const { edge, hub } = sides
    const clusters = [edge, hub].map(({ name, cluster }): ResolvedCluster => {
      const nodes = cluster.nodes.map(({ id, rack }) => ({ id, rack }))
      return {
        name,
        site: 'test',
        tier: 'local',
        driver: 'local',
        version: cluster.version,
        nodes,
        heapMb: 256,
      }
    })
    const [console, agent, archive, mirror, connect] = await claimPorts(5)
    const keep = {
      acls: [],
      quotas: [],
      groups: ['kept-*'],
      foreignPositions: 'leave',
      everyMs: 500,
    } as const
    const link = { name: LINK, from: 'edge', to: 'hub', topics: [TOPIC], principal: LINK_PRINCIPAL, keep }
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
        heal: { 'broker-dead': 'off', 'broker-frozen': 'off', 'broker-unregistered': 'off' },
      },
      placed: [edge.cluster.placed, hub.cluster.placed],
      host: 'here',
      ports: { console: console!, agent: agent!, archive: archive!, mirror: mirror!, connect: connect! },
      acceptedAt: new Date().toISOString(),
    })
    const layout = { partitions: 2, replicationFactor: 1 }
    await edge.admin.createTopics([{ name: TOPIC, layout }], { signal })
    await createSidesJournal(sides)
    await grant(
      hub,
      (['read', 'write', 'delete'] as const).map(operation =>
        rule('mirror', operation, 'topic', LINKS_TOPIC),
      ),
    )
    await grantLink(edge, hub, [TOPIC])
    await grantKeeping(edge, hub)
    await grant(edge, [rule('writer', 'write', 'topic', TOPIC)])
    role = spawn(process.execPath, [PROGRAM, 'role', 'mirror', '--home', home.root], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  })

  after(async () => {
    if (role?.exitCode === null && role.kill('SIGTERM')) await once(role, 'exit')
    await sides?.[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  async function ajna(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: { ...process.env, AJNA_HOME: home.root },
    })
    const ended = once(child, 'close') as Promise<[number | null]>
    const [out, err, [code]] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended])
    return { code: code ?? 1, out: out.toString(), err: err.toString() }
  }

  async function write(side: Side, values: readonly string[]): Promise<void> {
    await using producer = await (await side.as('writer')).wire.producer({}, signal)
    for (const [index, value] of values.entries()) await producer.append(TOPIC, index % 2, batchOf(value))
  }

  const ends = async (side: Side): Promise<string> => {
    const [found] = await side.admin.describeTopics([TOPIC], { signal })
    const queries = (found?.partitions ?? []).map(({ partition }) => {
      return { topic: TOPIC, partition, at: 'latest' as const }
    })
    return (await side.admin.listOffsets(queries, { signal })).map(({ offset }) => offset).join()
  }

  async function endsAre(side: Side, expected: string): Promise<void> {
    while ((await ends(side)) !== expected) await sleep(100, undefined, { signal })
  }

  test('rehearsed, promoted, failed back: each command says what it does, and its exit code how it went', async () => {
    const { edge, hub } = sides
    await write(edge, ['0', '1', '2', '3'])
    await endsAre(hub, '2,2')
    await edge.admin.commitPositions([
      { group: 'readers', topic: TOPIC, partition: 0, offset: 1, metadata: '' },
    ])

    // What the declaration names follows by itself, in the mirror role.
    await edge.admin.commitPositions([
      { group: 'kept-readers', topic: TOPIC, partition: 1, offset: 2, metadata: '' },
    ])
    const keptAt = async () =>
      (await hub.admin.groupPositions(['kept-readers']))[0]!.positions.map(({ offset }) => offset).join()
    while ((await keptAt()) !== '2') await sleep(100, undefined, { signal })
    assert.equal((await ajna('link', 'keep', 'none', '--groups', '*')).code, 2)
    const dry = await ajna('link', 'keep', LINK, '--groups', 'read*', '--dry-run', '--json')
    assert.equal(dry.code, 0, dry.err)
    const shown = JSON.parse(dry.out)
    assert.deepEqual(
      shown.changes.map(({ kind, group, to }: Record<string, unknown>) => [kind, group, to]),
      [['move-group', 'readers', 1]],
    )
    assert.deepEqual((await hub.admin.groupPositions(['readers']))[0]!.positions, [])
    const kept = await ajna('link', 'keep', LINK, '--groups', 'read*', '--json')
    assert.deepEqual([kept.code, JSON.parse(kept.out).changes], [0, shown.changes], kept.err)
    assert.match(
      (await ajna('link', 'keep', LINK, '--groups', '*', '--dry-run')).out,
      /the target is in step/,
    )

    assert.equal((await ajna('link', 'rehearse', LINK, 'destroy')).code, 2)
    const early = await ajna('link', 'rehearse', LINK, 'failback')
    assert.equal(early.code, 3)
    assert.match(early.out, /failback does not apply: the source is the original/)
    const rehearsal = await ajna('link', 'rehearse', LINK, 'promote')
    assert.equal(rehearsal.code, 0, rehearsal.out + rehearsal.err)
    process.stdout.write(rehearsal.out.replaceAll(/^/gm, '# '))
    assert.match(rehearsal.out, /Records lost: 0; read again: 0; skipped: 0\./)

    // Killed under way, the same command goes on.
    const child = spawn(process.execPath, [PROGRAM, 'link', 'promote', LINK], {
      env: { ...process.env, AJNA_HOME: home.root },
    })
    let words = ''
    for await (const chunk of child.stderr) {
      words += chunk
      if (words.includes('✓ close the topics')) break
    }
    if (child.kill('SIGKILL')) await once(child, 'exit')
    assert.equal(child.signalCode, 'SIGKILL', words)
    const promoted = await ajna('link', 'promote', LINK, '--json')
    assert.equal(promoted.code, 0, promoted.err)
    assert.match(promoted.err, /going on with the promotion of/)
    assert.equal(JSON.parse(promoted.out).phase, 'promoted')
    const stopped = JSON.parse(promoted.out).steps.find(({ name }: { name: string }) => name === 'stop-link')
    assert.deepEqual(stopped.evidence, { stopped: true, reason: '' })
    await assert.rejects(write(edge, ['closed']), /authoriz/i)
    await write(hub, ['4', '5', '6'])

    const again = await ajna('link', 'promote', LINK)
    assert.equal(again.code, 3)
    assert.match(
      again.err,
      /FAILOVER_REFUSED: promote: promote does not apply: the target is the original already/,
    )
    const demoted = await ajna('link', 'demote', LINK)
    assert.equal(demoted.code, 3)
    assert.match(demoted.err, /the target holds 2 records of orders-0 that the source lacks: fail back/)

    const stay = await ajna('link', 'failback', LINK, '--stay')
    assert.equal(stay.code, 0, stay.err)
    assert.match(stay.err, /done: edge-hub is returning/)
    await write(hub, ['7'])
    await endsAre(edge, '5,3')
    const back = await ajna('link', 'demote', LINK)
    assert.equal(back.code, 0, back.err)
    assert.match(back.err, /done: edge-hub is copying/)
    await assert.rejects(write(hub, ['closed']), /authoriz/i)
    await write(edge, ['8', '9'])
    await endsAre(hub, '6,4')
    const verified = await ajna('link', 'verify', LINK)
    assert.equal(verified.code, 0, verified.out + verified.err)

    const waiting = await outboxOf(home).look()
    const entries = waiting.map(({ entry }) => [entry.action, entry.outcome])
    assert.deepEqual(entries, [
      ['link.promote', 'done'],
      ['link.promote', 'refused'],
      ['link.demote', 'refused'],
      ['link.failback', 'done'],
      ['link.demote', 'done'],
    ])
  })
})
