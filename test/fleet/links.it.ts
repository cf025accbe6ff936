import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dataOf } from '../../src/entry/api/client.ts'
import { askWorker } from '../../src/entry/control/links.ts'
import { clusterAddress, readFleetFile } from '../../src/entry/fleet-file.ts'
import { openLinksJournal } from '../../src/entry/links.ts'
import { silentLogger } from '../../src/foundation/log/log.ts'
import { pidFile, readPidFile } from '../../src/foundation/process/run.ts'
import { identity } from '../../src/foundation/tls/store.ts'
import type { Wire } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL } from '../../src/operations/fleet/contract.ts'
import { linkDefinitionSchema } from '../../src/operations/mirror/definition.ts'
import { putLink } from '../../src/operations/mirror/links/registry.ts'
import { batchOf, readTopic } from '../wire/records.ts'
import { type FleetUnderTest, pidsOf, startFleet, until } from './harness.ts'

const MAIN = fileURLToPath(new URL('../../src/entry/cli/main.ts', import.meta.url))
const PARTITIONS = 12

/** Two sites of one broker each. */
const spec = `apiVersion: ajna/v1
fleet: links
sites: { edge: , hub: }
clusters:
  edge: { site: edge, version: 4.3.1, brokers: 1 }
  hub: { site: hub, version: 4.3.1, brokers: 1 }
tenants: { shop: }
topics:
  orders: { cluster: edge, tenant: shop, partitions: ${PARTITIONS} }
  payments: { cluster: edge, tenant: shop, partitions: ${PARTITIONS} }
  ajna.mirror.links:
    cluster: hub
    tenant: shop
    partitions: 1
    retention: forever
    keptLonger: a journal keeps what lies after its last snapshot, however old
    config: { max.message.bytes: 8388608 }
links:
  up: { from: edge, to: hub, topics: [orders] }
`

test("the fleet's links are taken up live, by however many workers there are", {
  timeout: 600_000,
}, async t => {
  await using fleet = await startFleet(spec)
  const signal = AbortSignal.timeout(580_000)
  await using edge = await wireOf(fleet, 'edge')
  await using hub = await wireOf(fleet, 'hub')
  await using journal = await openLinksJournal(fleet.home, ADMIN_PRINCIPAL, silentLogger, signal)
  const file = join(fleet.folder, 'fleet.yaml')
  let written = 0

  async function apply(change: (text: string) => string): Promise<void> {
    await writeFile(file, change(await readFile(file, 'utf8')))
    const said = await fleet.ajna('apply', '-f', file)
    assert.equal(said.code, 0, said.err + said.out)
  }

  /** A record into each partition, and until all of them are in the copy once, at their offsets. */
  async function copies(topic: string): Promise<void> {
    await using producer = await edge.producer({}, signal)
    const round = ++written
    for (let partition = 0; partition < PARTITIONS; partition++)
      await producer.append(topic, partition, batchOf(`${round}`))
    await until(`${topic} is copied`, 120_000, async () => {
      const [theirs, ours] = [
        await readTopic(edge, topic, PARTITIONS, signal),
        await readTopic(hub, topic, PARTITIONS, signal),
      ]
      assert.deepEqual(ours, theirs)
      return true
    })
  }

  const linkNow = async () => dataOf(await fleet.api.GET('/api/links')).links.find(each => each.name === 'up')
  const rehearsed = async () =>
    dataOf(
      await fleet.api.POST('/api/links/{link}/rehearsal', {
        params: { path: { link: 'up' } },
        body: { action: 'promote', planned: true, stay: false, consents: [] },
      }),
    )
  /** What each worker says it has, as it says so itself. */
  async function held(): Promise<string[][]> {
    const ask = askWorker(fleet.token)
    const links = await Promise.all(
      Object.values(journal.state().workers).map(({ address }) => ask(address, signal).catch(() => [])),
    )
    return links
      .map(each => each.flatMap(({ partitions }) => partitions.map(one => `${one.topic}-${one.partition}`)))
      .filter(each => each.length > 0)
  }

  /** Every partition of both topics is at one of so many workers, and at one only. */
  const sharedBy = (each: readonly string[][], many: number): boolean => {
    const all = each.flat()
    return each.length === many && all.length === 2 * PARTITIONS && new Set(all).size === all.length
  }

  const workers = (): string[] => Object.keys(journal.state().workers).sort()

  await t.test('what the file declares is copied, and shown', async () => {
    await copies('orders')
    await until('the console shows it', 60_000, async () => {
      const link = await linkNow()
      return link?.state === 'running' && link.partitions === PARTITIONS
    })
  })

  await t.test('a topic more in the file is copied by the process that runs', async () => {
    const before = await readPidFile(pidFile(fleet.home.run, 'mirror'))
    await apply(text => text.replace('topics: [orders]', 'topics: [orders, payments]'))
    await copies('payments')
    assert.deepEqual(await readPidFile(pidFile(fleet.home.run, 'mirror')), before)
    await until('the console shows both', 60_000, async () => (await linkNow())?.topics === 2)
  })

  await t.test('a person pauses and resumes it, and an apply leaves that so', async () => {
    const paused = await fleet.ajna('link', 'pause', 'up', '--reason', 'a test of pausing')
    assert.equal(paused.code, 0, paused.err)
    await apply(text => text)
    await using producer = await edge.producer({}, signal)
    for (let partition = 0; partition < PARTITIONS; partition++)
      await producer.append('orders', partition, batchOf('written while it is paused'))
    await until('what nobody reads is said to be behind', 60_000, async () => {
      const link = await linkNow()
      return link?.desired === 'paused' && link.lagRecords === PARTITIONS
    })
    const again = await fleet.ajna('link', 'pause', 'up', '--reason', 'a test of pausing')
    assert.equal(again.code, 3, again.err)
    const idle = await rehearsed()
    assert.deepEqual([idle.allowed, idle.forbids[0]?.code], [false, 'link-idle'])
    const resumed = await fleet.ajna('link', 'resume', 'up', '--reason', 'the test goes on')
    assert.equal(resumed.code, 0, resumed.err)
    await copies('orders')
    const { items } = dataOf(await fleet.api.GET('/api/activity', { params: { query: { search: 'link.' } } }))
    assert.deepEqual(
      items
        .filter(({ action }) => /^link\.(pause|resume)$/.test(action))
        .map(each => [each.action, each.reason]),
      [
        ['link.resume', 'the test goes on'],
        ['link.pause', 'a test of pausing'],
      ],
    )
  })

  await t.test(
    'a promotion is rehearsed with the rights that control has, as the command says it',
    async () => {
      await until('nothing stands in the way', 60_000, async () => (await rehearsed()).allowed)
      const { lost, steps, partitionsInAll, writers } = await rehearsed()
      const said = await fleet.ajna('link', 'rehearse', 'up', 'promote', '--json')
      assert.equal(said.code, 0, said.err)
      const command = JSON.parse(said.out)
      assert.deepEqual(
        { lost, steps: steps.map(({ name }) => name), partitions: partitionsInAll, writers },
        {
          lost: command.lost,
          steps: command.steps,
          partitions: command.partitions.length,
          writers: command.writers,
        },
      )
    },
  )

  await t.test(
    'its sides are switched over the API, going on by the same call after a kill of control, and back',
    async () => {
      const path = { link: 'up' }
      const body = {
        planned: true,
        stay: false,
        consents: [],
        goOn: false,
        confirm: '',
        reason: 'a test of switching',
        by: 'ada',
      }
      const switched = (action: 'promote' | 'demote', goOn: boolean) =>
        fleet.api.POST('/api/links/{link}/switch', { params: { path }, body: { ...body, action, goOn } })
      const sides = async () => (await linkNow())?.sides ?? null
      const refused = await switched('demote', false)
      assert.equal(refused.response.status, 409)

      await until('a promotion may begin', 60_000, async () => (await rehearsed()).allowed)
      const begun = dataOf(await switched('promote', false))
      await fleet.killAndAwait('control')
      await until('it is gone on with, or was done', 120_000, async () => {
        const now = await sides().catch(() => null)
        if (now?.phase === 'promoted' && now.underWay === null) return true
        if (now?.underWay != null && !now.underWay.here)
          await switched('promote', true).catch(() => undefined)
        return false
      })
      await until('the activity tells of one promotion, and who began it', 60_000, async () => {
        const { items } = dataOf(
          await fleet.api.GET('/api/activity', { params: { query: { search: 'link.promote' } } }),
        )
        return (
          items.length === 1 &&
          items[0]?.id === begun.id &&
          items[0].outcome === 'done' &&
          items[0].actor === 'ada'
        )
      })
      dataOf(await switched('demote', false))
      await until('its source is the original again', 120_000, async () => {
        const link = await linkNow()
        return link?.sides === null && link.state === 'running'
      })
      await copies('orders')
    },
  )

  await t.test(
    'a second worker declared in the file joins live, and each partition is held once',
    async () => {
      const file = await readFile(join(fleet.folder, 'fleet.yaml'), 'utf8')
      const two = join(fleet.folder, 'two.yaml')
      await writeFile(two, `${file}mirror: { workers: 2 }\n`)
      const planned = await fleet.ajna('plan', '-f', two)
      assert.match(planned.out, /machines\n +~ 2 mirror workers instead of 1 on each machine/)
      const before = await pidsOf(fleet)
      await apply(text => `${text}mirror: { workers: 2 }\n`)
      await until('they share the partitions', 120_000, async () => sharedBy(await held(), 2))
      await copies('orders')
      const now = await pidsOf(fleet)
      assert.deepEqual(
        Object.keys(now).filter(name => before[name] !== now[name]),
        ['mirror-2'],
        'nothing else was started anew',
      )
      const shown = await fleet.ajna('status', '--json')
      const { missing, processes } = JSON.parse(shown.out)
      assert.deepEqual(missing, [])
      assert.ok(processes.some((each: { name: string }) => each.name === 'mirror-2'))
      await until('the link says who copies it', 60_000, async () =>
        /^Workers: \S+\.mirror-1 \(\d+ partitions\), \S+\.mirror-2 \(\d+ partitions\)\.$/m.test(
          (await fleet.ajna('link', 'show', 'up')).out,
        ),
      )
      const { items } = dataOf(
        await fleet.api.GET('/api/activity', { params: { query: { search: 'fleet.apply' } } }),
      )
      assert.ok(
        items.some(({ evidence }) => evidence.some(({ label }) => label === 'machines')),
        'the change is in the activity',
      )
    },
  )

  await t.test('of two one is killed: its partitions go on at the other, and are shared again', async () => {
    const { up, 'mirror-2': second } = await pidsOf(fleet)
    // Frozen, it starts nothing anew.
    process.kill(up!, 'SIGSTOP')
    try {
      process.kill(second!, 'SIGKILL')
      await until('the other has them all', 120_000, async () => sharedBy(await held(), 1))
      await copies('orders')
      await copies('payments')
    } finally {
      process.kill(up!, 'SIGCONT')
    }
    await until('they are shared again', 120_000, async () => sharedBy(await held(), 2))
    await copies('payments')
  })

  await t.test('a worker fewer in the file leaves in order, and the other is not touched', async () => {
    const { mirror } = await pidsOf(fleet)
    await apply(text => text.replace(/^mirror: .*\n/m, ''))
    await until(
      'one has everything',
      120_000,
      async () => workers().length === 1 && sharedBy(await held(), 1),
    )
    await until('nothing is left of it', 60_000, async () => {
      const there = (await readdir(fleet.home.run)).includes('mirror-2.json')
      return !there && (await pidsOf(fleet))['mirror-2'] === undefined
    })
    assert.equal((await pidsOf(fleet))['mirror'], mirror)
    await copies('orders')
  })

  await t.test('another worker takes its share, and all of it when the first is killed', async () => {
    const second = spawn(process.execPath, [MAIN, 'role', 'mirror', '--home', fleet.home.root], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    try {
      await until('two workers share the shards', 120_000, async () => {
        const { members, assignments } = journal.state().shards
        const owners = new Set(assignments.map(({ owner }) => (owner === null ? '' : members[owner]?.name)))
        return workers().length === 2 && owners.size === 2
      })
      await copies('orders')
      await fleet.killAndAwait('mirror')
      await copies('payments')
      const exit = once(second, 'exit')
      second.kill('SIGTERM')
      assert.deepEqual(await exit, [0, null])
      await until('the first has everything again', 60_000, async () => workers().length === 1)
      await copies('orders')
    } finally {
      second.kill('SIGKILL')
    }
  })

  await t.test(
    'any link is verified, by range, its copies renamed or not; the first difference is named',
    async () => {
      const definition = linkDefinitionSchema.parse({
        name: 'by-hand',
        source: { cluster: 'edge', principal: ADMIN_PRINCIPAL },
        target: { cluster: 'hub', principal: ADMIN_PRINCIPAL },
        topics: { include: ['payments'] },
        rename: { prefix: 'copy.' },
      })
      await putLink(journal, { definition, owner: 'api', annotations: {}, expected: 0, kept: null })
      const verified = (...args: readonly string[]) =>
        fleet.ajna('link', 'verify', 'by-hand', '--json', ...args)
      const rowsOf = (out: string) => (out === '' ? [] : JSON.parse(out).partitions)
      await until('it has copied everything', 120_000, async () => {
        const { code, out } = await verified()
        const ends = await edge.listOffsets([{ topic: 'payments', partition: 0, at: 'latest' }], signal)
        const rows = rowsOf(out)
        return code === 0 && rows.length === PARTITIONS && rows[0].to === ends[0]!.offset && rows[0].to > 1
      })
      const one = await verified('--topic', 'payments', '--partition', '0', '--from', '0', '--to', '1')
      const [row, ...others] = rowsOf(one.out)
      assert.deepEqual(
        [one.code, others.length, row.topic, row.partition, row.from, row.to, row.difference],
        [0, 0, 'payments', 0, 0, 1, null],
        one.err,
      )
      const outside = await verified('--topic', 'payments', '--partition', '0', '--to', '1000000')
      assert.equal(outside.code, 2, outside.err)
      assert.match(outside.err, /LINK_RANGE_OUTSIDE/)
      assert.equal((await verified('--topic', 'nothing')).code, 2)

      // Nobody but the link may write there; an administrator can.
      await journal.submit({ kind: 'desire', name: 'by-hand', desired: 'paused' })
      const [end] = await hub.listOffsets([{ topic: 'copy.payments', partition: 3, at: 'latest' }], signal)
      await using producer = await hub.producer({}, signal)
      await producer.append('copy.payments', 3, batchOf('a stranger’s'))
      const different = await verified()
      assert.equal(different.code, 1, different.err)
      assert.match(different.err, /LINK_DIFFERS: 1 of 12 partitions differ/)
      assert.deepEqual(
        rowsOf(different.out).flatMap(
          ({ partition, difference }: { partition: number; difference: unknown }) =>
            difference === null ? [] : [[partition, difference]],
        ),
        [[3, { offset: end!.offset, what: 'missing-at-source' }]],
      )
      await journal.submit({ kind: 'remove', name: 'by-hand', owner: 'api' })
    },
  )

  await t.test('a link that is taken out of the file ends, and its copies stay', async () => {
    await apply(text => text.replace(/^links:\n.*\n/m, ''))
    await until('the link is gone', 60_000, async () => (await linkNow()) === undefined)
    assert.deepEqual(Object.keys(journal.state().links), [])
    const ours = await readTopic(hub, 'orders', PARTITIONS, signal)
    assert.ok(ours.every(records => records.length > 0))
  })
})

async function wireOf({ home }: FleetUnderTest, cluster: string): Promise<Wire> {
  const address = await clusterAddress(await readFleetFile(home), cluster, () =>
    identity(home.pki, ADMIN_PRINCIPAL),
  )
  return openWire({ ...address, clientId: 'links-it' })
}
